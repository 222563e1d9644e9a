// A client that breaks the rules for clients: two operations under one timestamp, and timestamps out of order.
// [Steward 3.2] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"

#include "replication/kv.hpp"
#include "replication/messages.hpp"

namespace seneschal::lab::sim {

namespace {

using replication::Update;

/// Whatever its workload sends to one server, it sends something else under the same timestamp to another, and under
/// the next timestamp, which its workload will use as well, to a third.
class TwoFacedClient final : public Adversary {
 public:
  TwoFacedClient(std::unique_ptr<Core> core, const ClientInfo& self, const Membership& membership, Prng random)
      : Adversary(std::move(core)), home_(self.home), servers_(membership.site(self.home).servers), random_(random) {}

 private:
  void twist(Instant, Effects& fx) override {
    std::vector<std::pair<ServerIndex, Update>> more;
    for (const auto& effect : fx.list()) {
      const auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !is<Update>(*send)) continue;
      const auto update = decode<Update>(send->body);
      if (!update || update->timestamp.value == 0) continue;
      more.emplace_back(any_server(), other(update->timestamp));
      if (random_.chance(1, 2)) more.emplace_back(any_server(), other(Timestamp(update->timestamp.value + 1)));
    }
    for (const auto& [server, update] : more)
      fx.send(Destination::to(ServerId{home_, server}), update, {.auth = AuthKind::Signature});
  }
  ServerIndex any_server() { return ServerIndex(static_cast<std::uint16_t>(random_.below(servers_))); }
  Update other(Timestamp timestamp) {
    Update update;
    update.timestamp = timestamp;
    update.operation.value = replication::kv::put("two-faced", to_bytes(std::to_string(random_.below(1'000'000))));
    return update;
  }

  SiteId home_;
  std::uint16_t servers_;
  Prng random_;
};

}  // namespace

std::unique_ptr<Core> two_faced(std::unique_ptr<Core> client, const ClientInfo& self, const Membership& membership,
                                std::uint64_t seed) {
  const Prng random = Prng(seed).fork("two-faced").fork(self.id.value);
  return std::make_unique<TwoFacedClient>(std::move(client), self, membership, random);
}

}  // namespace seneschal::lab::sim
