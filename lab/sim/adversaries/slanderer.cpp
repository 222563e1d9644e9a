// Blames servers that did nothing wrong. [Steward 3.6] [Steward 9]
#include "crypto/digest.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"

#include <deque>
#include <map>

namespace seneschal::lab::sim {

namespace {

using steward::CorruptedServer;
using steward::SigShare;

/// Shows genuine shares of others as evidence: without a proof, or with a message that they are not of.
class Slanderer final : public Adversary {
 public:
  Slanderer(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Adversary(std::move(core)), self_(self), random_(random) {}

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(30);
  static constexpr std::size_t kRemembered = 16;

  void overhear(const Inbound& message) override {
    auto m = message.as<SigShare>();
    if (!m || m->signer() == Principal::of(self_)) return;
    if (shares_.size() >= kRemembered) shares_.pop_front();
    shares_.push_back(m->embed());
  }

  void twist(Instant now, Effects& fx) override {
    for (const auto& effect : fx.list()) {
      const auto* run = std::get_if<Effects::Run>(&effect);
      if (run == nullptr) continue;
      if (const auto* job = std::get_if<ShareJob>(&run->job)) remember(*job->message);
      if (const auto* job = std::get_if<ProveJob>(&run->job)) remember(*job->message);
    }
    // It asks for proofs: a share that nobody asked a proof of has none.
    for (auto& effect : fx.list())
      if (auto* send = std::get_if<Effects::Send>(&effect); send != nullptr && random_.chance(1, 2))
        rewrite<steward::ShareRequest>(*send, [](steward::ShareRequest& m) { m.prove = true; });
    if (now < next_ || shares_.empty() || messages_.empty()) return;
    next_ = now + kEvery;
    const auto& share = shares_[random_.below(shares_.size())];
    const auto true_one =
        std::ranges::find(messages_, share.body.content, [](const auto& message) { return message.first; });
    const bool truly = true_one != messages_.end() && random_.chance(1, 2);
    const Bytes& message = truly ? true_one->second : messages_[random_.below(messages_.size())].second;
    fx.send(Destination::to(self_.site), CorruptedServer{share, {message}});
  }

  void remember(const Bytes& message) {
    if (messages_.size() >= kRemembered) messages_.pop_front();
    messages_.emplace_back(crypto::sha256(message), message);
  }

  ServerId self_;
  Prng random_;
  Instant next_{};
  std::deque<Signed<SigShare>> shares_;
  std::deque<std::pair<Digest, Bytes>> messages_;  // site messages that are being signed, by what names them
};

}  // namespace

std::unique_ptr<Core> slanderer(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Slanderer>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
