// Whom a server asks for the proofs that it lacks, and when it asks again. [Steward 4, Proof]
#pragma once
#include "steward/view_messages.hpp"

#include <map>
#include <set>

namespace seneschal::steward {

/// A Byzantine server may name a genuine entry and never prove it. So no proof depends on one server: the first
/// request goes to one of the servers that name the entry, each further one to f+1 others of them, of which one is
/// correct. Bounded by what is wanted: the states of this (gv, lv), one per server and exchange.
class ProofSearch {
 public:
  /// Servers that say that they can prove an entry, in the order in which they are asked.
  using Holders = std::vector<ServerIndex>;
  using Wanted = std::map<StateItem, Holders>;
  using Requests = std::map<ServerIndex, std::vector<StateItem>>;

  ProofSearch(const Settings& settings, std::uint16_t faults) : settings_(settings), faults_(faults) {}

  /// All entries whose proofs are wanted now, with at least one holder each. A search that is under way goes on, one
  /// for an entry that is not among them ends.
  void want(Wanted wanted);
  bool wants(const StateItem& item) const { return searches_.contains(item); }
  /// All wanted entries with this seq and digest, whatever is said of their views.
  std::vector<StateItem> wanted(Seq seq, const Digest& digest) const;
  /// The requests that are due.
  Requests due(Instant now);
  void clear() { searches_.clear(); }
  std::size_t size() const { return searches_.size(); }

 private:
  struct Search {
    Holders holders;
    std::set<ServerIndex> asked;  // in this round through the holders
    bool begun = false;
    std::uint32_t rounds = 0;  // all holders were asked so often
    Instant due;
  };
  std::vector<ServerIndex> next(Search& search) const;

  const Settings& settings_;
  std::uint16_t faults_;
  std::map<StateItem, Search> searches_;
};

}  // namespace seneschal::steward
