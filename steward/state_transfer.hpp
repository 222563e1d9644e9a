// Fetching the state of the newest stable Checkpoint, for a server further behind than history reaches, and lending
// it to others. [Steward 7]
#pragma once
#include "replication/snapshot_assembly.hpp"
#include "steward/checkpoints.hpp"

namespace seneschal::steward {

/// Pieces come from several servers at a time, of our own site first. Each is checked against the digest
/// that M sites signed: it does not matter who sent it, and nobody can poison the state. A server that sends a forged
/// piece is set aside.
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
    Stable proof;
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
    bool lends = false;      // it answered with something useful, and has not failed since
    bool set_aside = false;  // it sent something forged under its MAC
    // the request it owes an answer to
    bool busy = false;
    Instant asked_at{};
    Instant heard_at{};
    std::optional<std::uint32_t> block;
    std::set<std::uint32_t> chunks;
  };
  bool pays(Instant now, ServerId asker, std::size_t bytes);
  bool wanted(Instant now);
  void aim(Instant now, Effects& fx);
  void end();
  void ask(Instant now, Effects& fx);
  bool ask_of(Instant now, ServerId id, Source& source, std::set<std::uint32_t>& blocks,
              std::set<std::uint32_t>& chunks, Effects& fx);
  bool doubtful(ServerId id, const Source& source) const;
  Source* source_of(const Principal& sender);
  void judge(Instant now, Source& source, bool asked, bool proven, replication::SnapshotAssembly::Piece piece);
  void strike(Instant now, Source& source) const;
  template <class M>
  std::optional<Reject> take_piece(Instant now, const Verified<M>& message, bool asked, Effects& fx);
  void pass_on(const replication::SnapshotChunk& chunk, Effects& fx) const;

  Context& context_;
  Checkpoints& checkpoints_;
  replication::SnapshotAssembly assembly_;
  Stable target_;
  std::map<ServerId, Source> sources_;  // every other server
  Accounts<ServerIndex> near_;          // what neighbours may draw
  Instant moved_at_{};                  // when the ARU moved last
  Instant wanted_at_{};                 // when this transfer began
  Instant useful_at_{};                 // when something useful came last, or the transfer began
  Instant looked_at_{};                 // since then
  std::uint32_t useful_ = 0;            // so many pieces came
  bool begun_ = false;                  // something of the target came
  struct Nearest {
    std::uint64_t gap;  // entries to the newest stable Checkpoint
    Instant since;
  };
  std::optional<Nearest> nearest_;  // since the last transfer, while behind
  std::uint64_t forged_ = 0;
  bool handed_out_ = false;
  bool unreadable_ = false;
};

}  // namespace seneschal::steward
