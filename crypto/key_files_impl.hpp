// The formats of key files, shared by writing and reading. Internal to this folder.
#pragma once
#include "crypto/key_files.hpp"

#include <vector>

namespace seneschal::crypto {

inline constexpr const char* kDeploymentFormat = "seneschal-deployment";
inline constexpr const char* kPublicFormat = "seneschal-public-keys";
inline constexpr const char* kSigningFormat = "seneschal-signing-key";
inline constexpr const char* kMacFormat = "seneschal-mac-keys";
inline constexpr const char* kThresholdFormat = "seneschal-threshold-share";

inline constexpr std::size_t kMacKeyBytes = 32;
inline constexpr std::size_t kMaxSites = 1024;
inline constexpr std::size_t kMaxKeyClients = 100'000;

/// The clients whose public keys are in the bundle of `site`.
std::vector<ClientPlan> clients_in_bundle(const KeyPlan& plan, SiteId site);
/// 16 hexadecimal digits.
std::string to_text(DeploymentId deployment);

}  // namespace seneschal::crypto
