#include "accountability/payloads.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <bit>
#include <cstring>

namespace seneschal::accountability {
namespace {

/// An entry begins with this. Then: evidence, operation (if it is not in the evidence), and the names that were
/// written, each behind its length.
struct EntryHead {
  std::uint32_t client = 0;
  std::uint32_t evidence = 0;
  std::uint32_t operation = 0;
  std::uint32_t inside = 0;  // where in the evidence the operation is; kApart: it follows
  std::uint32_t writes = 0;
};
constexpr std::uint32_t kApart = 0xffffffff;
static_assert(sizeof(EntryHead) == 20 && std::endian::native == std::endian::little, "entries are kept as they are");

void put(Bytes& out, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const Byte*>(from);
  out.insert(out.end(), bytes, bytes + size);
}

std::uint32_t inside_of(Span part, Span whole) {
  const auto at = reinterpret_cast<std::uintptr_t>(part.data()),
             begin = reinterpret_cast<std::uintptr_t>(whole.data());
  const bool inside =
      !part.empty() && at >= begin && at - begin <= whole.size() && part.size() <= whole.size() - (at - begin);
  return inside ? static_cast<std::uint32_t>(at - begin) : kApart;
}

bool take(Span& from, std::size_t size, Span& part) {
  if (size > from.size()) return false;
  part = from.first(size);
  from = from.subspan(size);
  return true;
}

std::optional<Payload> read_entry(Span bytes, UpdateId id) {
  Payload payload;
  payload.id = id;
  EntryHead head;
  Span part;
  if (!take(bytes, sizeof head, part)) return std::nullopt;
  std::memcpy(&head, part.data(), sizeof head);
  payload.client = ClientId(head.client);
  if (!take(bytes, head.evidence, payload.evidence)) return std::nullopt;
  if (head.inside == kApart) {
    if (!take(bytes, head.operation, payload.operation)) return std::nullopt;
  } else {
    if (std::uint64_t{head.inside} + head.operation > head.evidence) return std::nullopt;
    payload.operation = payload.evidence.subspan(head.inside, head.operation);
  }
  if (head.writes > bytes.size() / 4) return std::nullopt;
  payload.writes.resize(head.writes);
  for (Span& name : payload.writes) {
    std::uint32_t size = 0;
    if (!take(bytes, sizeof size, part)) return std::nullopt;
    std::memcpy(&size, part.data(), sizeof size);
    if (!take(bytes, size, name)) return std::nullopt;
  }
  return payload;
}

}  // namespace

Digest update_digest(Span sealed) {
  return crypto::sha256({as_span("seneschal/graph/update/2"), sealed});
}

Digest update_digest(ClientId client, Span operation) {
  Bytes head = to_bytes("seneschal/graph/update/bare/2");
  append(head, encode(client));
  return crypto::sha256({head, operation});
}

std::optional<PayloadFrame> PayloadFrame::of(const Frame& frame) {
  if (frame.kind != FrameKind::Payloads || frame.content.size() < kChainedBytes ||
      (frame.content.size() - kChainedBytes) / 4 < frame.count)
    return std::nullopt;
  PayloadFrame view;
  view.first_ = frame.first;
  view.count_ = frame.count;
  view.offsets_ = frame.content.last(4 * std::size_t{frame.count});
  view.content_ = frame.content.first(frame.content.size() - view.offsets_.size());
  return view;
}

std::optional<Payload> PayloadFrame::at(UpdateId id) const {
  if (id < first_ || id >= end()) return std::nullopt;
  std::uint32_t at = 0;
  std::memcpy(&at, offsets_.data() + 4 * (id.value - first_.value), sizeof at);
  return at <= content_.size() ? read_entry(content_.subspan(at), id) : std::nullopt;
}

void PayloadBuilder::add(const NewUpdate& update) {
  EntryHead head;
  head.client = update.client.value;
  head.evidence = static_cast<std::uint32_t>(update.evidence.size());
  head.operation = static_cast<std::uint32_t>(update.operation.size());
  head.inside = inside_of(update.operation, update.evidence);
  head.writes = static_cast<std::uint32_t>(update.writes.size());
  content_.resize(entries_end_);
  offsets_.push_back(static_cast<std::uint32_t>(entries_end_));
  put(content_, &head, sizeof head);
  append(content_, update.evidence);
  if (head.inside == kApart) append(content_, update.operation);
  for (const Bytes& name : update.writes) {
    const auto size = static_cast<std::uint32_t>(name.size());
    put(content_, &size, sizeof size);
    append(content_, name);
  }
  entries_end_ = content_.size();
}

Span PayloadBuilder::finish(const Digest& before) {
  std::ranges::copy(before.bytes, content_.begin());
  content_.resize(entries_end_);
  put(content_, offsets_.data(), 4 * offsets_.size());
  return content_;
}

void PayloadBuilder::clear() {
  content_.resize(kChainedBytes);
  entries_end_ = kChainedBytes;
  offsets_.clear();
}

Payload PayloadBuilder::at(std::uint32_t index, UpdateId id) const {
  auto payload = read_entry(Span(content_).subspan(offsets_.at(index)), id);
  CHECK(payload.has_value());
  return std::move(*payload);
}

}  // namespace seneschal::accountability
