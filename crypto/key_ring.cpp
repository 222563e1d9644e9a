#include "crypto/key_ring.hpp"

#include "crypto/joining.hpp"
#include "crypto/key_files_impl.hpp"

namespace seneschal::crypto {

Result<std::unique_ptr<KeyRing>> KeyRing::load(const std::filesystem::path& dir, const Principal& self) {
  return load(dir, self, Options());
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(const std::filesystem::path& dir, const Principal& self,
                                               Options options) {
  Result<PublicKeys> known = load_public_keys(dir);
  if (!known) return std::unexpected(known.error());
  // A client that joined is in nobody's public.txt: it brings its own word along.
  if (self.is_client())
    if (Status good = add_joined(dir, self.client(), *known); !good) return std::unexpected(good.error());
  return load(dir, self, std::make_shared<const PublicKeys>(std::move(*known)), std::move(options));
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(const std::filesystem::path& dir, const Principal& self,
                                               std::shared_ptr<const PublicKeys> known, Options options) {
  if (options.deployment && *options.deployment != known->plan.deployment)
    return failure(dir.string() + " holds keys of deployment " + to_text(known->plan.deployment) +
                   ", not of deployment " + to_text(*options.deployment));
  Result<PrivateKeys> own = load_private_keys(dir, self, *known);
  if (!own) return std::unexpected(own.error());
  return std::unique_ptr<KeyRing>(new KeyRing(self, std::move(known), std::move(*own), std::move(options.random)));
}

const ThresholdPublicKey* KeyRing::site_key(SiteId site) const {
  const auto found = known_->sites.find(site);
  return found == known_->sites.end() ? nullptr : &found->second;
}

Bytes KeyRing::sign(Span message) const {
  return own_.signing.sign(message);
}

bool KeyRing::verify(const Principal& signer, Span message, Span signature) const {
  if (signer.is_site()) {
    const ThresholdPublicKey* key = signer.value <= 0xffff ? site_key(signer.site()) : nullptr;
    return key != nullptr && key->verify(message, signature);
  }
  const auto found = known_->signers.find(signer);
  if (found != known_->signers.end()) return found->second.verify(message, signature);
  const auto client = enrolled(signer);
  return client != nullptr && client->signing.verify(message, signature);
}

Mac KeyRing::mac(const Principal& peer, Span message) const {
  const auto found = own_.macs.find(peer);
  if (found != own_.macs.end()) return found->second.mac(message);
  const auto client = enrolled(peer);
  return client == nullptr || client->mac == nullptr ? Mac{} : client->mac->mac(message);
}

bool KeyRing::verify_mac(const Principal& peer, Span message, Span mac) const {
  const auto found = own_.macs.find(peer);
  if (found != own_.macs.end()) return found->second.verify(message, mac);
  const auto client = enrolled(peer);
  return client != nullptr && client->mac != nullptr && client->mac->verify(message, mac);
}

std::shared_ptr<const KeyRing::Enrolled> KeyRing::enrolled(const Principal& who) const {
  if (!who.is_client()) return nullptr;
  std::shared_lock lock(mutex_);
  const auto found = enrolled_.find(who.client());
  return found == enrolled_.end() ? nullptr : found->second;
}

void KeyRing::enroll(ClientId client, const ClientKeys& keys) {
  std::unique_ptr<const MacKey> mac;
  if (own_.exchange && self_.is_server())
    if (const auto agreed = own_.exchange->agree(keys.exchange))
      mac = std::make_unique<const MacKey>(
          enrolled_mac_key(*agreed, known_->plan.deployment, self_.server(), client).expose());
  auto entry = std::make_shared<const Enrolled>(Enrolled{PublicKey::from_ed25519(keys.signing), std::move(mac)});
  std::unique_lock lock(mutex_);
  enrolled_[client] = std::move(entry);
}

void KeyRing::dismiss(ClientId client) {
  std::unique_lock lock(mutex_);
  enrolled_.erase(client);
}

Bytes KeyRing::share(Span message) const {
  return own_.threshold ? own_.threshold->share(message) : Bytes{};
}

ShareWithProof KeyRing::prove(Span message) const {
  return own_.threshold ? own_.threshold->prove(message, random_) : ShareWithProof{};
}

std::optional<Bytes> KeyRing::combine(SiteId site, Span message, std::span<const ShareOf> shares) const {
  const ThresholdPublicKey* key = site_key(site);
  if (key == nullptr) return std::nullopt;
  std::vector<IdentifiedShare> identified;
  identified.reserve(shares.size());
  for (const ShareOf& share : shares) identified.push_back({share.owner.value + std::size_t{1}, share.share});
  return key->combine(message, identified);
}

bool KeyRing::check_share(ServerId owner, Span message, Span share, Span proof) const {
  const ThresholdPublicKey* key = site_key(owner.site);
  return key != nullptr && key->check_share(owner.index.value + std::size_t{1}, message, share, proof);
}

}  // namespace seneschal::crypto
