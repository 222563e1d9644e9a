// Keys of a client that joins a deployment at run time: made by whoever enrolls it, beside the deployment's own.
#pragma once
#include "crypto/key_files.hpp"

namespace seneschal::crypto {

/// What the servers are told of it.
struct JoiningClient {
  ClientId id;
  SiteId home;
  NodeId node;
  ClientKeys keys;
};

/// Makes the client's keys in `dir`/client-C, which must not exist yet: signing.pem, macs.txt, joined.txt, all 0600.
/// Errors: a folder that cannot be made, a deployment whose servers have no exchange keys.
Result<ClientKeys> make_joining_keys(const std::filesystem::path& dir, const PublicKeys& known, ClientId client,
                                     SiteId home, NodeId node);
/// True if `dir` holds the keys of a client that joined, or tried to.
bool has_joined(const std::filesystem::path& dir, ClientId client);
/// Reads its joined.txt.
Result<JoiningClient> load_joined(const std::filesystem::path& dir, ClientId client, DeploymentId deployment);
/// The signing key of a client that joined is in no public file: adds it. Nothing happens for others.
Status add_joined(const std::filesystem::path& dir, ClientId client, PublicKeys& known);
/// Takes back what `make_joining_keys` made; nothing but that.
void remove_joining_keys(const std::filesystem::path& dir, ClientId client);

}  // namespace seneschal::crypto
