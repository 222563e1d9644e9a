// Makes a plugin of a replica: a plugin.cpp supplies a factory, the adapter the C table.
//
//   Result<std::unique_ptr<Assembly>> make(const PluginContext& context) { ... }
//   SENESCHAL_PLUGIN("steward", SENESCHAL_BOUNDED, make)
#pragma once
#include "base/fact.hpp"
#include "runtime/config_text.hpp"
#include "runtime/plugin/plugin_env.hpp"
#include "runtime/replica.hpp"

namespace seneschal::plugin {

/// What the node must know of a replica's memory: see `seneschal_memory` in the contract.
struct Memory {
  std::string group;
  std::string member;
  /// False: nothing is made durable; started a second time it counts as one that lost its log.
  bool keep = true;
  std::vector<Fact> facts;
  std::vector<std::pair<std::string, NodeId>> members;
};

/// A replica and everything that it needs to stay alive: keys, core, application, directory, and its PluginEnv.
class Assembly {
 public:
  virtual ~Assembly() = default;
  virtual Replica& replica() = 0;
  virtual PluginEnv& env() = 0;
  virtual Memory memory() const = 0;
  /// Whether this program can read that log; an error says what to do and keeps the server from
  /// running; its log stays as it is.
  virtual Status check_log(std::span<const Record>) const { return {}; }
  /// Adds to the replica's own status.
  virtual void status(StatusList&) const {}
};

struct PluginContext {
  const seneschal_host& host;
  std::string config;  // text for ConfigText
  std::string folder;  // relative paths in it start here
};

using Factory = Result<std::unique_ptr<Assembly>> (*)(const PluginContext&);

/// The functions of the C table; `make` is called by create, then the replica is started.
void* create(Factory make, const seneschal_host* host, const char* config, const char* folder, char* error,
             std::size_t error_size);
void datagram(void* self, const seneschal_datagram* datagram);
void done(void* self, std::uint64_t ticket);
void time(void* self);
std::int64_t deadline(void* self);
std::size_t status(void* self, char* out, std::size_t capacity);
void destroy(void* self);
void log_lost(void* self);

}  // namespace seneschal::plugin

/// Exports the table of a plugin called `plugin_name`.
#define SENESCHAL_PLUGIN(plugin_name, plugin_flags, factory)                                               \
  extern "C" __attribute__((visibility("default"))) const seneschal_plugin* seneschal_plugin_table() {     \
    static const seneschal_plugin table = {                                                                \
        SENESCHAL_PLUGIN_VERSION,                                                                          \
        sizeof(seneschal_plugin),                                                                          \
        plugin_name,                                                                                       \
        plugin_flags,                                                                                      \
        0,                                                                                                 \
        [](const seneschal_host* host, const char* config, const char* folder, char* error, size_t size) { \
          return seneschal::plugin::create(factory, host, config, folder, error, size);                    \
        },                                                                                                 \
        seneschal::plugin::datagram,                                                                       \
        seneschal::plugin::done,                                                                           \
        seneschal::plugin::time,                                                                           \
        seneschal::plugin::deadline,                                                                       \
        seneschal::plugin::status,                                                                         \
        seneschal::plugin::destroy,                                                                        \
        seneschal::plugin::log_lost,                                                                       \
    };                                                                                                     \
    return &table;                                                                                         \
  }                                                                                                        \
  static_assert(true)
