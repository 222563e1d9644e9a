// What the servers of a folder remember of the deployment that they ran with. It must not be changed behind their
// backs: a log of other servers, of another application or under other keys would be lost, or worse, believed.
#pragma once
#include "lab/deployment.hpp"

#include <optional>
#include <string>

namespace seneschal::lab {

/// The sites' names as a plugin is told: blanks and other odd characters as %20.
std::string site_names(const Deployment& deployment);

/// Error, naming all that differs, if servers have run below `dir` with a deployment whose logs or keys mean
/// something else than those of this one; or if they have, and their marks are gone, with their logs or without them.
Status check_remembered(const Deployment& deployment, const std::string& dir);
/// Leaves a note beside the keys that `lab up` made in `dir`: servers have run with them. Without it, a folder whose
/// logs and marks are gone altogether would look new, and its servers would begin anew under their old keys.
Status note_keys_used(const std::string& dir);
/// The fingerprint of the keys with which servers have run below `dir`; nothing if none have.
std::optional<std::string> remembered_keys(const Deployment& deployment, const std::string& dir);
/// Error if the folder `keys` lacks a client of the deployment, or if servers have run below `dir` with other keys;
/// `dir` empty: whatever ran there is forgotten.
Status check_keys(const Deployment& deployment, const std::string& dir, const std::string& keys);

}  // namespace seneschal::lab
