#include "lab/sim/checkers/checker.hpp"

#include "lab/sim/checkers/ballot_checker.hpp"
#include "lab/sim/checkers/bft_checkers.hpp"
#include "lab/sim/checkers/client_checkers.hpp"
#include "lab/sim/checkers/graph_checker.hpp"
#include "lab/sim/checkers/kept_word.hpp"
#include "lab/sim/checkers/member_checker.hpp"
#include "lab/sim/checkers/order_checkers.hpp"
#include "lab/sim/checkers/stable_checkers.hpp"
#include "lab/sim/checkers/steward_checkers.hpp"
#include "lab/sim/checkers/union_checkers.hpp"
#include "lab/sim/checkers/view_checkers.hpp"

namespace seneschal::lab::sim {

namespace {
/// Passes everything on and reports what a site's key is used for.
class WitnessKeys final : public crypto::Keys {
 public:
  WitnessKeys(std::unique_ptr<crypto::Keys> keys, ServerId owner, CheckerSet& set)
      : keys_(std::move(keys)), owner_(owner), set_(set) {}

  Bytes sign(Span message) const override { return keys_->sign(message); }
  bool verify(const Principal& signer, Span message, Span signature) const override {
    return keys_->verify(signer, message, signature);
  }
  crypto::Mac mac(const Principal& peer, Span message) const override { return keys_->mac(peer, message); }
  bool verify_mac(const Principal& peer, Span message, Span mac) const override {
    return keys_->verify_mac(peer, message, mac);
  }
  Bytes share(Span message) const override {
    set_.on_share(owner_, message);
    return keys_->share(message);
  }
  crypto::ShareWithProof prove(Span message) const override {
    set_.on_share(owner_, message);
    return keys_->prove(message);
  }
  std::optional<Bytes> combine(SiteId site, Span message, std::span<const crypto::ShareOf> shares) const override {
    auto signature = keys_->combine(site, message, shares);
    if (signature) set_.on_site_signed(site, message);
    return signature;
  }
  bool check_share(ServerId owner, Span message, Span share, Span proof) const override {
    return keys_->check_share(owner, message, share, proof);
  }
  void enroll(ClientId client, const crypto::ClientKeys& keys) override { keys_->enroll(client, keys); }
  void dismiss(ClientId client) override { keys_->dismiss(client); }

