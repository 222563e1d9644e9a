// What `seneschal client load` writes and the live runner reads: one JSON object per line.
#pragma once
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

#include <string>
#include <vector>

namespace seneschal::lab {

/// One accepted operation; times are on the machine's steady clock, the same in every process.
struct LoadSample {
  ClientId client;
  Instant accepted;
  Duration latency{};
  bool update = true;
  std::uint32_t retries = 0;
};

/// The first line, written when all clients are attached; then one line per operation.
std::string load_header(Instant started, std::uint32_t clients);
std::string load_line(const LoadSample& sample);
/// Errors name the line. The header is skipped.
Result<std::vector<LoadSample>> read_load_file(const std::string& path);

}  // namespace seneschal::lab
