#include "steward/records.hpp"

namespace seneschal::steward {

std::expected<LogRecord, Reject> decode_record(Span bytes) {
  auto record = decode<LogRecord>(bytes);
  if (!record) return record;
  if (record->version != LogRecord::kVersion) return std::unexpected(Reject::WrongVersion);
  return record;
}

Status check_log_format(std::span<const Record> log) {
  if (log.empty() || log.front().empty() || log.front().front() == LogRecord::kVersion) return {};
  const int found = log.front().front();
  const bool older = found < LogRecord::kVersion;
  return failure("steward: the log is of format " + std::to_string(found) + ", " +
                 (older ? "an earlier" : "a later") + " version of Seneschal wrote it; this one reads format " +
                 std::to_string(LogRecord::kVersion) +
                 ". Run the version that wrote it, or begin anew with new keys (lab up --fresh)");
}

}  // namespace seneschal::steward
