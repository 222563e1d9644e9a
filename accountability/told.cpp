#include "accountability/told.hpp"

#include "base/check.hpp"

#include <cstring>

namespace seneschal::accountability {
namespace {

/// An update: this, its bytes in the order of the members, and the names of its footprint, each behind its length.
struct ToldHead {
  std::uint64_t seq = 0;
  std::uint32_t client = 0;
  std::uint32_t evidence = 0, signed_operation = 0, dependencies = 0, operation = 0;
  std::uint32_t reads = 0, ranges = 0, writes = 0;
  std::uint32_t inside = 0;  // where in the evidence the operation is; kApart: it is there by itself
  bool plain = true;         // the operation is what was signed: it is there once
  bool footprint = true;     // one is known
};
/// Ends of ranges that have none.
constexpr std::uint32_t kNoEnd = 0xffffffff;
constexpr std::uint32_t kApart = 0xffffffff;
constexpr std::size_t kKept = 4 * 1024 * 1024;

template <class T>
void put(Bytes& out, const T& value) {
  const auto* bytes = reinterpret_cast<const Byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}
void put_name(Bytes& out, Span name) {
  put(out, static_cast<std::uint32_t>(name.size()));
  append(out, name);
}
std::uint32_t size_of(Span bytes) {
  return static_cast<std::uint32_t>(bytes.size());
}

}  // namespace

/// What a client signed has its operation in it, as it is, almost always as far from the end as the last one's.
std::uint32_t Told::find(Span operation, Span evidence) {
  if (operation.empty() || operation.size() > evidence.size()) return kApart;
  const std::size_t last = evidence.size() - operation.size();
  if (behind_ <= last && equal(evidence.subspan(last - behind_, operation.size()), operation))
    return static_cast<std::uint32_t>(last - behind_);
  const std::size_t at = as_text(evidence).rfind(as_text(operation));
  if (at == std::string_view::npos) return kApart;
  behind_ = last - at;
  return static_cast<std::uint32_t>(at);
}

void Told::add(const Executed& update) {
  const bool same = update.operation.data() == update.signed_operation.data() &&
                    update.operation.size() == update.signed_operation.size();
  static const replication::Footprint kNone;
  const replication::Footprint& footprint = update.footprint == nullptr ? kNone : *update.footprint;
  ToldHead head;
  head.seq = update.seq.value;
  head.client = update.client.value;
  head.evidence = size_of(update.evidence);
  head.plain = same;
  // With evidence nobody asks for what was signed.
  head.signed_operation = same || !update.evidence.empty() ? 0 : size_of(update.signed_operation);
  head.dependencies = size_of(update.dependencies);
  head.operation = size_of(update.operation);
  head.inside = find(update.operation, update.evidence);
  head.reads = static_cast<std::uint32_t>(footprint.reads.size());
  head.ranges = static_cast<std::uint32_t>(footprint.ranges.size());
  head.writes = static_cast<std::uint32_t>(footprint.writes.size());
  head.footprint = update.footprint != nullptr;
  put(packed_, head);
  append(packed_, update.evidence);
  append(packed_, update.signed_operation.first(head.signed_operation));
  append(packed_, update.dependencies);
  if (head.inside == kApart) append(packed_, update.operation);
  for (const Bytes& name : footprint.reads) put_name(packed_, name);
  for (const auto& range : footprint.ranges) {
    put_name(packed_, range.first);
    if (range.last)
      put_name(packed_, *range.last);
    else
      put(packed_, kNoEnd);
  }
  for (const Bytes& name : footprint.writes) put_name(packed_, name);
  ++updates_;
}

void Told::add(const Told& other) {
  append(packed_, other.packed_);
  updates_ += other.updates_;
}

void Told::clear() {
  packed_.clear();
  updates_ = 0;
  if (packed_.capacity() > kKept) Bytes().swap(packed_);
}

template <class T>
T Told::Reader::number() {
  T value;
  std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
  return value;
}

Span Told::Reader::bytes(std::size_t size) {
  CHECK(size <= left_.size());
  const Span taken = left_.first(size);
  left_ = left_.subspan(size);
  return taken;
}

// Into what the last update left: its memory is used again.
void Told::Reader::names(std::vector<Bytes>& out, std::size_t count) {
  out.resize(count);
  for (Bytes& name : out) {
    const Span own = bytes(number<std::uint32_t>());
    name.assign(own.begin(), own.end());
  }
}

const Told::Executed& Told::Reader::next() {
  const auto head = number<ToldHead>();
  update_.seq = Seq(head.seq);
  update_.client = ClientId(head.client);
  update_.evidence = bytes(head.evidence);
  const Span apart = bytes(head.signed_operation);
  update_.dependencies = bytes(head.dependencies);
  if (head.inside == kApart) {
    update_.operation = bytes(head.operation);
  } else {
    CHECK(std::uint64_t{head.inside} + head.operation <= head.evidence);
    update_.operation = update_.evidence.subspan(head.inside, head.operation);
  }
  update_.signed_operation = head.plain ? update_.operation : apart;
  update_.footprint = head.footprint ? &footprint_ : nullptr;
  names(footprint_.reads, head.reads);
  footprint_.ranges.resize(head.ranges);
  for (auto& range : footprint_.ranges) {
    range.first = to_bytes(bytes(number<std::uint32_t>()));
    const auto size = number<std::uint32_t>();
    range.last = size == kNoEnd ? std::nullopt : std::optional(to_bytes(bytes(size)));
  }
  names(footprint_.writes, head.writes);
  return update_;
}

}  // namespace seneschal::accountability
