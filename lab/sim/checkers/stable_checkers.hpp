// Stable Checkpoints: what they settle, and that what they settle can be had again. [Steward 7]
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <deque>
#include <map>

namespace seneschal::lab::sim {

/// A Checkpoint is stable when a majority of sites has signed it, and not before: no server takes another one for
/// stable, installs the state of another one, or votes for anything at or below the newest stable one that it holds.
class Settled final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "settled"; }
  void on_site_signed(Instant at, SiteId site, Span message) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_durable(Instant at, ServerId server, Span record) override;
  /// What it held and a crash took back is as if it had never come: it still has all that the Checkpoint covers.
  void on_restarted(ServerId server, bool) override {
    stable_.erase(Principal::of(server));
    executed_.erase(Principal::of(server));
  }

 private:
  bool signed_by_majority(Seq seq, const Digest& digest) const;

  std::map<std::pair<Seq, Digest>, std::set<SiteId>> signers_;
  std::map<Principal, Seq> stable_;    // the newest that each server holds
  std::map<Principal, Seq> executed_;  // that far each server has come
};

/// Whatever M sites are left, they can go on: for each seq up to the highest stable one, every set of M sites has a
/// correct server whose disk has the order certificate with its batch, or a state at or above it with its proof.
/// Looked at whenever a stable Checkpoint moves, records are given back or a server stops. And a server that starts
/// again has executed all that its disk can rebuild, before it says anything. Disks that were lost
/// beyond `f` in a site do not count against it.
class Recoverable final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "recoverable"; }
  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_durable(Instant at, ServerId server, Span record) override;
  void on_forgotten(Instant at, ServerId server, std::size_t records) override;
  void on_restarted(ServerId server, bool lost) override;
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;

 private:
  struct Kept {
    Seq seq;  // of an order certificate, or of a state; 0: something else
    bool state_piece = false;
    bool proof = false;
    std::uint32_t first = 0;  // of a state's piece
    std::uint32_t chunks = 0;
    std::uint32_t total = 0;
  };
  struct Disk {
    std::deque<Kept> records;
    Seq state;  // the newest whole state with its proof
    /// It has just started again and must know all of this.
    std::optional<Seq> must_know;
  };
  static Seq rebuilt(const Disk& disk);
  void count(ServerId server, Seq seq, int by);
  static Seq newest_state(const std::deque<Kept>& records);
  bool excused(SiteId site) const;
  bool has(SiteId site, Seq seq) const;
  void check(Instant at, Seq seq);

  std::map<ServerId, Disk> disks_;
  std::map<Seq, std::map<SiteId, int>> certificates_;  // disks of each site that have it
  std::map<SiteId, std::set<ServerId>> lost_;
  std::map<ServerId, Seq> executed_;  // in its present life
  std::set<Seq> unsure_;              // a server that had them stopped: looked at when its disk has been shown again
  Seq stable_;                        // the highest
};

}  // namespace seneschal::lab::sim
