// Carries out an experiment's mishaps in a simulated deployment.
#pragma once
#include "lab/sim/assembly.hpp"

namespace seneschal::lab::sim {

class MishapActor final : private world::Handler {
 public:
  /// Schedules everything; `begin` is that of the measured time. All arguments must outlive the world's run.
  MishapActor(const Deployment& deployment, const std::vector<Mishap>& mishaps, Assembly& assembly, Instant begin);

 private:
  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override;
  void kill(const Mishap& mishap);
  void change_links(const Mishap& mishap);
  void cut(const Mishap& mishap, bool is_cut);

  const Deployment& deployment_;
  const std::vector<Mishap>& mishaps_;
  Assembly& assembly_;
};

/// The largest timers of the living servers. [Steward 6]
ProtocolTimers timers_of(Assembly& assembly);

}  // namespace seneschal::lab::sim
