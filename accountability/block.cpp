#include "accountability/block.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace seneschal::accountability {
namespace {

std::uint8_t width_of(std::uint64_t largest) {
  return largest <= 0xff ? 1 : (largest <= 0xffff ? 2 : (largest <= 0xffffffff ? 4 : 8));
}

template <class To, class From>
void put_as(Bytes& out, const From* values, std::size_t count, std::uint32_t top) {
  const std::size_t at = out.size();
  out.resize(at + count * sizeof(To));
  Byte* to = out.data() + at;
  // Two loops, so that the compiler makes vectors of them.
  const auto put = [to](std::size_t i, To narrow) { std::memcpy(to + i * sizeof(To), &narrow, sizeof(To)); };
  if (top == 0)
    for (std::size_t i = 0; i < count; ++i) put(i, static_cast<To>(values[i]));
  else
    for (std::size_t i = 0; i < count; ++i) put(i, static_cast<To>(top - values[i]));
}

template <class From>
void put_column(Bytes& out, const From* values, std::size_t count, std::uint8_t width, bool from_top = false) {
  switch (width) {
    case 0: return;
    case 1: return put_as<std::uint8_t>(out, values, count, from_top ? kTop<std::uint8_t> : 0);
    case 2: return put_as<std::uint16_t>(out, values, count, from_top ? kTop<std::uint16_t> : 0);
    case 4: return put_as<std::uint32_t>(out, values, count, 0);
    default: return put_as<std::uint64_t>(out, values, count, 0);
  }
}

bool one_of(std::uint8_t width, std::initializer_list<std::uint8_t> widths) {
  return std::ranges::find(widths, width) != widths.end();
}

}  // namespace

std::optional<Shape> ShapeCursor::next() {
  if (bytes_.size() < 4) return std::nullopt;
  Shape shape;
  shape.offset = static_cast<std::uint32_t>(load(bytes_.data(), 2));
  const std::size_t size = 2 * load(bytes_.data() + 2, 2);
  if (shape.offset >= count_ || static_cast<std::int64_t>(shape.offset) <= last_ || bytes_.size() - 4 < size)
    return std::nullopt;
  last_ = shape.offset;
  shape.symbols = bytes_.subspan(4, size);
  bytes_ = bytes_.subspan(4 + size);
  return shape;
}

std::expected<Block, std::string> Block::parse(Span bytes) {
  Block block;
  if (bytes.size() < sizeof(BlockHeader)) return std::unexpected("shorter than a block's header");
  std::memcpy(&block.header_, bytes.data(), sizeof(BlockHeader));
  const BlockHeader& h = block.header_;
  if (h.count == 0 || h.count > kBlockUpdates || h.first == 0 || h.first > (std::uint64_t{1} << 62))
    return std::unexpected("a block of " + std::to_string(h.count) + " updates from " + std::to_string(h.first));
  if (!one_of(h.client_width, {1, 2, 4}) || !one_of(h.seq_width, {0, 1, 2, 4, 8}) ||
      !one_of(h.degree_width, {0, 1, 2}) || !one_of(h.name_width, {1, 2, 4}))
    return std::unexpected("columns of unknown width");
  if (h.degree > kMaxLeaves || h.names > kBlockUpdates * kMaxLeaves ||
      (h.degree_width == 0 && std::uint64_t{h.degree} * h.count != h.names))
    return std::unexpected("the number of names does not fit");
  const std::uint64_t size = sizeof h + std::uint64_t{h.count} * (h.client_width + h.seq_width + h.degree_width) +
                             std::uint64_t{h.names} * h.name_width + h.shape_bytes;
  if (size != bytes.size())
    return std::unexpected("columns of " + std::to_string(size) + " bytes in all, not " +
                           std::to_string(bytes.size()));
  block.bytes_ = bytes;
  block.clients_ = bytes.data() + sizeof h;
  block.seqs_ = block.clients_ + std::size_t{h.count} * h.client_width;
  block.degrees_ = block.seqs_ + std::size_t{h.count} * h.seq_width;
  block.names_ = block.degrees_ + std::size_t{h.count} * h.degree_width;
  block.shapes_ = bytes.last(h.shape_bytes);
  return block;
}

