// A server that starts again from a log, with nobody around it.
#pragma once
#include "bed.hpp"

namespace seneschal::steward::testing {

struct Again {
  Again(Bed& bed, ServerId id, std::vector<Record> log, Settings settings = {})
      : core(id, bed.membership, settings, *replication::make_application("kv")) {
    std::uint64_t tickets = 1;
    Effects fx(tickets);
    core.start(bed.now, log, fx);
    effects = std::move(fx.list());
  }
  StewardCore core;
  std::vector<Effects::Effect> effects;
  std::size_t sends() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(effects, [](const auto& e) { return std::holds_alternative<Effects::Send>(e); }));
  }
};

}  // namespace seneschal::steward::testing
