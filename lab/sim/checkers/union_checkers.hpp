// What unions demand, worked out a second time from the states and constraints that went over the wire, by rules
// written down here and not by the protocol's own functions. [Steward 4] [Steward 5]
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include "steward/view_messages.hpp"

#include <map>
#include <tuple>

namespace seneschal::lab::sim {

/// True if `a` decides against `b`, both being of one seq: an order certificate; then the highest global view; within
/// one a Proposal before a prepare certificate; among certificates the highest local view. [Steward 5]
bool ranks_above(const steward::StateItem& a, const steward::StateItem& b);

/// No correct server votes, in a view after the first, for anything that no bundle (and constraint set) which was
/// sent round in that view allows, nor before it has executed up to the bases of such a pair; none shares a
/// constraint that is not the union of such a bundle, or takes another base for that of a set than the highest in it.
class Unions final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "unions"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_share(Instant at, ServerId server, Span message) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  struct Union {
    Seq asked;   // what the states were asked about
    Seq stable;  // the highest stable Checkpoint that one of them shows above that, or 0
    Seq base;    // the higher of both: nothing at or below it is anybody's business
    std::map<Seq, std::vector<steward::StateItem>> items;  // those that nothing ranks above: proofs of one thing

    void raise(const std::optional<steward::StableProof>& proof);
    void add(const steward::StateItem& item);
    const steward::StateItem* at(Seq seq) const;
    Seq highest() const { return items.empty() ? base : std::max(base, items.rbegin()->first); }
    /// Nothing but what the union names, and all of it.
    bool equals(const steward::GlobalConstraint& message) const;
  };
  using Chosen = std::vector<Digest>;  // the pieces, by their hashes
  using ViewPair = std::pair<GlobalView, LocalView>;
  struct Bundle {
    std::map<Digest, steward::ServerState> states;
    std::set<Principal> signers;
  };
  struct Set {
    std::map<Digest, steward::GlobalConstraint> constraints;
    std::set<Principal> signers;
  };

  void collected(const ServerId& by, const steward::CollectedState& piece);
  void collected(const steward::CollectedConstraint& piece);
  void voted(Instant at, ServerId server, GlobalView gv, LocalView lv, Seq seq, const Digest& digest);
  void constrained(Instant at, ServerId server, const Event& event);
  static bool allows(const Union& local, const Union* global, Seq seq, const Digest& digest);

  std::map<std::pair<SiteId, Chosen>, Bundle> bundles_;  // complete or not
  std::map<std::pair<ViewPair, Chosen>, Set> sets_;
  std::map<ViewPair, std::vector<Union>> local_;   // of the leader site
  std::map<ViewPair, std::vector<Union>> global_;  // likewise
  std::map<std::pair<SiteId, GlobalView>, std::vector<Union>> answers_;
  std::map<ServerId, Seq> executed_;
};

}  // namespace seneschal::lab::sim
