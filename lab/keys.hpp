// Keys of a deployment: which, and made once.
#pragma once
#include "crypto/key_files.hpp"
#include "lab/deployment.hpp"

#include <optional>

namespace seneschal::lab {

crypto::KeyPlan key_plan(const Deployment& deployment);

/// Makes sure that all keys of the deployment are in a folder of its own below `cache` and returns it. Keys that an
/// earlier run made for the same servers are used again: if there are more clients now, a new folder has the old keys
/// and those of the new clients. A run that was cut short leaves nothing that looks complete, and
/// what it leaves is removed by the next one; the error is "interrupted" soon after the user interrupts.
/// `fingerprint`: of the keys that the servers have run with (`servers_fingerprint`); an error if these are not
/// there.
Result<std::string> ensure_keys(const Deployment& deployment, const std::string& cache,
                                const crypto::KeyProgress& progress = {},
                                const std::optional<std::string>& fingerprint = {});

}  // namespace seneschal::lab
