// Keys of a deployment: which, and made once.
#pragma once
#include "crypto/key_files.hpp"
#include "lab/deployment.hpp"

namespace seneschal::lab {

crypto::KeyPlan key_plan(const Deployment& deployment);

/// Makes sure that all keys of the deployment are in a folder of its own below `cache` and returns it. Keys that an
/// earlier run made for the same plan are used again; a run that was cut short leaves nothing that looks complete.
Result<std::string> ensure_keys(const Deployment& deployment, const std::string& cache,
                                const crypto::KeyProgress& progress = {});

}  // namespace seneschal::lab
