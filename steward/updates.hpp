// Clients' updates on their way to the representative of the leader site, and the watch over them. [Steward 3.1]
// [Steward 3.2] [Steward 3.3]
#pragma once
#include "replication/client_service.hpp"
#include "runtime/timers.hpp"
#include "steward/neglect.hpp"
#include "steward/sequencing.hpp"
#include "steward/timers.hpp"

namespace seneschal::steward {

class Updates {
 public:
  Updates(Context& context, Sequencing& sequencing, const Timers& timers)
      : context_(context),
        sequencing_(sequencing),
        timers_(timers),
        service_(context.execution, context.settings.draw_client) {}

  /// From the client itself, which belongs to this site.
  std::optional<Reject> on_update(Instant now, const Verified<Update>& message, Effects& fx);
  std::optional<Reject> on_forwarded(Instant now, const Verified<ForwardedUpdate>& message, Effects& fx);
  /// An answer from executed state, or later when `min_seq` is executed. One waits per client. [Steward 3, queries]
  std::optional<Reject> on_query(Instant now, const Verified<replication::Query>& message, Effects& fx);

  /// An entry was executed: replies to the clients of this site, ends watches, answers queries that waited.
  void executed(Instant now, const std::vector<ClientId>& clients, Effects& fx);
  /// Clients left: nothing of theirs stays.
  void clients_left();
  /// `allowance`: what a round inside a site may take. [Steward 6, Pace]
  void on_tick(Instant now, Duration allowance, Effects& fx);
  /// A Proposal has come for `seq`: what it holds has a place. [Steward 3.3]
  void proposed(Instant now, Seq seq);
  /// Too few sites answer: the clients of this site that wait are told. Whoever asks again later is told then.
  void majority_lost(Instant now, Effects& fx);
  /// Another representative or leader site: it gets what is watched here.
  void view_changed(Instant now);

  /// Since when the representative of the leader site has had, from this very server, an update that it has not
  /// proposed.
  std::optional<Instant> oldest_given() const;
  /// How many it has had since before `when`.
  std::size_t given_before(Instant when) const;

  /// The update that this server gave to the present representative before all others that it watches, and when: only
  /// what it gave to it itself may count against it. [Steward 3.3]
  std::optional<Waiting> oldest_here() const;
  /// The same in whatever view: what counts against the leader site.
  std::optional<Waiting> oldest_anywhere() const;

  bool busy() const { return !watched_.empty(); }
  const replication::WatchList& watched() const { return watched_; }

 private:
  struct Sent {
    std::uint32_t count = 0;
    Instant last;
    Instant due;                      // when it is passed on again
    Leg leg = Leg::ToRepresentative;  // how it came
    std::optional<Instant> given;     // when this server first gave it to the present representative
    std::optional<Instant> begun;     // when this server first gave it to any
    bool first_hand = false;          // not only from a neighbour
    std::optional<Instant> relayed;   // when this server first sent it to the leader site that is present
    bool proposed = false;            // a Proposal holds it
    bool missed = false;              // it was counted as left out
    void give(Instant now) {
      if (!given) given = now;
      if (!begun) begun = now;
    }
  };

  /// When this update was given, if it is not proposed yet.
  template <class F>
  void for_each_given(F&& use) const;
  std::optional<Reject> take(Instant now, const Signed<Update>& update, Leg leg, bool direct, Effects& fx);
  enum class Way : std::uint8_t { Usual, Chosen, Again };
  void pass_on(Instant now, const Signed<Update>& update, Way way, Effects& fx);
  bool chosen_by(ClientId client, Timestamp timestamp);
  void say_majority_lost(Instant now, ClientId client, Timestamp timestamp, Effects& fx);
  Duration retry_after() const;
  Duration hand_over_after() const;
  Duration give_after() const;
  void hand_over(Instant now, Effects& fx);
  std::vector<Destination> at_leader_site(const Sent& sent);
  void note_missed(Instant now, Effects& fx);
  void try_again(Instant now, ClientId client, Effects& fx);
  void retry_at(ClientId client, Instant at);
  /// True if it is this server that gives updates their place.
  bool orders() const;

  Context& context_;
  Sequencing& sequencing_;
  const Timers& timers_;
  replication::ClientService service_;
  replication::WatchList watched_;
  template <class When>
  std::optional<Waiting> longest_waiting(const When& when) const;
  std::map<ClientId, Sent> sent_;  // of watched updates
  TimerSet<ClientId> retries_;
  std::map<ClientId, Timestamp> given_here_;  // by the client itself, the latest; bounded by the membership
  Duration usual_{};                          // moving average from watching to execution
  Duration allowance_{};
  /// What this server knows of the representative of the leader site: how it treats what comes from here.
  struct Neglectful {
    ServerId representative;
    std::uint32_t strain = 0;  // what updates that it left out have left
    std::uint32_t shown = 0;   // so many of the next ones go to others of its site, too
  };
  Neglectful neglectful_;
  Instant last_full_;  // when a Proposal without room came
};

}  // namespace seneschal::steward
