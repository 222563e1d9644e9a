#include "crypto/fake/fake_keys.hpp"

#include "base/check.hpp"
#include "base/prng.hpp"

#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace seneschal::crypto::fake {

namespace {
// What a tag is for. Part of every secret, so that a share never passes for a signature.
enum class Use : std::uint64_t { Sign = 1, Mac, Share, Proof };

/// Clients that join sign with Ed25519.
constexpr std::size_t kJoiningSignature = 64;

// As wide as a real proof: a challenge of 16 bytes, a response of the modulus and 33 more.
constexpr std::size_t proof_bytes(std::size_t share_bytes) {
  return 16 + share_bytes + 33;
}

std::uint64_t key_of(const Principal& p) {
  return static_cast<std::uint64_t>(p.kind) << 32 | p.value;
}

Bytes padded(std::uint64_t tag, std::size_t size) {
  Bytes bytes(size);
  std::memcpy(bytes.data(), &tag, sizeof tag);
  return bytes;
}

bool is_padded(Span bytes, std::uint64_t tag, std::size_t size) {
  static constexpr Byte kZeros[1024] = {};
  return bytes.size() == size && size <= sizeof kZeros && std::memcmp(bytes.data(), &tag, sizeof tag) == 0 &&
         std::memcmp(bytes.data() + sizeof tag, kZeros, size - sizeof tag) == 0;
}
}  // namespace

struct Registry::World {
  KeyPlan plan;
  std::uint64_t seed;
  std::uint64_t message_seed;
  std::size_t share_bytes;
  std::map<SiteId, SitePlan> sites;
  std::unordered_map<std::uint64_t, std::size_t> signature_bytes;  // by key_of; looked up only

  // Who shared what. Guarded: a world with worker threads may sign in parallel.
  mutable std::mutex mutex;
  ShareObserver observer;
  std::size_t max_remembered;
  std::unordered_map<std::uint64_t, std::uint64_t> shared_by;  // by record_key; looked up only
  std::deque<std::uint64_t> oldest;

  std::uint64_t secret(Use use, const Principal& owner) const {
    return scatter(scatter(seed ^ static_cast<std::uint64_t>(use)) ^ key_of(owner));
  }
  std::uint64_t pair_secret(const Principal& a, const Principal& b) const {
    return scatter(secret(Use::Mac, std::min(a, b)) ^ key_of(std::max(a, b)));
  }
  ClientKeys joining_keys(ClientId client) const {
    ClientKeys keys;
    const Principal who = Principal::of(client);
    for (auto [use, to] : {std::pair{Use::Sign, &keys.signing}, {Use::Mac, &keys.exchange}})
      for (std::size_t i = 0; i < to->size(); i += 8) {
        const std::uint64_t word = scatter(secret(use, who) ^ scatter(i + 1));
        std::memcpy(to->data() + i, &word, 8);
      }
    return keys;
  }
  std::uint64_t hash(Span message) const { return hash64(message, message_seed); }
  static std::uint64_t tag(std::uint64_t hash, std::uint64_t secret) {
    return scatter(scatter(hash ^ secret) + secret);
  }
  std::uint64_t share_tag(std::uint64_t hash, ServerId server) const {
    return tag(hash, secret(Use::Share, Principal::of(server)));
  }
  std::uint64_t proof_tag(std::uint64_t hash, ServerId server) const {
    return tag(hash, secret(Use::Proof, Principal::of(server)));
  }

  const SitePlan* threshold_site(SiteId id) const {
    const auto found = sites.find(id);
    return found == sites.end() || !found->second.threshold ? nullptr : &found->second;
  }
  bool can_share(ServerId server) const {
    const SitePlan* site = threshold_site(server.site);
    return site != nullptr && server.index.value < site->servers;
  }
  static std::uint64_t record_key(SiteId site, std::uint64_t hash) {
    return scatter(hash ^ scatter(site.value + 1u));
  }

