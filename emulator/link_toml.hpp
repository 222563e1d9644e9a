// The properties of a link as files and commands name them: one list for all of them.
#pragma once
#include "emulator/link_model.hpp"
#include "emulator/toml_file.hpp"

namespace seneschal::emulator {

/// `value` in the unit of its name, such as milliseconds, times `factor` is what a LinkConfig holds.
struct LinkProperty {
  std::string_view name;
  std::int64_t factor;
  std::int64_t most;  // in the unit of LinkConfig
  std::int64_t (*get)(const LinkConfig&);
  void (*set)(LinkConfig&, std::int64_t);
};
std::span<const LinkProperty> link_properties();
/// Their names, separated by commas.
std::string link_property_names();

/// The link keys of `table`; missing ones keep the value they have in `base`. Bandwidth 0 is unlimited, queue 0 the
/// default length.
LinkConfig read_link(const TomlTable& table, const LinkConfig& base);
/// Sets one property from a command. Errors say what is expected: also for a number that is not 0 and would become 0,
/// since a bandwidth of 0 has no limit.
Status set_link_property(LinkConfig& link, std::string_view name, double value);

}  // namespace seneschal::emulator
