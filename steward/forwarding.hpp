// Sending on what a representative owes to other sites: a bounded delay, whomever it leaves out. [Steward 6]
//
// A representative can show what its site signed to its own servers and to some sites at once, and to the others
// late. No other site's word may convict it, since slow sites would depose correct representatives. Instead its
// neighbours send the message on: a site without an Accept gets the Proposal from one of them after the time that a
// correct representative and a correct site need together. This room decides who sends what to which site, and when.
#pragma once
#include "steward/timers.hpp"

#include <vector>

namespace seneschal::steward {

class Forwarding {
 public:
  Forwarding(const Membership& membership, ServerId self, const Timers& timers);

  /// What a round inside a site may take. [Steward 6, Pace]
  void set_allowance(Duration allowance) { allowance_ = allowance; }

  /// This server holds the Proposal of `seq`, `bytes` long with its batch. Returns the sites that get it from this
  /// server at once: to them it has come late of late, and it is this server's turn.
  std::vector<SiteId> proposed(Instant now, Seq seq, std::size_t bytes, SiteId leader, ServerIndex representative);
  /// The Accept of `site` is here. True if it is our own and this server sends it to all sites as well.
  bool accepted(Instant now, Seq seq, SiteId site);
  /// The entry is ordered here: nobody else's Accept is missed any more, except at the leader site.
  void ordered(Seq seq);
  void view_changed();

  struct Due {
    Seq seq;
    std::vector<SiteId> sites;
    std::uint32_t turn;  // how many servers were to send it before
  };
  /// What this server has to send now: at the leader site the Proposal, elsewhere our site's Accept.
  std::vector<Due> due(Instant now);

  /// Another site shows that it misses the Accept of this site. True if this server answers it with that.
  bool accept_missed(Instant now, Seq seq);

  bool busy() const { return !tracks_.empty(); }
  /// From the Proposal until a site without an Accept gets it from here, if it is this server's turn.
  Duration patience(SiteId site) const;
  std::size_t size() const { return tracks_.size(); }

 private:
  struct AtSite {
    std::optional<Instant> accepted;
    std::optional<Instant> sent;  // by this server, and not known to have been of use
    bool at_once = false;         // the server in turn sent it without waiting
    bool late = false;            // noted
  };
  struct Track {
    Instant since;
    std::size_t bytes;
    SiteId leader;
    ServerIndex representative;
    bool ordered = false;
    std::vector<AtSite> sites;
    std::vector<ServerIndex> turns;  // who sends it on, in this order
  };
  /// What experience says of a site.
  struct Experience {
    std::uint32_t late = 0;  // entries in a row, without an Accept in time
    bool at_once = false;
    std::uint32_t probes = 0;  // how often that began in this view or was still necessary
    Seq probe_at;
    std::uint32_t vain = 0;   // entries in a row, late though they were sent at once
    std::uint32_t rests = 0;  // how often it did not help
    Seq rest_until;
    Instant paid_until;  // when what was sent in vain is made up for
  };
  /// A server of this site whose turn passed without effect.
  struct Unhelpful {
    std::uint32_t times = 0;
    Seq until;
  };

  Duration round_trip(SiteId site) const;
  /// From one turn to the next: the site may take the allowance for its Accept.
  Duration step(SiteId site) const { return round_trip(site) + allowance_ + allowance_ / 4; }
  bool leads(const Track& track) const { return track.leader == self_.site; }
  bool misses(const Track& track, SiteId site) const;
  std::vector<ServerIndex> turns(Seq seq, ServerIndex representative) const;
  std::uint32_t own_turn(const Track& track) const;
  bool may_send(Instant now, SiteId site, std::size_t bytes);
  void note_in_time(const Track& track, SiteId site);
  void note_late(Track& track, Seq seq, SiteId site);
  bool over(Instant now, const Track& track) const;

  std::vector<SiteInfo> sites_;
  ServerId self_;
  const Timers& timers_;
  Duration allowance_{};
  std::map<Seq, Track> tracks_;  // the newest kMaxTracks
  std::vector<Experience> experience_;
  std::vector<Unhelpful> unhelpful_;  // by server of this site
  Seq repeat_until_;                  // our Accepts are sent by a second server
};

}  // namespace seneschal::steward
