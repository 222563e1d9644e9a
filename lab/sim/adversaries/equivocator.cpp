#include "bft/messages.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"

#include <algorithm>
#include <utility>

namespace seneschal::lab::sim {

namespace {

/// Another batch that a correct server would take as well: fewer updates, or an earlier batch's ones.
replication::Batch other_batch(const replication::Batch& batch, const replication::Batch& earlier) {
  replication::Batch other = batch;
  if (other.updates.size() > 1)
    other.updates.items.pop_back();
  else
    other = earlier;
  return other;
}

class Equivocator final : public Adversary {
 public:
  Equivocator(std::unique_ptr<Core> core, ServerId self, const Membership& membership) : Adversary(std::move(core)) {
    for (std::uint16_t i = 0; i < membership.site(self.site).servers; ++i)
      if (i != self.index.value) others_.push_back(Destination::to(ServerId{self.site, ServerIndex(i)}));
  }

 private:
  void twist(Instant, Effects& fx) override {
    std::vector<Effects::Effect> more;
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      split<steward::PrePrepare>(*send, more);
      split<bft::PrePrepare>(*send, more);
    }
    for (auto& effect : more) fx.list().push_back(std::move(effect));
  }

  // Half of the servers get what the core made, the others something else.
  template <class M>
  void split(Effects::Send& send, std::vector<Effects::Effect>& more) {
    if (!is<M>(send)) return;
    auto proposal = decode<M>(send.body);
    if (!proposal) return;
    const replication::Batch batch = proposal->batch;
    const replication::Batch earlier = std::exchange(earlier_, batch);
    const replication::Batch other = other_batch(batch, earlier);
    if (other == batch || other.updates.empty()) return;
    Effects::Send second = send;
    proposal->batch = other;
    second.body = encode(*proposal);
    second.options.loopback = false;
    const auto half = static_cast<std::ptrdiff_t>(others_.size() / 2);
    send.to.assign(others_.begin(), others_.begin() + half);
    second.to.assign(others_.begin() + half, others_.end());
    more.push_back(std::move(second));
  }

  std::vector<Destination> others_;
  replication::Batch earlier_;
};

/// Proposes old updates once more, to everybody: ordering may let them pass, execution must not.
class Repeater final : public Adversary {
 public:
  explicit Repeater(std::unique_ptr<Core> core) : Adversary(std::move(core)) {}

 private:
  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      repeat<steward::PrePrepare>(*send);
      repeat<bft::PrePrepare>(*send);
    }
  }
  template <class M>
  void repeat(Effects::Send& send) {
    if (!is<M>(send)) return;
    auto proposal = decode<M>(send.body);
    if (!proposal) return;
    const replication::Batch earlier = std::exchange(earlier_, proposal->batch);
    if (++proposals_ % 3 != 0 || earlier.updates.empty()) return;
    proposal->batch = earlier;
    send.body = encode(*proposal);
  }
  replication::Batch earlier_;
  std::uint64_t proposals_ = 0;
};

}  // namespace

std::unique_ptr<Core> equivocator(std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
  return std::make_unique<Equivocator>(std::move(core), self, membership);
}

std::unique_ptr<Core> repeater(std::unique_ptr<Core> core) {
  return std::make_unique<Repeater>(std::move(core));
}

}  // namespace seneschal::lab::sim
