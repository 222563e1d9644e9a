// The formats of key files, shared by writing and reading. Internal to this folder.
#pragma once
#include "crypto/key_files.hpp"
#include "crypto/key_text.hpp"

#include <vector>

namespace seneschal::crypto {

inline constexpr const char* kDeploymentFormat = "seneschal-deployment";
inline constexpr const char* kPublicFormat = "seneschal-public-keys";
inline constexpr const char* kSigningFormat = "seneschal-signing-key";
inline constexpr const char* kMacFormat = "seneschal-mac-keys";
inline constexpr const char* kThresholdFormat = "seneschal-threshold-share";

inline constexpr const char* kExchangeFormat = "seneschal-exchange-key";
inline constexpr const char* kJoinedFormat = "seneschal-joined-client";

/// Of public.txt. Before 2 servers had no exchange keys: such a deployment can enroll nobody.
inline constexpr int kPublicVersion = 2;

inline constexpr std::size_t kMacKeyBytes = 32;
inline constexpr std::size_t kMaxSites = 1024;
inline constexpr std::size_t kMaxKeyClients = 100'000;

/// The clients whose public keys are in the bundle of `site`.
std::vector<ClientPlan> clients_in_bundle(const KeyPlan& plan, SiteId site);
/// 16 hexadecimal digits.
std::string to_text(DeploymentId deployment);

/// The lines that begin every file of one owner.
std::string owner_header(const char* format, DeploymentId deployment, const Principal& owner);
std::string deployment_text(const KeyPlan& plan);
/// public.txt of one site.
std::string public_text(const SitePlan& site, const PublicKeys& keys);
SecretBytes signing_text(DeploymentId deployment, const Principal& owner, const PrivateKey& key);
/// The folder that keys are made in. Half of the keys are of no use and secret: unless `keep` is called, the
/// destructor removes what is in the folder, and the folder itself if `prepare` made it.
class NewKeyFolder {
 public:
  explicit NewKeyFolder(std::filesystem::path dir) : dir_(std::move(dir)) {}
  ~NewKeyFolder();
  NewKeyFolder(const NewKeyFolder&) = delete;
  NewKeyFolder& operator=(const NewKeyFolder&) = delete;

  /// Makes the folder unless it is there. Error if it is not empty: it then stays as it is.
  Status prepare();
  /// The keys are complete.
  void keep() { prepared_ = false; }

 private:
  std::filesystem::path dir_;
  bool prepared_ = false;
  bool made_ = false;
};
/// Secret texts are built in place and wiped: a std::string would leave copies behind as it grows.
SecretBytes joined(std::initializer_list<Span> parts);
SecretBytes secret_hex(const SecretBytes& secret);
/// macs.txt: peers ascending, and the key shared with each.
SecretBytes mac_text(DeploymentId deployment, const Principal& owner,
                     const std::vector<std::pair<Principal, SecretBytes>>& keys);
/// What macs.txt of `self` says: the key shared with each peer, as it stands there.
Result<std::vector<std::pair<Principal, SecretBytes>>> read_mac_keys(const std::filesystem::path& path,
                                                                     const Principal& self, const PublicKeys& known);
/// The first lines of `text` must say that it is of this format (version 1), deployment and owner.
void check_owner_header(KeyText& text, const char* format, DeploymentId deployment, const Principal& owner);

}  // namespace seneschal::crypto
