#include "steward/records.hpp"

namespace seneschal::steward {

std::expected<LogRecord, Reject> decode_record(Span bytes) {
  auto record = decode<LogRecord>(bytes);
  if (!record) return record;
  if (record->version == 0 || record->version > LogRecord::kVersion) return std::unexpected(Reject::WrongVersion);
  return record;
}

}  // namespace seneschal::steward
