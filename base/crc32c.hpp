// CRC32C (Castagnoli), as iSCSI and ext4 use it: finds damage, not malice.
#pragma once
#include "base/bytes.hpp"

namespace seneschal {

/// CRC32C of `bytes`. To go on over several pieces, give the value of the pieces before as `before`.
std::uint32_t crc32c(Span bytes, std::uint32_t before = 0);

namespace detail {
/// The same without special instructions: what machines without SSE 4.2 use; tests compare both.
std::uint32_t crc32c_portable(Span bytes, std::uint32_t before);
}  // namespace detail

}  // namespace seneschal
