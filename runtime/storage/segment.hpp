// The format of a log's segment files: a header that says whose log it is, then frames with one record each. Pure:
// bytes in, bytes out. docs/storage.md describes every field.
#pragma once
#include "base/bytes.hpp"

#include <expected>
#include <string>
#include <tuple>
#include <vector>

namespace seneschal::storage {

inline constexpr std::uint32_t kFormat = 1;
inline constexpr std::size_t kMaxIdentity = 128;
/// A checkpoint with its snapshot is the largest thing that is written as one record.
inline constexpr std::size_t kMaxRecord = 64 * 1024 * 1024;

/// The start of a segment file.
struct SegmentHeader {
  std::uint64_t first = 0;  // index of its first record
  std::uint64_t salt = 0;   // makes checksums differ between logs: what a client writes cannot look like a frame
  std::string identity;     // whose log it is; at most kMaxIdentity bytes
  bool operator==(const SegmentHeader&) const = default;
};

/// Bytes of a header, whatever the identity.
std::size_t header_size();
Bytes encode_header(const SegmentHeader& header);

enum class HeaderFault : std::uint8_t {
  Torn,     // not all there, or its checksum is wrong
  Foreign,  // not a file of this program
  Version,  // written by a program with another format
};
std::expected<SegmentHeader, HeaderFault> decode_header(Span file);

/// What precedes a record in the file.
struct FrameHead {
  std::uint32_t length = 0;         // of the record
  std::uint32_t record_sum = 0;     // CRC32C of the record
  std::uint64_t index = 0;          // records are numbered from 0, without gaps, over all segments
  std::uint64_t durable_below = 0;  // records below this were on the disk, by fdatasync, when this one was written
  std::uint32_t head_sum = 0;       // CRC32C of the salt and the fields above
  auto fields() { return std::tie(length, record_sum, index, durable_below, head_sum); }
};
inline constexpr std::size_t kFrameHead = 28;

/// Appends the frame of `record` to `out`. `record` must be at most kMaxRecord long (CHECKed).
void append_frame(Bytes& out, std::uint64_t salt, std::uint64_t index, std::uint64_t durable_below, Span record);

/// What a segment holds.
struct Contents {
  enum class End : std::uint8_t {
    Clean,
    /// What follows was never acknowledged: a write that a crash cut short.
    Torn,
    /// What follows, or a part of it, had been on the disk before: records are lost for good.
    Damaged,
  };
  std::vector<Span> records;  // into the bytes that were read
  std::size_t good_size = 0;  // header and the frames of `records`
  End end = End::Clean;
};

/// Reads the frames behind the header of `file`. Time is linear in its size, whatever it contains.
Contents read_frames(Span file, const SegmentHeader& header);

}  // namespace seneschal::storage
