#include "lab/sim/real_keys.hpp"

#include "crypto/key_ring.hpp"

#include <cstdlib>
#include <system_error>

namespace seneschal::lab::sim {

RealKeys::~RealKeys() {
  std::error_code ignored;
  if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
}

Status RealKeys::generate(const Deployment& deployment, const emulator::CostModel& costs) {
  std::error_code error;
  std::string pattern = (std::filesystem::temp_directory_path(error) / "seneschal-keys-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr)
    return failure("cannot make a temporary folder for keys; set TMPDIR to a folder that can be written");
  dir_ = pattern;
  crypto::KeyPlan plan = key_plan(deployment, costs);
  plan.server_scheme = crypto::Scheme::Rsa1024;
  plan.threshold_bits = 512;
  plan.strength = crypto::KeyStrength::Test;
  return crypto::generate_keys(plan, dir_ / "keys");
}

KeySource RealKeys::source() const {
  return [dir = dir_ / "keys"](const Principal& who) -> Result<std::unique_ptr<crypto::Keys>> {
    auto ring = crypto::KeyRing::load(dir, who);
    if (!ring) return std::unexpected(ring.error());
    return std::move(*ring);
  };
}

Deployment largest_plan(Protocol protocol) {
  Plan plan;
  plan.protocol = protocol;
  plan.sites = 5;
  plan.clients = 8;
  return plan.deployment();
}

}  // namespace seneschal::lab::sim
