// A plugin's shared object. Boost.DLL stays behind this header.
#pragma once
#include "base/result.hpp"
#include "runtime/plugin/contract.h"

#include <memory>
#include <string>

namespace seneschal::overlay {

/// Keeps the library loaded while it lives.
class PluginLibrary {
 public:
  /// Errors: no such library, not loadable, no table, wrong version, incomplete table.
  static Result<std::shared_ptr<PluginLibrary>> load(const std::string& path);
  ~PluginLibrary();
  const seneschal_plugin& table() const { return *table_; }

 private:
  struct Handle;
  PluginLibrary();
  std::unique_ptr<Handle> handle_;
  const seneschal_plugin* table_ = nullptr;
};

}  // namespace seneschal::overlay
