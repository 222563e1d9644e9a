#include "accountability/graph.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <algorithm>

namespace seneschal::accountability {
namespace {

constexpr std::uint64_t kMostDistance = 0xffffffff;  // a name takes four bytes at most

std::uint16_t symbol_of(const Token& token) {
  const auto operands = static_cast<std::uint16_t>(2 * token.value);
  switch (token.kind) {
    case Token::Kind::Leaf: return kNameSymbol;
    case Token::Kind::Everything: return kEverythingSymbol;
    case Token::Kind::And: return operands;
    case Token::Kind::Or: break;
  }
  return static_cast<std::uint16_t>(operands + 1);
}

}  // namespace

Builder::Builder(Sink sink, UpdateId base, UpdateId next, const Digest& chain, Seq last)
    : sink_(std::move(sink)), base_(base), chain_(chain), last_seq_(last) {
  open_.start(next);
}

std::optional<Refusal> Builder::problem(UpdateId name) const {
  const UpdateId id = next();
  if (const auto bad = problem_with(name, id)) return bad;
  if (name >= base_ && id.value - name.value > kMostDistance) return Refusal::TooFarBack;
  return std::nullopt;
}

std::optional<Refusal> Builder::problem(const Formula& formula) const {
  for (const Token& token : formula.tokens())
    if (token.kind == Token::Kind::Leaf)
      if (auto bad = problem(UpdateId(token.value))) return bad;
  return std::nullopt;
}

std::optional<Refusal> Builder::problem(ClientId client, Seq seq) const {
  if (client.value >= kMaxClient) return Refusal::UnknownClient;
  if (seq < last_seq_) return Refusal::OutOfOrder;
  return std::nullopt;
}

std::expected<UpdateId, Refusal> Builder::add(ClientId client, Seq seq, const Formula& formula) {
  if (auto bad = problem(client, seq)) return std::unexpected(*bad);
  if (auto bad = problem(formula)) return std::unexpected(*bad);
  const Formula simple = formula.simplified(base_);
  const UpdateId id = next();
  distances_.clear();
  symbols_.clear();
  for (const Token& token : simple.tokens()) {
    if (token.kind == Token::Kind::Leaf) distances_.push_back(static_cast<std::uint32_t>(id.value - token.value));
    symbols_.push_back(symbol_of(token));
  }
  if (simple.conjunctive()) symbols_.clear();
  open_.add(client, seq, distances_, symbols_);
  last_seq_ = seq;
  return close(id);
}

std::expected<UpdateId, Refusal> Builder::add(ClientId client, Seq seq, std::span<const UpdateId> names) {
  if (auto bad = problem(client, seq)) return std::unexpected(*bad);
  if (names.size() > kMaxLeaves) return std::unexpected(Refusal::TooLarge);
  const UpdateId id = next();
  // The usual case in one comparison for each name: all lie in the graph, before this update, and not too far back.
  const std::uint64_t reach = std::min<std::uint64_t>(id.value - base_.value, kMostDistance);
  bool usual = true;
  distances_.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::uint64_t distance = id.value - names[i].value;
    usual &= distance - 1 < reach;
    distances_[i] = static_cast<std::uint32_t>(distance);
  }
  if (!usual) {
    distances_.clear();
    for (const UpdateId name : names) {
      if (auto bad = problem(name)) return std::unexpected(*bad);
      if (name >= base_) distances_.push_back(static_cast<std::uint32_t>(id.value - name.value));
    }
  }
  open_.add(client, seq, distances_);
  last_seq_ = seq;
  return close(id);
}

UpdateId Builder::close(UpdateId added) {
  if (open_.full()) {
    Bytes block = open_.encode(chain_);
    chain_ = crypto::sha256(block);
    const UpdateId first = open_.first();
    open_.start(added.next());
    if (sink_) sink_(first, kBlockUpdates, std::move(block));
  }
  return added;
}

Digest Builder::digest() const {
  return open_.count() == 0 ? chain_ : crypto::sha256(open_.encode(chain_));
}

std::expected<Graph, std::string> Graph::of(std::vector<Block> blocks, UpdateId base) {
  Graph graph;
  graph.base_ = graph.end_ = base;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i > 0 && (blocks[i].first() != blocks[i - 1].end() || blocks[i - 1].count() != kBlockUpdates))
      return std::unexpected("after update " + std::to_string(blocks[i - 1].end().value - 1) + " comes " +
                             std::to_string(blocks[i].first().value));
    graph.end_ = blocks[i].end();
  }
  if (!blocks.empty() && (base < blocks.front().first() || base > graph.end_))
    return std::unexpected("the graph begins at " + std::to_string(base.value) + ", its blocks at " +
                           std::to_string(blocks.front().first().value));
  graph.blocks_ = std::move(blocks);
  return graph;
}

ClientId Graph::client(UpdateId id) const {
  CHECK(has(id));
  const Block& b = block(id);
  return b.client(static_cast<std::uint32_t>(id.value - b.first().value));
}

Seq Graph::seq(UpdateId id) const {
  CHECK(has(id));
  const Block& b = block(id);
  std::uint64_t seq = b.header().first_seq;
  for (std::uint32_t i = 1; i <= id.value - b.first().value; ++i) seq += b.seq_step(i);
  return Seq(seq);
}

