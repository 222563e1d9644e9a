#include "runtime/storage/segment.hpp"

#include "base/check.hpp"
#include "base/codec.hpp"
#include "base/crc32c.hpp"

namespace seneschal::storage {
namespace {

constexpr std::uint64_t kMagic = 0x53454e455743414cULL;  // "SENEWCAL"

std::uint32_t sum_of(FrameHead head, std::uint64_t salt) {
  head.head_sum = 0;
  Bytes bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<Byte>(salt >> shift));
  append(bytes, encode(head));
  return crc32c(bytes);
}

struct HeaderFields {
  std::uint64_t magic = kMagic;
  std::uint32_t format = kFormat;
  std::uint64_t first = 0;
  std::uint64_t salt = 0;
  std::uint32_t identity_size = 0;
  std::array<Byte, kMaxIdentity> identity{};  // filled up with zeros, so that all headers have one size
  std::uint32_t sum = 0;                      // CRC32C of everything above
  auto fields() { return std::tie(magic, format, first, salt, identity_size, identity, sum); }
};
constexpr std::size_t kHeaderSize = 8 + 4 + 8 + 8 + 4 + kMaxIdentity + 4;
constexpr std::size_t kSumSize = 4;

/// The head at `at`, if the bytes there are one.
std::optional<FrameHead> head_at(Span file, std::size_t at, std::uint64_t salt) {
  if (file.size() - at < kFrameHead) return std::nullopt;
  auto head = decode<FrameHead>(file.subspan(at, kFrameHead));
  if (!head || head->head_sum != sum_of(*head, salt)) return std::nullopt;
  return *head;
}

/// True if anything after `at` says that record `index` had been on the disk. A frame may start at any byte there:
/// the length that leads from one to the next may be among what is bad.
bool was_durable(Span file, std::size_t at, std::uint64_t index, std::uint64_t salt) {
  constexpr std::size_t kIndexAt = 8;
  for (std::size_t i = at + 1; i + kFrameHead <= file.size(); ++i) {
    std::uint64_t claimed = 0;
    for (std::size_t k = 0; k < 8; ++k) claimed = claimed << 8 | file[i + kIndexAt + k];
    // Cheap: hardly any place that is not a frame gets beyond this.
    if (claimed <= index || claimed - index > file.size() / kFrameHead) continue;
    if (const auto head = head_at(file, i, salt); head && head->durable_below > index) return true;
  }
  return false;
}

}  // namespace

std::size_t header_size() {
  return kHeaderSize;
}

Bytes encode_header(const SegmentHeader& header) {
  CHECK(header.identity.size() <= kMaxIdentity);
  HeaderFields fields;
  fields.first = header.first;
  fields.salt = header.salt;
  fields.identity_size = static_cast<std::uint32_t>(header.identity.size());
  std::ranges::copy(header.identity, fields.identity.begin());
  const Bytes unsummed = encode(fields);
  fields.sum = crc32c(Span(unsummed).first(unsummed.size() - kSumSize));
  Bytes bytes = encode(fields);
  CHECK(bytes.size() == kHeaderSize);
  return bytes;
}

std::expected<SegmentHeader, HeaderFault> decode_header(Span file) {
  if (file.size() < kHeaderSize) return std::unexpected(HeaderFault::Torn);
  const Span bytes = file.first(kHeaderSize);
  const auto fields = decode<HeaderFields>(bytes);
  if (!fields) return std::unexpected(HeaderFault::Torn);
  if (fields->sum != crc32c(bytes.first(kHeaderSize - kSumSize))) {
    // Zeros are what a file system leaves of a write that a crash cut short.
    const bool ours = fields->magic == kMagic || fields->magic == 0;
    return std::unexpected(ours ? HeaderFault::Torn : HeaderFault::Foreign);
  }
  if (fields->magic != kMagic) return std::unexpected(HeaderFault::Foreign);
  if (fields->format != kFormat) return std::unexpected(HeaderFault::Version);
  if (fields->identity_size > kMaxIdentity) return std::unexpected(HeaderFault::Torn);
  SegmentHeader header;
  header.first = fields->first;
  header.salt = fields->salt;
  header.identity.assign(fields->identity.begin(), fields->identity.begin() + fields->identity_size);
  return header;
}

void append_frame(Bytes& out, std::uint64_t salt, std::uint64_t index, std::uint64_t durable_below, Span record) {
  CHECK(record.size() <= kMaxRecord);
  FrameHead head{static_cast<std::uint32_t>(record.size()), crc32c(record), index, durable_below, 0};
  head.head_sum = sum_of(head, salt);
  append(out, encode(head));
  append(out, record);
}

Contents read_frames(Span file, const SegmentHeader& header) {
  Contents contents;
  std::size_t at = kHeaderSize;
  CHECK(file.size() >= at);
  for (;;) {
    contents.good_size = at;
    if (at == file.size()) return contents;
    const std::uint64_t index = header.first + contents.records.size();
    const auto head = head_at(file, at, header.salt);
    const bool whole =
        head && head->index == index && head->length <= kMaxRecord && head->length <= file.size() - at - kFrameHead;
    if (!whole || crc32c(file.subspan(at + kFrameHead, head->length)) != head->record_sum) {
      contents.end = was_durable(file, at, index, header.salt) ? Contents::End::Damaged : Contents::End::Torn;
      return contents;
    }
    contents.records.push_back(file.subspan(at + kFrameHead, head->length));
    at += kFrameHead + head->length;
  }
}

}  // namespace seneschal::storage
