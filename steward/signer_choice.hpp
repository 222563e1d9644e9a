// Whom a collector asks for shares: its q best responders. [Steward 3.6]
#pragma once
#include "base/time.hpp"
#include "runtime/membership.hpp"

#include <optional>
#include <set>
#include <tuple>
#include <vector>

namespace seneschal::steward {

class SignerChoice {
 public:
  SignerChoice(const SiteInfo& site, ServerIndex self) : site_(site), self_(self), seats_(site.servers) {}

  /// The set that every server assumes before the representative of a view has announced another.
  static std::set<ServerIndex> initial(const SiteInfo& site, ServerIndex representative);

  /// A new representative starts from the initial set.
  void reset(ServerIndex representative);
  const std::set<ServerIndex>& chosen() const { return chosen_; }
  std::uint64_t epoch() const { return epoch_; }

  /// A restarted representative goes on with the set that it announced last.
  void resume(std::set<ServerIndex> chosen, std::uint64_t epoch);

  /// `server` answered a request `after` it was made.
  void answered(ServerIndex server, Duration after);
  /// `server` did not answer in time, or much later than the others. The second time within 64 answers it loses
  /// its place, so that being late by turns does not pay; true then, and the new set has to be announced.
  bool missed(ServerIndex server);
  /// `server` answered a question of its own in good time, though it does not answer by itself: it may have gone on
  /// to a view that the others did not follow into. It is asked from the beginning from now on.
  void answers_questions(ServerIndex server) { seats_[server.value].needs_asking = true; }
  /// Its share came before any question could: it follows again.
  void answers_unasked(ServerIndex server) { seats_[server.value].needs_asking = false; }
  bool needs_asking(ServerIndex server) const { return seats_[server.value].needs_asking; }
  /// Its shares take a proof each: it is chosen only when no other is left. True if the set changed.
  bool distrust(ServerIndex server);
  void trust(ServerIndex server) { seats_[server.value].distrusted = false; }
  /// `server` is provably faulty: it is never chosen again. True if the set changed.
  bool exclude(ServerIndex server);

 private:
  struct Seat {
    Duration usual{};
    std::uint32_t strain = 0;      // what its misses left
    std::uint64_t demoted_at = 0;  // epoch, 0: never
    bool excluded = false;
    bool distrusted = false;
    bool needs_asking = false;  // in this view
  };
  bool replace(ServerIndex server);

  SiteInfo site_;
  ServerIndex self_;
  std::vector<Seat> seats_;
  std::set<ServerIndex> chosen_;
  std::uint64_t epoch_ = 0;
};

}  // namespace seneschal::steward