Formula decode_formula(UpdateId id, const std::vector<std::uint32_t>& distances, Span symbols) {
  std::vector<Token> tokens;
  const auto name = [id](std::uint32_t distance) {
    return Token{Token::Kind::Leaf, distance < id.value ? id.value - distance : 0};
  };
  if (symbols.empty()) {
    for (const std::uint32_t distance : distances) tokens.push_back(name(distance));
    if (tokens.size() > 1) tokens.push_back({Token::Kind::And, tokens.size()});
  } else {
    std::size_t used = 0;
    for (std::size_t i = 0; i + 2 <= symbols.size(); i += 2) {
      const std::uint64_t symbol = load(symbols.data() + i, 2);
      if (symbol == kEverythingSymbol)
        tokens.push_back({Token::Kind::Everything, 0});
      else if (symbol != kNameSymbol)
        tokens.push_back({symbol % 2 == 0 ? Token::Kind::And : Token::Kind::Or, symbol / 2});
      else if (used < distances.size())
        tokens.push_back(name(distances[used++]));
    }
  }
  auto formula = Formula::from_tokens(std::move(tokens));
  return formula ? std::move(*formula) : Formula{};
}

Formula Graph::formula(UpdateId id) const {
  CHECK(has(id));
  const Block& b = block(id);
  const auto offset = static_cast<std::uint32_t>(id.value - b.first().value);
  std::size_t at = 0;
  if (b.header().degree_width == 0) {
    at = std::size_t{offset} * b.header().degree;
  } else {
    for (std::uint32_t i = 0; i < offset; ++i) at += b.degree(i);
  }
  std::vector<std::uint32_t> distances;
  const std::uint32_t degree = std::min<std::uint32_t>(b.degree(offset), kMaxLeaves);
  for (std::uint32_t i = 0; i < degree; ++i) distances.push_back(b.distance(at + i));
  Span symbols;
  ShapeCursor shapes = b.shapes();
  for (auto shape = shapes.next(); shape && shape->offset <= offset; shape = shapes.next())
    if (shape->offset == offset) symbols = shape->symbols;
  return decode_formula(id, distances, symbols).simplified(base_);
}

UpdateId Graph::at_seq(Seq seq) const {
  // Blocks are in order of seq; the last that begins below `seq` holds the answer, or the one after it begins there.
  const auto after =
      std::ranges::partition_point(blocks_, [seq](const Block& b) { return b.header().first_seq < seq.value; });
  if (after == blocks_.begin()) return base_;
  const Block& b = *(after - 1);
  std::uint64_t at = b.header().first_seq;
  for (std::uint32_t i = 1; i < b.count(); ++i) {
    at += b.seq_step(i);
    if (at >= seq.value) return std::max(base_, b.first() + i);
  }
  return std::max(base_, b.end());
}

UpdateId Graph::first_of(ClientId client, UpdateId from) const {
  for (UpdateId id = std::max(from, base_); id < end_; ++id)
    if (this->client(id) == client) return id;
  return end_;
}

bool each_row(const Block& block, const RowVisitor& visit) {
  std::vector<std::uint32_t> distances;
  ShapeCursor shapes = block.shapes();
  auto shape = shapes.next();
  std::size_t at = 0;
  Seq seq(block.header().first_seq);
  for (std::uint32_t i = 0; i < block.count(); ++i) {
    if (i > 0) seq.value += block.seq_step(i);
    const std::uint32_t degree = std::min<std::uint32_t>(block.degree(i), kMaxLeaves);
    distances.clear();
    for (std::uint32_t k = 0; k < degree; ++k) distances.push_back(block.distance(at + k));
    at += degree;
    Span symbols;
    if (shape && shape->offset == i) {
      symbols = shape->symbols;
      shape = shapes.next();
    }
    const UpdateId id = block.first() + i;
    if (!visit(id, block.client(i), seq, decode_formula(id, distances, symbols))) return false;
  }
  return true;
}

std::optional<Digest> digest_between(const Graph& graph, UpdateId from, UpdateId end) {
  if (from < graph.base() || from > end || end > graph.end()) return std::nullopt;
  Builder restricted(nullptr, from, from);
  bool good = true;
  for (std::size_t index = from < end ? graph.block_index(from) : graph.blocks().size();
       good && index < graph.blocks().size(); ++index)
    good = each_row(graph.blocks()[index], [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
      return id < from || id >= end || restricted.add(client, seq, formula).has_value();
    });
  return good ? std::optional(restricted.digest()) : std::nullopt;
}

void Graph::each(UpdateId from, const std::function<bool(UpdateId, ClientId, const Formula&)>& visit) const {
  from = std::max(from, base_);
  if (!has(from)) return;
  for (std::size_t index = block_index(from); index < blocks_.size(); ++index) {
    const bool on = each_row(blocks_[index], [&](UpdateId id, ClientId client, Seq, const Formula& formula) {
      return id < from || visit(id, client, formula.simplified(base_));
    });
    if (!on) return;
  }
}

}  // namespace seneschal::accountability
