// Configuration files: whatever the text, a value that keeps its promises or an error that names the file.
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/topology.hpp"

namespace {

using namespace seneschal;
using namespace seneschal::emulator;

void check_error(const Error& error) {
  CHECK(error.message.starts_with("f.toml:"));
  CHECK(error.message.size() > 10);
}

void check_topology(std::string_view text) {
  const auto topology = parse_topology(text, "f.toml");
  if (!topology) return check_error(topology.error());
  const std::size_t n = topology->size();
  CHECK(n >= 1 && n <= kMaxSites);
  CHECK(topology->links.size() == n * n);
  for (const Duration delay : topology->shortest_delays()) CHECK(delay >= Duration(0) && delay < Duration::max());
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(topology->link(i, i) == nullptr);
    CHECK(topology->site_index(topology->sites[i].name) == i);
  }
  // Whatever was accepted can be run.
  for (const auto& link : topology->links) {
    if (!link) continue;
    LinkModel model(*link, LinkKey{});
    for (int packet = 0; packet < 3; ++packet) {
      const Fate fate = model.offer(Instant{0}, 1400);
      CHECK(fate.copies <= 2);
      for (std::size_t copy = 0; copy < fate.copies; ++copy) CHECK(fate.arrivals[copy] >= fate.sent);
    }
  }
}

void check_costs(std::string_view text) {
  const auto costs = parse_costs(text, "f.toml");
  if (!costs) return check_error(costs.error());
  const auto again = parse_costs(costs->to_toml(), "f.toml");
  CHECK(again.has_value());
  CHECK(again->thresholds() == costs->thresholds());
  for (std::size_t op = 0; op < kOpCount; ++op)
    CHECK(again->cost(static_cast<Op>(op), 1000) == costs->cost(static_cast<Op>(op), 1000));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) return 0;
  const auto text = as_text(Span(data, size));
  check_topology(text);
  check_costs(text);
  return 0;
}
