#include "emulator/link_toml.hpp"

#include <cmath>
#include <sstream>

namespace seneschal::emulator {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kHour = std::int64_t{3600} * 1'000'000'000;
constexpr std::int64_t kPercent = 10'000;

constexpr LinkProperty kProperties[] = {
    {"delay_ms", kMs, kHour, [](const LinkConfig& l) { return l.delay.count(); },
     [](LinkConfig& l, std::int64_t n) { l.delay = Duration(n); }},
    {"jitter_ms", kMs, kHour, [](const LinkConfig& l) { return l.jitter.count(); },
     [](LinkConfig& l, std::int64_t n) { l.jitter = Duration(n); }},
    {"bandwidth_mbps", 1'000'000, 1'000'000'000'000,
     [](const LinkConfig& l) { return static_cast<std::int64_t>(l.bandwidth_bps); },
     [](LinkConfig& l, std::int64_t n) { l.bandwidth_bps = static_cast<std::uint64_t>(n); }},
    {"queue_kib", 1024, std::int64_t{1} << 30,
     [](const LinkConfig& l) { return static_cast<std::int64_t>(l.queue_bytes); },
     [](LinkConfig& l, std::int64_t n) { l.queue_bytes = static_cast<std::uint64_t>(n); }},
    {"loss_percent", kPercent, kCertainPpm, [](const LinkConfig& l) { return std::int64_t{l.loss_ppm}; },
     [](LinkConfig& l, std::int64_t n) { l.loss_ppm = static_cast<std::uint32_t>(n); }},
    {"duplicate_percent", kPercent, kCertainPpm, [](const LinkConfig& l) { return std::int64_t{l.duplicate_ppm}; },
     [](LinkConfig& l, std::int64_t n) { l.duplicate_ppm = static_cast<std::uint32_t>(n); }},
    {"reorder_percent", kPercent, kCertainPpm, [](const LinkConfig& l) { return std::int64_t{l.reorder_ppm}; },
     [](LinkConfig& l, std::int64_t n) { l.reorder_ppm = static_cast<std::uint32_t>(n); }},
    {"reorder_extra_ms", kMs, kHour, [](const LinkConfig& l) { return l.reorder_extra.count(); },
     [](LinkConfig& l, std::int64_t n) { l.reorder_extra = Duration(n); }},
};

std::string in_unit(std::int64_t value, std::int64_t factor) {
  std::ostringstream text;
  text << static_cast<double>(value) / static_cast<double>(factor);
  return text.str();
}

}  // namespace

std::span<const LinkProperty> link_properties() {
  return kProperties;
}

std::string link_property_names() {
  std::string names;
  for (const LinkProperty& property : kProperties) names += (names.empty() ? "" : ", ") + std::string(property.name);
  return names;
}

LinkConfig read_link(const TomlTable& table, const LinkConfig& base) {
  LinkConfig link = base;
  for (const LinkProperty& property : kProperties)
    property.set(link, table.scaled(property.name, property.factor, property.get(base), Range{0, property.most}));
  if (link.reorder_ppm != 0 && link.reorder_extra.count() == 0)
    table.fail("reorder_percent",
               "'reorder_percent' without 'reorder_extra_ms' does nothing; expected how many milliseconds later a "
               "reordered packet arrives, as in reorder_extra_ms = 5");
  return link;
}

Status set_link_property(LinkConfig& link, std::string_view name, double value) {
  for (const LinkProperty& property : kProperties) {
    if (property.name != name) continue;
    const double scaled = value * static_cast<double>(property.factor);
    std::ostringstream wrong;
    wrong << "'" << name << "' is " << value;
    // Written so that a NaN is refused.
    if (!(scaled >= 0 && scaled <= static_cast<double>(property.most))) {
      wrong << "; expected a number from 0 to " << in_unit(property.most, property.factor);
      return failure(wrong.str());
    }
    if (value != 0 && std::llround(scaled) == 0) {
      wrong << ", which would be 0; expected 0 itself, or at least " << in_unit(1, property.factor);
      return failure(wrong.str());
    }
    property.set(link, std::llround(scaled));
    return {};
  }
  return failure("'" + std::string(name) +
                 "' is not a property of a link; expected one of: " + link_property_names());
}

}  // namespace seneschal::emulator