 private:
  std::unique_ptr<crypto::Keys> keys_;
  ServerId owner_;
  CheckerSet& set_;
};
}  // namespace

std::unique_ptr<crypto::Keys> witness(std::unique_ptr<crypto::Keys> keys, ServerId owner, CheckerSet& set) {
  return std::make_unique<WitnessKeys>(std::move(keys), owner, set);
}

CheckerSet::CheckerSet(Facts facts) : facts_(std::move(facts)) {
  checkers_.push_back(std::make_unique<Agreement>(facts_, verdict_));
  checkers_.push_back(std::make_unique<Prefix>(facts_, verdict_));
  checkers_.push_back(std::make_unique<EqualStates>(facts_, verdict_));
  checkers_.push_back(std::make_unique<Validity>(facts_, verdict_));
  checkers_.push_back(std::make_unique<ExactlyOnce>(facts_, verdict_));
  checkers_.push_back(std::make_unique<ClientResults>(facts_, verdict_));
  auto members = std::make_unique<Members>(facts_, verdict_);
  const Members& known_members = *members;
  checkers_.push_back(std::move(members));
  checkers_.push_back(std::make_unique<OwnTimestamps>(facts_, verdict_));
  if (!facts_.application.empty()) checkers_.push_back(std::make_unique<Queries>(facts_, verdict_));
  if (facts_.served_within.count() != 0) checkers_.push_back(std::make_unique<Served>(facts_, verdict_));
  if (facts_.office_within.count() != 0) checkers_.push_back(std::make_unique<Office>(facts_, verdict_));
  auto graph = std::make_unique<GraphChecker>(facts_, verdict_);
  graph_ = graph.get();
  checkers_.push_back(std::move(graph));
  checkers_.push_back(std::make_unique<KeptWord>(facts_, verdict_));
  if (facts_.protocol == Protocol::Steward) {
    checkers_.push_back(std::make_unique<SiteSignatures>(facts_, verdict_));
    checkers_.push_back(std::make_unique<Settled>(facts_, verdict_));
    checkers_.push_back(std::make_unique<Recoverable>(facts_, verdict_));
    checkers_.push_back(std::make_unique<Bound>(facts_, verdict_));
    checkers_.push_back(std::make_unique<Remembers>(facts_, verdict_));
    checkers_.push_back(std::make_unique<ViewSteps>(facts_, verdict_));
    checkers_.push_back(std::make_unique<Unions>(facts_, verdict_));
    if (facts_.window != 0) checkers_.push_back(std::make_unique<Ballots>(facts_, verdict_, known_members));
  } else {
    checkers_.push_back(std::make_unique<CommitQuorums>(facts_, verdict_));
  }
}

std::shared_ptr<replication::ExecutionObserver> CheckerSet::graph_observer(ServerId server) {
  if (!facts_.correct(server)) return nullptr;
  return graph_->observer(server, [this] { return now(); });
}

void CheckerSet::on_event(Instant at, const Principal& self, const Event& event) {
  if (self.is_server() && !facts_.correct(self.server())) return;
  if (self.is_client() && facts_.two_faced.contains(self.client())) return;
  for (auto& checker : checkers_) checker->on_event(at, self, event);
}

void CheckerSet::on_accused(Instant at, const Principal& self, const Effects::Accuse& accusation) {
  if (self.is_server() && !facts_.correct(self.server())) return;
  ++accusations_;
  if (accusation.who.is_server() && facts_.correct(accusation.who.server()))
    fail("no-false-blame", at,
         to_string(self) + " accuses the correct " + to_string(accusation.who) + ": " + accusation.reason);
}

void CheckerSet::on_sent(Instant at, const Principal& self, std::span<const Destination> to, Span sealed) {
  const auto parts = parse_sealed(sealed);
  if (!parts) return;
  for (auto& checker : checkers_) checker->on_sent(at, self, *parts);
  if (to.size() != 1 || to[0].kind != Destination::Kind::Client || !self.is_server()) return;
  for (auto& checker : checkers_) checker->on_told(at, self.server(), to[0].client, *parts);
}

void CheckerSet::on_applied(ServerId server, ClientId client, Span operation, Span result) {
  if (!facts_.correct(server)) return;
  for (auto& checker : checkers_) checker->on_applied(now(), server, client, operation, result);
}

void CheckerSet::on_thawed(ServerId server, std::uint64_t applied) {
  if (!facts_.correct(server)) return;
  for (auto& checker : checkers_) checker->on_thawed(now(), server, applied);
}

void CheckerSet::on_durable(Instant at, const Principal& self, Span record) {
  if (!self.is_server()) return;
  for (auto& checker : checkers_) checker->on_durable(at, self.server(), record);
}

void CheckerSet::on_forgotten(Instant at, const Principal& self, std::size_t records) {
  if (!self.is_server()) return;
  for (auto& checker : checkers_) checker->on_forgotten(at, self.server(), records);
}

void CheckerSet::on_restarted(ServerId server, bool lost) {
  for (auto& checker : checkers_) checker->on_restarted(server, lost);
}

void CheckerSet::on_client_restarted(ClientId client) {
  for (auto& checker : checkers_) checker->on_client_restarted(client);
}

void CheckerSet::on_share(ServerId server, Span message) {
  for (auto& checker : checkers_) checker->on_share(now(), server, message);
}

void CheckerSet::on_site_signed(SiteId site, Span message) {
  for (auto& checker : checkers_) checker->on_site_signed(now(), site, message);
}

}  // namespace seneschal::lab::sim
