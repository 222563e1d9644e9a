#include "lab/load_file.hpp"

#include "lab/files.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <sstream>

namespace seneschal::lab {

std::string load_header(Instant started, std::uint32_t clients) {
  return fmt::format("{{\"started_ns\":{},\"clients\":{}}}\n", started.ns, clients);
}

std::string load_line(const LoadSample& s) {
  return fmt::format("{{\"client\":{},\"accepted_ns\":{},\"latency_ns\":{},\"update\":{},\"retries\":{}}}\n",
                     s.client.value, s.accepted.ns, s.latency.count(), s.update, s.retries);
}

Result<std::vector<LoadSample>> read_load_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  std::vector<LoadSample> samples;
  std::istringstream lines(*text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (++number == 1) continue;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto integer = [&](const char* key) -> std::optional<std::int64_t> {
      if (!json.is_object() || !json.contains(key) || !json[key].is_number_integer()) return std::nullopt;
      return json[key].get<std::int64_t>();
    };
    const auto client = integer("client"), accepted = integer("accepted_ns"), latency = integer("latency_ns");
    if (!client || !accepted || !latency || !json.contains("update") || !json["update"].is_boolean())
      return failure(path + ":" + std::to_string(number) + ": is no measurement; was the load cut short?");
    samples.push_back({ClientId(static_cast<std::uint32_t>(*client)), Instant{*accepted}, Duration(*latency),
                       json["update"].get<bool>(), static_cast<std::uint32_t>(integer("retries").value_or(0))});
  }
  return samples;
}

}  // namespace seneschal::lab
