// Says in this deployment what it signed for another one. [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"

#include <map>

namespace seneschal::lab::sim {

namespace {

/// What it signs for others it signs a second time, for a deployment with the next number, and sends both.
class Foreigner final : public Adversary {
 public:
  Foreigner(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)),
        self_(self),
        elsewhere_(DeploymentId(membership.deployment.value + 1)),
        random_(random) {}

  void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) override {
    const auto ours = signing_.find(ticket);
    if (ours == signing_.end()) return Adversary::on_done(now, ticket, result, fx);
    auto [bytes, to] = std::move(ours->second);
    signing_.erase(ours);
    append(bytes, std::get<SignResult>(result).signature);
    fx.forward(std::move(to), share(std::move(bytes)));
  }

 private:
  static constexpr std::size_t kMostAtOnce = 16;

  struct Unsigned {
    Bytes bytes;
    std::vector<Destination> to;
  };

  void twist(Instant, Effects& fx) override {
    std::vector<Unsigned> more;
    for (const auto& effect : fx.list()) {
      const auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || send->options.auth != AuthKind::Signature) continue;
      if (signing_.size() + more.size() >= kMostAtOnce || !random_.chance(1, 2)) continue;
      Header header = send->header;
      header.deployment = elsewhere_;
      header.sender = Principal::of(self_);
      more.push_back({unsealed(header, send->body), send->to});
    }
    for (auto& item : more) {
      const Ticket ticket = fx.run(SignJob{share(Bytes(item.bytes))});
      signing_.emplace(ticket, std::move(item));
    }
  }

  ServerId self_;
  DeploymentId elsewhere_;
  Prng random_;
  std::map<Ticket, Unsigned> signing_;
};

}  // namespace

std::unique_ptr<Core> foreigner(std::unique_ptr<Core> core, ServerId self, const Membership& membership,
                                Prng random) {
  return std::make_unique<Foreigner>(std::move(core), self, membership, random);
}

}  // namespace seneschal::lab::sim
