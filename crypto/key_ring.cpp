#include "crypto/key_ring.hpp"

#include "crypto/key_files_impl.hpp"

namespace seneschal::crypto {

Result<std::unique_ptr<KeyRing>> KeyRing::load(const std::filesystem::path& dir, const Principal& self) {
  return load(dir, self, Options());
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(const std::filesystem::path& dir, const Principal& self,
                                               Options options) {
  Result<PublicKeys> known = load_public_keys(dir);
  if (!known) return std::unexpected(known.error());
  if (options.deployment && *options.deployment != known->plan.deployment)
    return failure(dir.string() + " holds keys of deployment " + to_text(known->plan.deployment) +
                   ", not of deployment " + to_text(*options.deployment));
  Result<PrivateKeys> own = load_private_keys(dir, self, *known);
  if (!own) return std::unexpected(own.error());
  return std::unique_ptr<KeyRing>(new KeyRing(self, std::move(*known), std::move(*own), std::move(options.random)));
}

const ThresholdPublicKey* KeyRing::site_key(SiteId site) const {
  const auto found = known_.sites.find(site);
  return found == known_.sites.end() ? nullptr : &found->second;
}

Bytes KeyRing::sign(Span message) const {
  return own_.signing.sign(message);
}

bool KeyRing::verify(const Principal& signer, Span message, Span signature) const {
  if (signer.is_site()) {
    const ThresholdPublicKey* key = signer.value <= 0xffff ? site_key(signer.site()) : nullptr;
    return key != nullptr && key->verify(message, signature);
  }
  const auto found = known_.signers.find(signer);
  return found != known_.signers.end() && found->second.verify(message, signature);
}

Mac KeyRing::mac(const Principal& peer, Span message) const {
  const auto found = own_.macs.find(peer);
  return found == own_.macs.end() ? Mac{} : found->second.mac(message);
}

bool KeyRing::verify_mac(const Principal& peer, Span message, Span mac) const {
  const auto found = own_.macs.find(peer);
  return found != own_.macs.end() && found->second.verify(message, mac);
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
