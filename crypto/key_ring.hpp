// Real keys, loaded from files.
#pragma once
#include "crypto/key_files.hpp"
#include "crypto/keys.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>

namespace seneschal::crypto {

class KeyRing final : public Keys {
 public:
  struct Options {
    std::optional<DeploymentId> deployment;  // refuse keys of any other
    RandomSource random = system_random();   // for proof nonces; must be thread-safe
  };

  /// The keys of `self` (a server or a client, also one that joined) in a directory that `generate_keys` made. Errors
  /// as of `load_public_keys` and `load_private_keys`.
  static Result<std::unique_ptr<KeyRing>> load(const std::filesystem::path& dir, const Principal& self,
                                               Options options);
  static Result<std::unique_ptr<KeyRing>> load(const std::filesystem::path& dir, const Principal& self);
  /// With public keys that several in one process share; they hold `self`'s.
  static Result<std::unique_ptr<KeyRing>> load(const std::filesystem::path& dir, const Principal& self,
                                               std::shared_ptr<const PublicKeys> known, Options options);

  /// From keys that are not in files; they must belong together. `random` as in `Options`.
  static std::unique_ptr<KeyRing> assemble(Principal self, PublicKeys known, PrivateKeys own, RandomSource random) {
    auto shared = std::make_shared<const PublicKeys>(std::move(known));
    return std::unique_ptr<KeyRing>(new KeyRing(self, std::move(shared), std::move(own), std::move(random)));
  }

  const Principal& self() const { return self_; }
  /// The deployment as its public files describe it.
  const KeyPlan& plan() const { return known_->plan; }
  const PublicKeys& known() const { return *known_; }

  Bytes sign(Span message) const override;
  bool verify(const Principal& signer, Span message, Span signature) const override;
  Mac mac(const Principal& peer, Span message) const override;
  bool verify_mac(const Principal& peer, Span message, Span mac) const override;
  Bytes share(Span message) const override;
  ShareWithProof prove(Span message) const override;
  std::optional<Bytes> combine(SiteId site, Span message, std::span<const ShareOf> shares) const override;
  bool check_share(ServerId owner, Span message, Span share, Span proof) const override;
  void enroll(ClientId client, const ClientKeys& keys) override;
  void dismiss(ClientId client) override;

 private:
  KeyRing(Principal self, std::shared_ptr<const PublicKeys> known, PrivateKeys own, RandomSource random)
      : self_(self), known_(std::move(known)), own_(std::move(own)), random_(std::move(random)) {}
  const ThresholdPublicKey* site_key(SiteId site) const;
  /// A client that joined at run time. `mac` is null if the owner has no exchange key.
  struct Enrolled {
    PublicKey signing;
    std::unique_ptr<const MacKey> mac;
  };
  std::shared_ptr<const Enrolled> enrolled(const Principal& who) const;

  Principal self_;
  std::shared_ptr<const PublicKeys> known_;
  PrivateKeys own_;
  RandomSource random_;
  /// The crypto pool verifies while the I/O thread enrolls: whoever is being used outlives its dismissal.
  mutable std::shared_mutex mutex_;
  std::map<ClientId, std::shared_ptr<const Enrolled>> enrolled_;
};

}  // namespace seneschal::crypto
