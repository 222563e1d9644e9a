/* A plugin for a contract that does not exist. */
#include "runtime/plugin/contract.h"

static const seneschal_plugin table = {99, sizeof(seneschal_plugin), "wrong", 0, 0, 0, 0, 0, 0, 0, 0, 0};

__attribute__((visibility("default"))) const seneschal_plugin* seneschal_plugin_table(void) { return &table; }
