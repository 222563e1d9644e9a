// Fetching the state of the newest Checkpoint, for whoever is further behind than history reaches, and lending it to
// others. [Steward 7]
#pragma once
#include "replication/snapshot_assembly.hpp"
#include "steward/checkpoints.hpp"

namespace seneschal::steward {

/// Pieces come from several servers at a time, of our own site first. Each is checked against what the Checkpoint
/// signed: it does not matter who sent it, and nobody can poison the state. Whoever sends a forged piece is set
/// aside.
class StateTransfer {
 public:
  StateTransfer(Context& context, Checkpoints& checkpoints);

  // Lending.
  std::optional<Reject> on_request(Instant now, const Verified<replication::SnapshotRequest>& message, Effects& fx);

  // Fetching.
  std::optional<Reject> on_block(Instant now, const Verified<replication::SnapshotBlock>& message, Effects& fx);
  std::optional<Reject> on_chunk(Instant now, const Verified<replication::SnapshotChunk>& message, Effects& fx);
  /// The ARU moved.
  void progressed(Instant now);
  void on_tick(Instant now, Effects& fx);

  /// True if all of the state is here. `take` hands it out; until `taken_over` nothing else is fetched.
  bool complete() const { return assembly_.complete(); }
  struct State {
    Seq seq;
    Held<Checkpoint> proof;
    std::vector<SharedBytes> chunks;
  };
  State take();
  /// What `take` handed out is in use, or not needed any more. Not `readable`: this program is not the one that made
  /// it.
  void taken_over(bool readable);

  bool busy() const { return assembly_.active() || handed_out_; }
  bool handed_out() const { return handed_out_; }
  std::size_t missing() const { return assembly_.missing(); }
  std::uint64_t forged() const { return forged_; }
  bool set_aside(ServerId server) const { return sources_.at(server).set_aside; }

 private:
  struct Source {
    std::uint32_t strikes = 0;  // since it last sent something useful
    Instant not_before{};
    bool set_aside = false;  // it sent something forged under its MAC
    // the request it owes an answer to
    bool busy = false;
    Instant asked_at;
    std::optional<std::uint32_t> block;
    std::set<std::uint32_t> chunks;
  };
  bool pays(Instant now, const Principal& asker, std::size_t bytes);
  bool wanted(Instant now) const;
  void aim(Instant now);
  void end();
  void ask(Instant now, Effects& fx);
  Source* source_of(const Principal& sender);
  void judge(Instant now, Source& source, bool proven, replication::SnapshotAssembly::Piece piece);
  void strike(Instant now, Source& source) const;
  template <class M>
  std::optional<Reject> take_piece(Instant now, const Verified<M>& message, Effects& fx);

  Context& context_;
  Checkpoints& checkpoints_;
  replication::SnapshotAssembly assembly_;
  Held<Checkpoint> target_;
  std::map<ServerId, Source> sources_;       // every other server
  std::map<Principal, Instant> paid_until_;  // by asker; bounded by the membership
  Instant moved_at_{};                       // when the ARU moved last
  Instant useful_at_{};                      // when something useful came last, or the transfer began
  std::uint64_t forged_ = 0;
  bool handed_out_ = false;
  bool unreadable_ = false;
};

}  // namespace seneschal::steward
