// What each seq must be in a new view. Pure: everything safety hangs on is in these few functions. [Steward 4]
// [Steward 5]
#pragma once
#include "steward/stable.hpp"
#include "steward/views.hpp"

#include <map>

namespace seneschal::steward {

/// True if `a` decides against `b`, both being of one seq. [Steward 5]
bool outranks(const StateItem& a, const StateItem& b);

/// Per seq above `base` the entry that outranks all others reported; a seq without one is a gap. The base is what was
/// asked about, or the highest stable Checkpoint that any of those reported, `stable`: below it nothing is a gap,
/// whatever of it is still kept. [Steward 7]
struct StateUnion {
  Seq base;
  std::map<Seq, StateItem> items;
  Stable stable{};  // nothing if none was reported above what was asked about

  /// A server reported this stable Checkpoint. Every server that unites the same reports ends with the same proof.
  void raise(const Stable& reported);
  /// Items at or below the base are ignored: raise it first.
  void add(const StateItem& item);
  Seq highest() const { return items.empty() ? base : std::max(base, items.rbegin()->first); }
};

/// The exchanges that bind the leader site's servers in one (gv, lv).
struct Bounds {
  const StateUnion* local = nullptr;   // null: local view 0 of global view 0
  const StateUnion* global = nullptr;  // null: global view 0
  /// Below it nothing is prepared: a server must have executed that far before it counts as constrained. [Steward 4]
  Seq base() const;
};

/// Per seq above the base: an order certificate from either; the local union's entry; the global constraint's; a
/// no-op below the highest seq of either. Whatever is not in the result is free. [Steward 4]
std::map<Seq, FixedEntry> required(const Bounds& bounds);

/// The digest of the empty batch.
const Digest& no_op();

}  // namespace seneschal::steward