  void record(ServerId server, std::uint64_t hash) {
    std::lock_guard lock(mutex);
    const std::uint64_t key = record_key(server.site, hash);
    const auto [entry, added] = shared_by.try_emplace(key, 0);
    entry->second |= std::uint64_t{1} << server.index.value;
    if (added) {
      oldest.push_back(key);
      if (oldest.size() > max_remembered) {
        shared_by.erase(oldest.front());
        oldest.pop_front();
      }
    }
    if (observer) observer(server, hash);
  }
};

namespace {
class FakeKeys final : public Keys {
 public:
  FakeKeys(std::shared_ptr<Registry::World> world, Principal self, std::size_t signature_size)
      : world_(std::move(world)), self_(self), size_(signature_size) {
    secret_ = world_->secret(Use::Sign, self_);
  }

  void enroll(ClientId client, const ClientKeys& keys) override {
    std::unique_lock lock(mutex_);
    enrolled_[client] = keys == world_->joining_keys(client);
  }
  void dismiss(ClientId client) override {
    std::unique_lock lock(mutex_);
    enrolled_.erase(client);
  }

  Bytes sign(Span message) const override {
    return padded(Registry::World::tag(world_->hash(message), secret_), size_);
  }

  bool verify(const Principal& signer, Span message, Span signature) const override {
    const auto found = world_->signature_bytes.find(key_of(signer));
    if (found == world_->signature_bytes.end() && !enrolled(signer)) return false;
    const std::size_t size = found == world_->signature_bytes.end() ? kJoiningSignature : found->second;
    if (signature.size() != size) return false;
    const std::uint64_t tag = Registry::World::tag(world_->hash(message), world_->secret(Use::Sign, signer));
    return is_padded(signature, tag, size);
  }

  Mac mac(const Principal& peer, Span message) const override {
    Mac mac{};
    if (!has_pair_key(peer)) return mac;
    const std::uint64_t tag = Registry::World::tag(world_->hash(message), world_->pair_secret(self_, peer));
    const std::uint64_t more = scatter(tag);
    std::memcpy(mac.data(), &tag, 8);
    std::memcpy(mac.data() + 8, &more, 8);
    return mac;
  }

  bool verify_mac(const Principal& peer, Span message, Span expected) const override {
    return expected.size() == sizeof(Mac) && has_pair_key(peer) && equal(mac(peer, message), expected);
  }

  Bytes share(Span message) const override {
    if (!sharing()) return {};
    const std::uint64_t hash = world_->hash(message);
    world_->record(self_.server(), hash);
    return padded(world_->share_tag(hash, self_.server()), world_->share_bytes);
  }

  ShareWithProof prove(Span message) const override {
    if (!sharing()) return {};
    Bytes own = share(message);
    const std::uint64_t proof = world_->proof_tag(world_->hash(message), self_.server());
    return {std::move(own), padded(proof, proof_bytes(world_->share_bytes))};
  }

  std::optional<Bytes> combine(SiteId site, Span message, std::span<const ShareOf> shares) const override {
    const SitePlan* plan = world_->threshold_site(site);
    if (plan == nullptr) return std::nullopt;
    const std::uint64_t hash = world_->hash(message);
    std::uint64_t used = 0;
    std::size_t count = 0;
    bool all_good = true;
    for (const ShareOf& share : shares) {
      if (count == plan->quorum()) break;  // as the real one: what is beyond the quorum is not looked at
      if (share.owner.value >= plan->servers || share.share.size() != world_->share_bytes) continue;
      const std::uint64_t bit = std::uint64_t{1} << share.owner.value;
      if ((used & bit) != 0) continue;
      used |= bit;
      ++count;
      all_good =
          all_good && is_padded(share.share, world_->share_tag(hash, {site, share.owner}), world_->share_bytes);
    }
    if (count < plan->quorum() || !all_good) return std::nullopt;
    const std::uint64_t secret = world_->secret(Use::Sign, Principal::of(site));
    return padded(Registry::World::tag(hash, secret), world_->share_bytes);
  }

