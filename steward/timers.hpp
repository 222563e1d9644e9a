// How long a site waits for its representative, and all sites for the leader site. [Steward 6] [TR V-E]
#pragma once
#include "base/time.hpp"
#include "runtime/membership.hpp"
#include "steward/config.hpp"

#include <deque>
#include <map>
#include <optional>

namespace seneschal::steward {

/// A disk that takes longer than this for a write is taken for a broken one.
inline constexpr Duration kLongestWrite = std::chrono::seconds(60);

/// T1 > 3 wide-area round trips with the writes to disks on the way, T2 > (f+2) T1, T3 = (f+3) T2, f being the
/// largest of any site; all three double together. Integer arithmetic: when a view changes is part of the protocol.
class Timers {
 public:
  Timers(const Settings& settings, const Membership& membership, SiteId self);

  /// This server's own measurement of the round trip to another server, of any site. The shortest of the last f+1,
  /// each to another server, counts: f servers cannot make it longer, nobody can make it shorter.
  void measured(ServerId server, Duration round_trip);
  /// How long a share of the site's key takes here, from asking for it to having it: what a busy machine adds to
  /// every site message. Each of the two site signatures of a round is waited for by servers that need it for a share
  /// of their own, so the estimate below is the round trip and twice this.
  void set_share_time(Duration share) { share_time_ = share; }
  /// What a write to the disk takes at this server, the one under way included.
  void set_write_time(Duration write) { write_time_ = std::min(write, kLongestWrite); }
  /// What another server, of any site, says that a write takes there.
  void wrote(ServerId server, Duration write);
  bool knows_writes_of(SiteId site) const;
  /// The f+1-st highest of what this site's servers say, which f of them cannot stretch, and at least this server's
  /// own: who writes slowly must not blame others.
  Duration site_write_time() const;
  /// The f+1-st highest of what servers of `site` say; 0 while there is too little of it.
  Duration write_time_of(SiteId site) const;
  /// What a write takes where an update has to be written: here, at the leader site, and at the quicker sites that
  /// make a majority. Of each site the f+1-st highest.
  Duration write_time() const;
  /// Of this site's own servers, among what was measured; 0 while there is too little of it.
  Duration local_round_trip() const;
  /// The shortest measured lately to any server of `site`; 0 if there is none. Faulty servers make it longer at most
  /// until a correct one was asked, so nothing that blames somebody may rest on it.
  Duration shortest_round_trip(SiteId site) const;
  /// True once the round trip to another site is among what was measured: before, the estimate knows shares alone.
  bool knows_other_sites() const;
  /// The largest of its measurements, for others: what NewRep and GlobalViewAttempt carry. 0 if there is none.
  Duration own_estimate() const;
  /// What another server of this site measured.
  void reported(ServerIndex server, Duration round_trip);

  /// The f+1-st highest of the servers' estimates: at least one correct server measured that much, and no f others
  /// can make it more.
  Duration round_trip() const;

  /// `gv` is the current view, `ordered` that of the highest order certificate held: the factor is
  /// 2^floor((gv - ordered) / N).
  void set_views(GlobalView gv, GlobalView ordered);
  Duration representative_timeout() const;         // T1
  Duration leader_representative_timeout() const;  // T2
  Duration leader_site_timeout() const;            // T3
  std::uint32_t doublings() const { return doublings_; }

 private:
  /// The shortest of the last f+1; nothing while there are fewer.
  std::optional<Duration> shortest(SiteId site) const;

  Duration floor_;
  SiteId self_;
  std::uint16_t faults_ = 0;              // the largest of any site
  std::uint16_t own_faults_ = 0;          // of this site
  std::vector<std::uint16_t> faults_of_;  // by site
  std::size_t sites_;
  std::size_t majority_;
  struct Measured {
    ServerIndex server;
    Duration round_trip;
  };
  std::map<SiteId, std::deque<Measured>> own_;  // the last f+1, each of another server
  std::map<ServerIndex, Duration> of_servers_;  // of this site, own one left out
  Duration share_time_{};
  Duration write_time_{};
  std::map<SiteId, std::map<ServerIndex, Duration>> writes_;  // as said; bounded by the membership
  SiteId leader_;
  std::uint32_t doublings_ = 0;
};

}  // namespace seneschal::steward
