#include "bft/messages.hpp"
#include "lab/sim/adversaries/adversary.hpp"
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

  // Half of the servers get what the core made, the others something else; now and then all get an old batch.
  template <class M>
  void split(Effects::Send& send, std::vector<Effects::Effect>& more) {
    if (send.header.protocol != M::kProtocol || send.header.type != M::kType) return;
    auto proposal = decode<M>(send.body);
    if (!proposal) return;
    const replication::Batch batch = proposal->batch;
    const replication::Batch earlier = std::exchange(earlier_, batch);
    if (++proposals_ % 3 == 0 && !earlier.updates.empty()) {
      // Old updates once more, to everybody: ordering may let them pass, execution must not.
      proposal->batch = earlier;
      send.body = encode(*proposal);
      return;
    }
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
  std::uint64_t proposals_ = 0;
};

}  // namespace

std::unique_ptr<Core> equivocator(std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
  return std::make_unique<Equivocator>(std::move(core), self, membership);
}

}  // namespace seneschal::lab::sim
