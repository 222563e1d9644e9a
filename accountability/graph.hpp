// The graph: who made each update, and which earlier updates it depends on. [Graph 2]
//
// The total order of updates is a topological order of the graph, so everything that follows dependencies forward is
// one pass over an array. `Builder` makes blocks from updates, `Graph` is a read-only view of blocks.
#pragma once
#include "accountability/block.hpp"

#include <functional>
#include <vector>

namespace seneschal::accountability {

/// Checks updates and cuts them into blocks. The digest depends on the updates only, not on when blocks were written.
class Builder {
 public:
  /// Called with each full block, in order.
  using Sink = std::function<void(UpdateId first, std::uint32_t count, Bytes block)>;

  /// `base`: the first update of the graph; what is named before it counts as good (a snapshot). `next` and `chain`:
  /// where an earlier life ended a block, `last` the seq before it.
  explicit Builder(Sink sink, UpdateId base = UpdateId(1), UpdateId next = UpdateId(1), const Digest& chain = {},
                   Seq last = Seq(0));

  UpdateId base() const { return base_; }
  UpdateId next() const { return open_.next(); }
  /// The update that would get `next()`; nothing is taken if it is refused.
  std::expected<UpdateId, Refusal> add(ClientId client, Seq seq, const Formula& formula);
  /// The same for a plain conjunction, without making a formula.
  std::expected<UpdateId, Refusal> add(ClientId client, Seq seq, std::span<const UpdateId> names);
  /// Whether `formula` could be that of the next update.
  std::optional<Refusal> problem(const Formula& formula) const;

  /// Digest of the last full block, and so of everything up to it.
  const Digest& chain() const { return chain_; }
  /// Digest of everything.
  Digest digest() const;
  /// The updates after the last full block, as a block; empty if there are none.
  Bytes open_block() const { return open_.count() == 0 ? Bytes{} : open_.encode(chain_); }
  /// The updates from `from` on, which must be after the last full block.
  Bytes open_rows(UpdateId from) const {
    return open_.encode_rows(static_cast<std::uint32_t>(from.value - open_.first().value));
  }
  UpdateId open_first() const { return open_.first(); }
  Seq last_seq() const { return last_seq_; }

 private:
  std::optional<Refusal> problem(ClientId client, Seq seq) const;
  std::optional<Refusal> problem(UpdateId name) const;
  UpdateId close(UpdateId added);

  Sink sink_;
  UpdateId base_;
  Digest chain_;
  Seq last_seq_;
  BlockBuilder open_;
  std::vector<std::uint32_t> distances_;
  std::vector<std::uint16_t> symbols_;
};

/// Blocks in order, all full except the last. Does not own their bytes.
class Graph {
 public:
  /// Error text if the blocks do not follow each other.
  static std::expected<Graph, std::string> of(std::vector<Block> blocks, UpdateId base = UpdateId(1));

  const std::vector<Block>& blocks() const { return blocks_; }
  UpdateId base() const { return base_; }
  /// One past the last update.
  UpdateId end() const { return end_; }
  std::uint64_t size() const { return end_.value - base_.value; }
  bool has(UpdateId id) const { return id >= base_ && id < end_; }
  /// Id of the first update of the first block: at most `base()`.
  UpdateId origin() const { return blocks_.empty() ? base_ : blocks_.front().first(); }

  // The rest needs `has(id)`.
  ClientId client(UpdateId id) const;
  Seq seq(UpdateId id) const;
  /// In shortest form; names before `base()` are gone.
  Formula formula(UpdateId id) const;
  const Block& block(UpdateId id) const { return blocks_[block_index(id)]; }
  std::size_t block_index(UpdateId id) const {
    return static_cast<std::size_t>((id.value - origin().value) / kBlockUpdates);
  }

  /// The first update with a seq of at least `seq`; `end()` if there is none.
  UpdateId at_seq(Seq seq) const;
  /// The first update of `client` from `from` on; `end()` if there is none.
  UpdateId first_of(ClientId client, UpdateId from) const;
  /// Calls `visit(id, client, formula)` for every update from `from` on; formulas as stored.
  void each(UpdateId from, const std::function<bool(UpdateId, ClientId, const Formula&)>& visit) const;

 private:
  std::vector<Block> blocks_;
  UpdateId base_{1}, end_{1};
};

/// The digest that a graph of the updates [from, end) would have, had it begun with a snapshot before `from`: how
/// graphs with different beginnings are compared. Nothing unless they are all there.
std::optional<Digest> digest_between(const Graph& graph, UpdateId from, UpdateId end);

/// Calls `visit` for every update of a block, formulas as they were added; stops when it returns false.
using RowVisitor = std::function<bool(UpdateId, ClientId, Seq, const Formula&)>;
bool each_row(const Block& block, const RowVisitor& visit);
/// Reads a formula's symbols and distances back; empty if they make no sense.
Formula decode_formula(UpdateId id, const std::vector<std::uint32_t>& distances, Span symbols);

}  // namespace seneschal::accountability
