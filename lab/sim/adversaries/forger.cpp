// Certificates that are none: one word counted several times, words about something else. [Steward 2] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/view_messages.hpp"

#include <deque>

namespace seneschal::lab::sim {

namespace {

using steward::Accept;
using steward::OrderedEntry;

/// Every part of what it makes is genuine. It tells others that entries are ordered which are not, that views have
/// begun which have not, and proves both with too few words, repeated.
class Forger final : public Adversary {
 public:
  Forger(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)), self_(self), membership_(membership), random_(random) {}

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(40);
  static constexpr std::size_t kRemembered = 8;

  template <class T>
  static void keep(std::deque<T>& list, T item) {
    if (list.size() >= kRemembered) list.pop_front();
    list.push_back(std::move(item));
  }

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::ProposalCarrier>())
      keep(proposals_, OrderedEntry{m->body().proposal, {}, {m->body().batch.value}});
    if (auto m = message.as<Accept>()) keep(accepts_, m->embed());
    if (auto m = message.as<steward::RelayedAccept>()) keep(accepts_, m->body().accept);
    if (auto m = message.as<steward::NewRep>()) keep(votes_, m->embed());
    if (auto m = message.as<steward::AruClaim>()) keep(claims_, m->embed());
    if (auto m = message.as<steward::Prepare>()) keep(prepares_, m->embed());
    if (auto m = message.as<steward::GlobalViewNews>())
      for (const auto& change : m->body().changes) keep(changes_, change);
  }

  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list())
      if (auto* send = std::get_if<Effects::Send>(&effect); send != nullptr && random_.chance(1, 2)) spoil(*send);
    if (now < next_) return;
    next_ = now + kEvery;
    forge(fx);
  }

  // What it would say truly, with the first word in the place of all others.
  void spoil(Effects::Send& send) {
    const auto repeat = [](auto& list) {
      if (!list.empty()) std::ranges::fill(list.items, list.items.front());
    };
    rewrite<OrderedEntry>(send, [&](OrderedEntry& m) { repeat(m.accepts); });
    rewrite<steward::EntryEvidence>(send, [&](steward::EntryEvidence& m) { repeat(m.prepares); });
    rewrite<steward::PreinstallProof>(send, [&](steward::PreinstallProof& m) { repeat(m.votes); });
    rewrite<steward::AruClaims>(send, [&](steward::AruClaims& m) { repeat(m.claims); });
    rewrite<steward::GlobalViewNews>(send, [&](steward::GlobalViewNews& m) { repeat(m.changes); });
  }

  template <class T>
  const T& any(const std::deque<T>& list) {
    return list[random_.below(list.size())];
  }

  void forge(Effects& fx) {
    const std::size_t majority = membership_.site_majority();
    const std::uint32_t quorum = membership_.site(self_.site).quorum();
    if (!proposals_.empty() && !accepts_.empty()) {
      OrderedEntry entry = any(proposals_);  // with Accepts of another entry, or one of its own M-1 times
      entry.accepts.items.assign(majority - 1, any(accepts_));
      fx.send(Destination::all(), entry, {.auth = AuthKind::Bare});
    }
    if (!changes_.empty()) {
      steward::GlobalViewNews news;
      news.relay = random_.chance(1, 2);
      news.changes.items.assign(majority, any(changes_));
      fx.send(Destination::all(), news, {.auth = AuthKind::Bare});
    }
    if (!votes_.empty()) {
      steward::PreinstallProof proof;
      proof.votes.items.assign(quorum, any(votes_));
      fx.send(Destination::to(self_.site), proof, {.auth = AuthKind::Bare});
    }
    if (!claims_.empty()) {
      steward::AruClaims claims;
      claims.claims.items.assign(quorum, any(claims_));
      fx.send(Destination::to(self_.site), claims, {.auth = AuthKind::Bare});
    }
    if (!prepares_.empty() && !proposals_.empty()) {
      const auto& prepare = any(prepares_);
      steward::EntryEvidence evidence;
      evidence.item = {prepare.body.seq, steward::EntryKind::Certificate, prepare.body.gv, prepare.body.lv,
                       prepare.body.digest};
      evidence.prepares.items.assign(quorum - 1, prepare);
      evidence.batch = any(proposals_).batch;
      fx.send(Destination::to(self_.site), evidence, {.auth = AuthKind::Bare});
    }
  }

  ServerId self_;
  Membership membership_;
  Prng random_;
  Instant next_{};
  std::deque<OrderedEntry> proposals_;
  std::deque<Signed<Accept>> accepts_;
  std::deque<Signed<steward::NewRep>> votes_;
  std::deque<Signed<steward::AruClaim>> claims_;
  std::deque<Signed<steward::Prepare>> prepares_;
  std::deque<Signed<steward::GlobalViewChange>> changes_;
};

}  // namespace

std::unique_ptr<Core> forger(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random) {
  return std::make_unique<Forger>(std::move(core), self, membership, random);
}

}  // namespace seneschal::lab::sim
