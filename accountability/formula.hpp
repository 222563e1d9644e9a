// What an update depends on: a formula of AND and OR over earlier updates. [Graph 2]
//
// "(7 or 8) and 5" reads: I am good if 5 is, and one of 7 and 8 is. Kept in postfix order, so that nothing recurses.
#pragma once
#include "base/codec.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace seneschal::accountability {

/// An update's position in the total order of executed updates, from 1; 0 names none.
using UpdateId = Strong<struct UpdateIdTag, std::uint64_t>;

/// Updates that one formula may name, and symbols it may have; giant formulas are refused. Enough for a scan of `kv`
/// that meets a different writer at every key, and what came before it.
inline constexpr std::size_t kMaxLeaves = 2048;
inline constexpr std::size_t kMaxTokens = 2 * kMaxLeaves;

struct Token {
  enum class Kind : std::uint8_t { Leaf, And, Or, Everything, kLast = Everything };
  Kind kind = Kind::Leaf;
  /// Leaf: the update; And, Or: how many operands before it it joins, at least 2; Everything: 0.
  std::uint64_t value = 0;
  auto fields() { return std::tie(kind, value); }
  bool operator==(const Token&) const = default;
};

/// Why a dependency formula, or a whole update, is not taken into the graph.
enum class Refusal : std::uint8_t {
  Malformed,       // not a formula
  TooLarge,        // more leaves or symbols than the bounds
  NoSuchUpdate,    // update 0
  RefersToItself,  // a cycle: the update names itself
  RefersToFuture,  // an update that is not there yet
  TooFarBack,      // more than 2^32-1 updates back
  DigestMismatch,  // the update named is there, but with another content
  DigestMissing,   // not one digest per name, in order
  TooMuchToCheck,  // digests of updates that are too large together
  UnknownClient,   // client number above the bound
  OutOfOrder,      // seq below the one before
  kLast = OutOfOrder,
};
std::string_view to_string(Refusal refusal);
/// Why update `id` cannot depend on update `name`, wherever its graph begins.
std::optional<Refusal> problem_with(UpdateId name, UpdateId id);

/// A well-formed formula: empty (depends on nothing), or postfix tokens that leave one value.
class Formula {
 public:
  Formula() = default;
  static Formula all(std::span<const UpdateId> updates);
  static Formula any(std::span<const UpdateId> updates);
  /// Of whoever depends on more than a formula can name: fails if any update before is bad. Too much may be suspect
  /// then, never too little.
  static Formula everything();
  /// Error unless the tokens are well-formed and within the bounds.
  static std::expected<Formula, Refusal> from_tokens(std::vector<Token> tokens);
  /// "12", "(12 or 13) and 14", "everything"; "" is the empty formula. `and` binds tighter than `or`.
  static std::expected<Formula, Refusal> parse(std::string_view text);

  const std::vector<Token>& tokens() const { return tokens_; }
  bool empty() const { return tokens_.empty(); }
  /// The updates named, in order, with repetitions; none for "everything".
  std::vector<UpdateId> leaves() const;
  /// In shortest form this is the only formula with that symbol: joined with anything else by AND it means the same,
  /// and an OR fails exactly when its other operands do.
  bool is_everything() const { return tokens_.size() == 1 && tokens_[0].kind == Token::Kind::Everything; }
  /// True if it is a plain conjunction.
  bool conjunctive() const;
  /// True if it fails when exactly the updates for which `touched` holds are bad; `any_before`: whether any update
  /// before this one is.
  bool fails(const std::function<bool(UpdateId)>& touched, bool any_before) const;
  /// The same formula in its one shortest form, where updates before `base` are known to be good: an AND loses them,
  /// an OR with one of them always holds.
  Formula simplified(UpdateId base) const;
  std::string text() const;
  bool operator==(const Formula&) const = default;

 private:
  std::vector<Token> tokens_;
};

}  // namespace seneschal::accountability
