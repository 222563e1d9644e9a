// Simulated keys: fast, of real sizes, and not forgeable because only their owner is given the key object.
//
// They behave as the real ones do, down to what a bad share does to a combination, at the cost of one pass of a
// 64-bit hash over the message.
#pragma once
#include "crypto/key_plan.hpp"
#include "crypto/keys.hpp"

#include <functional>
#include <memory>

namespace seneschal::crypto::fake {

/// All keys of one simulated world. The same plan and seed give the same signatures; nothing is global. Key objects
/// keep what they need alive; using them from several threads is safe.
class Registry {
 public:
  /// Called at each use of a share key: who, and the hash of the message (`message_hash`).
  using ShareObserver = std::function<void(ServerId, std::uint64_t)>;
  struct World;

  /// `plan` must pass `validate`. At most `max_remembered` (site, message) pairs are remembered for `sharers`;
  /// beyond that the oldest is forgotten.
  Registry(const KeyPlan& plan, std::uint64_t seed, std::size_t max_remembered = 1 << 16);

  /// The key object of a server or client of the plan; null for anybody else. Hand it to its owner only.
  std::unique_ptr<Keys> keys(const Principal& owner) const;

  /// The key object of a client that is not of the plan: others know nothing of it until they are told to enroll it
  /// with `joining_keys`. Hand it to its owner only.
  std::unique_ptr<Keys> joining(ClientId client) const;
  ClientKeys joining_keys(ClientId client) const;

  /// Identifies a message in `ShareObserver` and `sharers`.
  std::uint64_t message_hash(Span message) const;
  void on_share(ShareObserver observer);
  /// How many distinct servers of `site` used their share key on exactly these bytes; 0 once forgotten.
  std::size_t sharers(SiteId site, Span message) const;
  std::size_t sharers(SiteId site, std::uint64_t message_hash) const;
  /// The same as a set: bit i for server i.
  std::uint64_t sharer_set(SiteId site, std::uint64_t message_hash) const;

 private:
  std::shared_ptr<World> world_;
};

}  // namespace seneschal::crypto::fake
