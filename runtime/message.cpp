#include "runtime/message.hpp"

namespace seneschal {

std::expected<SealedParts, Reject> parse_sealed(Span sealed) {
  if (sealed.size() < Header::kSize) return std::unexpected(Reject::TooShort);
  if (sealed.size() > kMaxSealed) return std::unexpected(Reject::TooLong);
  Reader reader(sealed.first(Header::kSize));
  SealedParts parts;
  // The version decides what the rest means, so it is looked at before anything else.
  if (sealed[0] != kWireVersion) return std::unexpected(Reject::WrongVersion);
  if (!decode_from(reader, parts.header)) return std::unexpected(reader.reason());
  std::size_t signed_size = Header::kSize + parts.header.body_size;
  if (signed_size > sealed.size()) return std::unexpected(Reject::TooShort);
  parts.signed_bytes = sealed.first(signed_size);
  parts.body = parts.signed_bytes.subspan(Header::kSize);
  parts.auth = sealed.subspan(signed_size);
  return parts;
}

Bytes unsealed(const Header& header, Span body) {
  Header h = header;
  h.body_size = static_cast<std::uint32_t>(body.size());
  Bytes bytes;
  bytes.reserve(Header::kSize + body.size() + 256);
  Writer writer(bytes);
  encode_to(writer, h);
  writer.raw(body);
  return bytes;
}

}  // namespace seneschal
