// Which updates are corrupt, which suspect, which certainly not affected. [Graph 3] [TR Alg. 1, III-B, III-C]
#pragma once
#include "accountability/graph.hpp"

#include <memory>
#include <set>
#include <string>

namespace seneschal::accountability {

/// Unknown: a client is malicious since before the graph begins. What it did then is in the snapshot that the graph
/// begins with, so an update that nothing else touches is not certainly unaffected.
enum class Colour : std::uint8_t { NotAffected, Suspect, Corrupt, Unknown };
std::string_view to_string(Colour colour);

/// A point in the order, as an operator named it: an update, a seq, or a time in ms since 1970.
struct Moment {
  enum class Kind : std::uint8_t { Update, Seq, Time };
  Kind kind = Kind::Update;
  std::uint64_t value = 0;
  auto operator<=>(const Moment&) const = default;
};
std::string to_string(const Moment& moment);

/// `client` is malicious from its first update at or after `from` on.
struct Mark {
  ClientId client;
  UpdateId from;
  /// What was said, where it lies before the beginning of the graph that it was said of: which update that is cannot
  /// be told then, and `from` is the first of all, so that nothing is left out.
  std::optional<Moment> given = {};
  auto operator<=>(const Mark&) const = default;
  Moment moment() const { return given.value_or(Moment{Moment::Kind::Update, from.value}); }
};

/// What an operator has said so far. Marks add up and can be withdrawn; a suspect update can be cleared: it counts as
/// good from then on, and what depends on it is computed again. Clearing does not help an update of a marked client.
struct Findings {
  std::set<Mark> marks;
  std::set<UpdateId> cleared;
  bool operator==(const Findings&) const = default;

  /// Where `client` becomes malicious; nothing if it is not marked.
  std::optional<UpdateId> malicious_from(ClientId client) const;
  /// The earliest update that a mark may make corrupt; nothing without marks.
  std::optional<UpdateId> first() const;
};

/// The beginning of `graph`, if a client is malicious since before it: the graph does not tell then what is not
/// affected.
std::optional<UpdateId> unknown_before(const Graph& graph, const Findings& findings);

/// A colour for every update of a graph: one byte each, so that the pass needs no shifts.
class Colours {
 public:
  Colours() = default;
  /// All `NotAffected`.
  Colours(UpdateId origin, UpdateId end);

  Colour of(UpdateId id) const {
    const Byte colour = at(id);
    if (colour == 0) return unknown_before_ ? Colour::Unknown : Colour::NotAffected;
    return (colour & kCorrupt) != 0 ? Colour::Corrupt : Colour::Suspect;
  }
  /// Certainly corrupt or suspect.
  bool touched(UpdateId id) const { return at(id) != 0; }
  std::uint64_t corrupt() const { return corrupt_; }
  std::uint64_t suspect() const { return suspect_; }
  /// The beginning of the graph, if a client is malicious since before it.
  std::optional<UpdateId> unknown_before() const { return unknown_before_; }
  UpdateId origin() const { return origin_; }
  UpdateId end() const { return end_; }
  void set_unknown_before(std::optional<UpdateId> begin) { unknown_before_ = begin; }
  /// For other passes than `mark`: once per update.
  void set(UpdateId id, Colour colour) {
    row()[id.value - origin_.value] = static_cast<Byte>(colour);
    corrupt_ += colour == Colour::Corrupt ? 1 : 0;
    suspect_ += colour == Colour::Suspect ? 1 : 0;
  }
  /// The first touched update at or after `from`; `end()` if there is none.
  UpdateId next_touched(UpdateId from) const;

 private:
  friend class Marker;
  static constexpr Byte kSuspect = 1, kCorrupt = 2;
  /// Untouched bytes before the first update: distances of two bytes may point there and find something good.
  static constexpr std::size_t kBefore = 65536;
  struct Free {
    void operator()(Byte* bytes) const;
  };
  Byte at(UpdateId id) const { return id < origin_ || id >= end_ ? Byte{0} : row()[id.value - origin_.value]; }
  Byte* row() const { return bytes_.get() + kBefore; }

  UpdateId origin_{1}, end_{1};
  std::uint64_t corrupt_ = 0, suspect_ = 0;
  std::optional<UpdateId> unknown_before_;
  std::unique_ptr<Byte[], Free> bytes_;
};

/// One pass from the first update that can be corrupt to the end. Safe on any bytes that `Block::parse` let through.
Colours mark(const Graph& graph, const Findings& findings);

}  // namespace seneschal::accountability
