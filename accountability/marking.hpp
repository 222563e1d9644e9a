// Which updates are corrupt, which suspect, which certainly not affected. [Graph 3] [TR Alg. 1, III-B, III-C]
#pragma once
#include "accountability/graph.hpp"

#include <memory>
#include <set>
#include <string>

namespace seneschal::accountability {

enum class Colour : std::uint8_t { NotAffected, Suspect, Corrupt };
std::string_view to_string(Colour colour);

/// `client` is malicious from its first update at or after `from` on.
struct Mark {
  ClientId client;
  UpdateId from;
  auto operator<=>(const Mark&) const = default;
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

/// A colour for every update of a graph: one byte each, so that the pass needs no shifts.
class Colours {
 public:
  Colours() = default;
  /// All `NotAffected`.
  Colours(UpdateId origin, UpdateId end);

  Colour of(UpdateId id) const {
    const Byte colour = at(id);
    return (colour & kCorrupt) != 0 ? Colour::Corrupt : (colour != 0 ? Colour::Suspect : Colour::NotAffected);
  }
  bool touched(UpdateId id) const { return at(id) != 0; }
  std::uint64_t corrupt() const { return corrupt_; }
  std::uint64_t suspect() const { return suspect_; }
  UpdateId origin() const { return origin_; }
  UpdateId end() const { return end_; }
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
  std::unique_ptr<Byte[], Free> bytes_;
};

/// One pass from the first update that can be corrupt to the end. Safe on any bytes that `Block::parse` let through.
Colours mark(const Graph& graph, const Findings& findings);

}  // namespace seneschal::accountability