  bool check_share(ServerId owner, Span message, Span share, Span proof) const override {
    if (!world_->can_share(owner)) return false;
    const std::uint64_t hash = world_->hash(message);
    return is_padded(share, world_->share_tag(hash, owner), world_->share_bytes) &&
           is_padded(proof, world_->proof_tag(hash, owner), proof_bytes(world_->share_bytes));
  }

 private:
  bool sharing() const { return self_.is_server() && world_->can_share(self_.server()); }
  bool has_pair_key(const Principal& peer) const {
    return have_pair_key(self_, peer) && (world_->signature_bytes.contains(key_of(peer)) || enrolled(peer));
  }
  /// And with the right keys.
  bool enrolled(const Principal& who) const {
    if (!who.is_client()) return false;
    std::shared_lock lock(mutex_);
    const auto found = enrolled_.find(who.client());
    return found != enrolled_.end() && found->second;
  }

  std::shared_ptr<Registry::World> world_;
  Principal self_;
  std::uint64_t secret_ = 0;
  std::size_t size_ = 0;
  mutable std::shared_mutex mutex_;
  std::map<ClientId, bool> enrolled_;
};
}  // namespace

Registry::Registry(const KeyPlan& plan, std::uint64_t seed, std::size_t max_remembered)
    : world_(std::make_shared<World>()) {
  CHECK(validate(plan).has_value());
  World& world = *world_;
  world.plan = plan;
  world.seed = scatter(seed ^ hash_name("fake keys"));
  world.message_seed = scatter(world.seed ^ hash_name("messages"));
  world.share_bytes = plan.threshold_bits / 8;
  world.max_remembered = max_remembered;
  for (const SitePlan& site : plan.sites) {
    world.sites.emplace(site.site, site);
    if (site.threshold) world.signature_bytes.emplace(key_of(Principal::of(site.site)), world.share_bytes);
    for (std::uint16_t i = 0; i < site.servers; ++i)
      world.signature_bytes.emplace(key_of(Principal::of(ServerId{site.site, ServerIndex(i)})),
                                    crypto::signature_bytes(plan.server_scheme));
  }
  for (const ClientPlan& client : plan.clients)
    world.signature_bytes.emplace(key_of(Principal::of(client.client)), crypto::signature_bytes(plan.client_scheme));
}

std::unique_ptr<Keys> Registry::keys(const Principal& owner) const {
  if (owner.is_site() || !world_->signature_bytes.contains(key_of(owner))) return nullptr;
  return std::make_unique<FakeKeys>(world_, owner, world_->signature_bytes.at(key_of(owner)));
}

std::unique_ptr<Keys> Registry::joining(ClientId client) const {
  return std::make_unique<FakeKeys>(world_, Principal::of(client), kJoiningSignature);
}

ClientKeys Registry::joining_keys(ClientId client) const {
  return world_->joining_keys(client);
}

std::uint64_t Registry::message_hash(Span message) const {
  return world_->hash(message);
}

void Registry::on_share(ShareObserver observer) {
  std::lock_guard lock(world_->mutex);
  world_->observer = std::move(observer);
}

std::size_t Registry::sharers(SiteId site, Span message) const {
  return sharers(site, message_hash(message));
}

std::size_t Registry::sharers(SiteId site, std::uint64_t message_hash) const {
  return static_cast<std::size_t>(std::popcount(sharer_set(site, message_hash)));
}

std::uint64_t Registry::sharer_set(SiteId site, std::uint64_t message_hash) const {
  std::lock_guard lock(world_->mutex);
  const auto found = world_->shared_by.find(World::record_key(site, message_hash));
  return found == world_->shared_by.end() ? 0 : found->second;
}

}  // namespace seneschal::crypto::fake
