// A block: up to 4,096 consecutive updates as columns. The unit of checksums, of the digest chain, and of marking.
//
//   header    see BlockHeader
//   clients   one number of `client_width` bytes per update
//   seqs      how far the update's seq is above that of the one before, `seq_width` bytes each (absent if all are 0)
//   degrees   how many updates it names, `degree_width` bytes each (absent if all name `degree`)
//   names     for every name how far back it is, `name_width` bytes; narrow ones as kTop - distance, see
//   `marking.cpp` shapes    for updates whose formula is not a plain conjunction: offset, count, symbols, 16 bits
//   each
//
// All numbers are little-endian. Widths are the narrowest that fit, so equal updates give equal bytes everywhere, and
// the digest of a block may stand for its updates. An update of the report's random graph (5 names, 20 clients, 20
// time slices) takes 12 bytes. [Graph 4]
#pragma once
#include "accountability/formula.hpp"
#include "base/ids.hpp"

#include <bit>
#include <cstring>

namespace seneschal::accountability {

static_assert(std::endian::native == std::endian::little, "columns are used as they lie in the file");

inline constexpr std::uint32_t kBlockUpdates = 4096;
/// Client numbers are below this: a table indexed by them stays small.
inline constexpr std::uint32_t kMaxClient = 1u << 20;

struct BlockHeader {
  std::uint64_t first = 0;      // id of the first update
  std::uint64_t first_seq = 0;  // its seq
  std::uint32_t count = 0;
  std::uint32_t names = 0;        // in all
  std::uint32_t degree = 0;       // of every update, if `degree_width` is 0
  std::uint32_t farthest = 0;     // the largest distance; kReachesAll if an update depends on everything before it
  std::uint32_t shape_bytes = 0;  // 0: conjunctions only
  std::uint8_t client_width = 1;  // 1, 2, 4
  std::uint8_t seq_width = 0;     // 0, 1, 2, 4, 8
  std::uint8_t degree_width = 0;  // 0, 1, 2
  std::uint8_t name_width = 1;    // 1, 2, 4
  std::array<Byte, 32> before{};  // digest of the block before: a chain
};
static_assert(sizeof(BlockHeader) == 72 && std::is_trivially_copyable_v<BlockHeader>);

/// Distances in columns of 1 and 2 bytes are kept as `kTop - distance`.
template <class Width>
inline constexpr std::uint32_t kTop = sizeof(Width) < 4 ? (std::uint64_t{1} << (8 * sizeof(Width))) - 1 : 0;

inline std::uint64_t load(const Byte* at, std::size_t width) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, width);
  return value;
}

inline constexpr std::uint32_t kReachesAll = 0xffffffff;

/// The symbols of a formula that is not a plain conjunction: 0 is the next name, 2n an AND of n, 2n+1 an OR of n, 1
/// everything before the update.
inline constexpr std::uint16_t kNameSymbol = 0, kEverythingSymbol = 1;
struct Shape {
  std::uint32_t offset = 0;  // of the update in its block
  Span symbols;              // 16 bits each
};

/// Walks the shapes of a block. Never reads outside, whatever is there; stops at the first that makes no sense.
class ShapeCursor {
 public:
  ShapeCursor(Span bytes, std::uint32_t count) : bytes_(bytes), count_(count) {}
  std::optional<Shape> next();

 private:
  Span bytes_;
  std::uint32_t count_;
  std::int64_t last_ = -1;
};

/// A view of a block's bytes, which must outlive it. `parse` checks that all columns lie inside; numbers in them may
/// be anything, and whoever uses them keeps to his own bounds.
class Block {
 public:
  /// Error text: what is wrong.
  static std::expected<Block, std::string> parse(Span bytes);

  const BlockHeader& header() const { return header_; }
  UpdateId first() const { return UpdateId(header_.first); }
  UpdateId end() const { return UpdateId(header_.first + header_.count); }
  std::uint32_t count() const { return header_.count; }
  Span bytes() const { return bytes_; }

  const Byte* clients() const { return clients_; }
  const Byte* degrees() const { return degrees_; }
  const Byte* names() const { return names_; }
  ShapeCursor shapes() const { return {shapes_, header_.count}; }

  ClientId client(std::uint32_t offset) const {
    return ClientId(static_cast<std::uint32_t>(load(clients_ + offset * header_.client_width, header_.client_width)));
  }
  std::uint32_t degree(std::uint32_t offset) const {
    if (header_.degree_width == 0) return header_.degree;
    return static_cast<std::uint32_t>(load(degrees_ + offset * header_.degree_width, header_.degree_width));
  }
  /// How far `seq(offset)` is above `seq(offset - 1)`.
  std::uint64_t seq_step(std::uint32_t offset) const {
    return header_.seq_width == 0 ? 0 : load(seqs_ + offset * header_.seq_width, header_.seq_width);
  }
  /// Distance of the `index`-th name of the block.
  std::uint32_t distance(std::size_t index) const {
    if (index >= header_.names) return 0;
    const auto raw = static_cast<std::uint32_t>(load(names_ + index * header_.name_width, header_.name_width));
    return header_.name_width == 1 ? kTop<std::uint8_t> - raw
                                   : (header_.name_width == 2 ? kTop<std::uint16_t> - raw : raw);
  }

 private:
  BlockHeader header_;
  Span bytes_;
  const Byte* clients_ = nullptr;
  const Byte* seqs_ = nullptr;
  const Byte* degrees_ = nullptr;
  const Byte* names_ = nullptr;
  Span shapes_;
};

/// Collects updates and writes their block.
class BlockBuilder {
 public:
  BlockBuilder();
  void start(UpdateId first);
  /// `distances` of what the update names; `symbols` as in `Shape`, empty for a conjunction.
  void add(ClientId client, Seq seq, std::span<const std::uint32_t> distances,
           std::span<const std::uint16_t> symbols = {});
  UpdateId next() const { return first_ + count_; }
  UpdateId first() const { return first_; }
  std::uint32_t count() const { return count_; }
  bool full() const { return count_ == kBlockUpdates; }
  Bytes encode(const Digest& before) const;
  /// The updates from `offset` on, as a block of their own.
  Bytes encode_rows(std::uint32_t offset) const;

 private:
  UpdateId first_{1};
  std::uint32_t count_ = 0;
  std::uint32_t widest_client_ = 0, farthest_ = 0, nearest_degree_ = 0, widest_degree_ = 0;
  std::uint64_t widest_step_ = 0;
  bool reaches_all_ = false;
  Seq first_seq_, last_seq_;
  std::vector<std::uint32_t> clients_, degrees_;  // the first `count_`
  std::vector<std::uint64_t> steps_;
  std::vector<std::uint32_t> distances_;
  std::vector<std::uint16_t> shapes_;
};

}  // namespace seneschal::accountability
