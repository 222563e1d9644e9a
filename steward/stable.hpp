// A stable Checkpoint: one that M sites have signed. [Steward 7]
#pragma once
#include "steward/view_messages.hpp"

#include <memory>

namespace seneschal::steward {

struct Stable {
  Seq seq;
  Digest digest;
  std::shared_ptr<const StableProof> proof;
  explicit operator bool() const { return proof != nullptr; }
};

}  // namespace seneschal::steward
