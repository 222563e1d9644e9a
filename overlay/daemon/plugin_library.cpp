#include "overlay/daemon/plugin_library.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

namespace seneschal::overlay {

struct PluginLibrary::Handle {
  boost::dll::shared_library library;
};

PluginLibrary::PluginLibrary() : handle_(std::make_unique<Handle>()) {}
PluginLibrary::~PluginLibrary() = default;

Result<std::shared_ptr<PluginLibrary>> PluginLibrary::load(const std::string& path) {
  std::shared_ptr<PluginLibrary> made(new PluginLibrary());
  boost::dll::fs::error_code error;
  auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local;
  if (path.find('/') == std::string::npos) mode |= boost::dll::load_mode::search_system_folders;
  made->handle_->library.load(boost::dll::fs::path(path), mode, error);
  if (error) return failure(path + ": cannot be loaded: " + error.message());
  if (!made->handle_->library.has(SENESCHAL_PLUGIN_SYMBOL))
    return failure(path + ": is not a plugin: it has no function '" SENESCHAL_PLUGIN_SYMBOL "'");
  using TableFunction = const seneschal_plugin*();
  const seneschal_plugin* table = made->handle_->library.get<TableFunction>(SENESCHAL_PLUGIN_SYMBOL)();
  if (table == nullptr) return failure(path + ": gives no plugin table");
  if (table->version != SENESCHAL_PLUGIN_VERSION)
    return failure(path + ": was made for version " + std::to_string(table->version) +
                   " of the plugin contract, this node speaks version " + std::to_string(SENESCHAL_PLUGIN_VERSION) +
                   "; build it again");
  if (table->size < sizeof(seneschal_plugin))
    return failure(path + ": its table has " + std::to_string(table->size) + " bytes; expected at least " +
                   std::to_string(sizeof(seneschal_plugin)));
  if (!table->create || !table->datagram || !table->done || !table->time || !table->deadline || !table->status ||
      !table->destroy)
    return failure(path + ": its table has a function missing");
  made->table_ = table;
  return made;
}

}  // namespace seneschal::overlay