BlockBuilder::BlockBuilder() : clients_(kBlockUpdates), degrees_(kBlockUpdates), steps_(kBlockUpdates) {}

void BlockBuilder::start(UpdateId first) {
  first_ = first;
  count_ = 0;
  widest_client_ = farthest_ = nearest_degree_ = widest_degree_ = 0;
  widest_step_ = 0;
  reaches_all_ = false;
  distances_.clear();
  shapes_.clear();
}

void BlockBuilder::add(ClientId client, Seq seq, std::span<const std::uint32_t> distances,
                       std::span<const std::uint16_t> symbols) {
  CHECK(!full() && client.value < kMaxClient && distances.size() <= kMaxLeaves);
  const auto degree = static_cast<std::uint32_t>(distances.size());
  if (count_ == 0) {
    first_seq_ = last_seq_ = seq;
    nearest_degree_ = degree;
  }
  CHECK(seq >= last_seq_);
  const std::uint64_t step = seq.value - last_seq_.value;
  last_seq_ = seq;
  clients_[count_] = client.value;
  degrees_[count_] = degree;
  steps_[count_] = step;
  distances_.insert(distances_.end(), distances.begin(), distances.end());
  widest_client_ = std::max(widest_client_, client.value);
  widest_step_ = std::max(widest_step_, step);
  nearest_degree_ = std::min(nearest_degree_, degree);
  widest_degree_ = std::max(widest_degree_, degree);
  for (const std::uint32_t distance : distances) farthest_ = std::max(farthest_, distance);
  if (!symbols.empty()) {
    reaches_all_ = reaches_all_ || std::ranges::find(symbols, kEverythingSymbol) != symbols.end();
    shapes_.push_back(static_cast<std::uint16_t>(count_));
    shapes_.push_back(static_cast<std::uint16_t>(symbols.size()));
    shapes_.insert(shapes_.end(), symbols.begin(), symbols.end());
  }
  ++count_;
}

Bytes BlockBuilder::encode_rows(std::uint32_t offset) const {
  CHECK(offset < count_);
  BlockBuilder rows;
  rows.start(first_ + offset);
  std::size_t name = 0, shape = 0;
  Seq seq = first_seq_;
  for (std::uint32_t i = 0; i < count_; ++i) {
    seq.value += steps_[i];
    std::span<const std::uint16_t> symbols;
    if (shape < shapes_.size() && shapes_[shape] == i) {
      symbols = std::span(shapes_).subspan(shape + 2, shapes_[shape + 1]);
      shape += 2 + symbols.size();
    }
    if (i >= offset) rows.add(ClientId(clients_[i]), seq, std::span(distances_).subspan(name, degrees_[i]), symbols);
    name += degrees_[i];
  }
  return rows.encode({});
}

Bytes BlockBuilder::encode(const Digest& before) const {
  CHECK(count_ > 0);
  BlockHeader h;
  h.first = first_.value;
  h.first_seq = first_seq_.value;
  h.count = count_;
  h.names = static_cast<std::uint32_t>(distances_.size());
  h.farthest = reaches_all_ ? kReachesAll : farthest_;
  h.shape_bytes = static_cast<std::uint32_t>(2 * shapes_.size());
  h.client_width = width_of(widest_client_);
  h.seq_width = widest_step_ == 0 ? 0 : width_of(widest_step_);
  h.degree_width = nearest_degree_ == widest_degree_ ? 0 : width_of(widest_degree_);
  h.degree = h.degree_width == 0 ? widest_degree_ : 0;
  h.name_width = width_of(farthest_);
  h.before = before.bytes;
  Bytes out(sizeof h);
  out.reserve(sizeof h + count_ * (h.client_width + h.seq_width + h.degree_width) + distances_.size() * h.name_width +
              h.shape_bytes);
  std::memcpy(out.data(), &h, sizeof h);
  put_column(out, clients_.data(), count_, h.client_width);
  put_column(out, steps_.data(), count_, h.seq_width);
  put_column(out, degrees_.data(), count_, h.degree_width);
  put_column(out, distances_.data(), distances_.size(), h.name_width, true);
  put_column(out, shapes_.data(), shapes_.size(), 2);
  return out;
}

}  // namespace seneschal::accountability
