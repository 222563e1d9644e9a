// Real keys for simulated runs: small ones, made once per run in a folder that goes away with this object.
#pragma once
#include "lab/sim/assembly.hpp"

#include <filesystem>

namespace seneschal::lab::sim {

class RealKeys {
 public:
  RealKeys() = default;
  RealKeys(const RealKeys&) = delete;
  RealKeys& operator=(const RealKeys&) = delete;
  ~RealKeys();

  /// Makes every key of the deployment; a smaller deployment of the same protocol can use them too.
  Status generate(const Deployment& deployment, const emulator::CostModel& costs);
  /// Must not outlive this object.
  KeySource source() const;

 private:
  std::filesystem::path dir_;
};

/// A deployment that has the servers and clients of every plan.
Deployment largest_plan(Protocol protocol);

}  // namespace seneschal::lab::sim
