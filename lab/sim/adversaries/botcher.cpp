// A representative that keeps the form and breaks the rules for what a batch may hold. [Steward 3.4] [Membership 4]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "replication/administration.hpp"
#include "steward/messages.hpp"

#include <deque>
#include <map>

namespace seneschal::lab::sim {

namespace {

using replication::Update;
using steward::PrePrepare;

/// One rule is its own; it breaks it now and then, so that it stays in office until then.
class Botcher final : public Adversary {
 public:
  Botcher(std::unique_ptr<Core> core, Prng random)
      : Adversary(std::move(core)), random_(random), kind_(static_cast<Kind>(random_.below(kKinds))) {}

 private:
  enum Kind : std::uint8_t {
    Exhume,    // an update of a client that left
    Exhume2,   // the same: it takes a revocation to get there
    Empty,     // nothing at all
    Twice,     // one update two times
    Again,     // one that an earlier batch holds
    Question,  // what a restarted client asks with: timestamp 0
    TooMany,   // all that anybody wants
    Ahead,     // beyond the window
    kKinds,
  };
  static constexpr std::size_t kMostKept = 64;  // updates of one client
  static constexpr std::size_t kMostClients = 64;
  static constexpr std::uint64_t kUnderWay = 5;  // entries behind the order that revokes a client
  static constexpr std::uint64_t kAhead = 3;

  void overhear(const Inbound& message) override {
    if (auto m = message.as<Update>()) hear(m->embed());
    if (auto m = message.as<steward::ForwardedUpdate>()) hear(m->body().update);
  }
  void hear(const Signed<Update>& update) {
    if (update.header.auth != AuthKind::Signature) return;
    if (update.body.timestamp.value == 0)
      question_ = update;
    else if (wanted_.contains(update.signer().client()) || wanted_.size() < kMostClients)
      wanted_.insert_or_assign(update.signer().client(), update);
  }

  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      rewrite<PrePrepare>(*send, [&](PrePrepare& m) { botch(m); });
    }
  }

  void botch(PrePrepare& m) {
    auto& updates = m.batch.updates.items;
    note(m);
    if (kind_ == Exhume || kind_ == Exhume2) return exhume(m);
    if (updates.empty() || !random_.chance(1, 8)) return;
    switch (kind_) {
      case Empty: return updates.clear();
      case Twice: return updates.push_back(Signed<Update>(updates.back()));
      case Again:
        if (earlier_) updates.push_back(*earlier_);
        return;
      case Question:
        if (question_) updates.push_back(*question_);
        return;
      case TooMany:
        for (const auto& [client, update] : wanted_)
          if (update.body.timestamp > ordered_[client] && updates.size() < replication::kMaxBatchUpdates)
            updates.push_back(update);
        return;
      case Ahead: m.seq = m.seq + kAhead; return;
      default: return;
    }
  }

  // What is proposed, and who leaves by it.
  void note(const PrePrepare& m) {
    for (const Signed<Update>& update : m.batch.updates) {
      const ClientId client = update.signer().client();
      ordered_[client] = std::max(ordered_[client], update.body.timestamp);
      if (kept_.contains(client) || kept_.size() < kMostClients) {
        auto& kept = kept_[client];
        kept.push_back(update);
        if (kept.size() > kMostKept) kept.pop_front();
      }
      const auto order = decode<replication::Administration>(update.body.operation.value);
      const auto* revoked = order ? std::get_if<replication::Revoke>(&order->what) : nullptr;
      if (revoked != nullptr) left_.try_emplace(revoked->id, m.seq);
    }
    if (random_.chance(1, 4) && !m.batch.updates.empty()) earlier_ = m.batch.updates.items.front();
  }

  void exhume(PrePrepare& m) {
    for (const auto& [client, since] : left_) {
      const auto kept = kept_.find(client);
      if (kept == kept_.end() || kept->second.empty() || m.seq.value <= since.value + kUnderWay) continue;
      // Oldest first: what has just been ordered is refused for that.
      auto& updates = m.batch.updates.items;
      if (!updates.empty()) updates.pop_back();
      updates.push_back(kept->second.front());
      kept->second.pop_front();
      return;
    }
  }

  Prng random_;
  Kind kind_;
  std::map<ClientId, std::deque<Signed<Update>>> kept_;  // as they were proposed
  std::map<ClientId, Signed<Update>> wanted_;            // the newest that was heard
  std::map<ClientId, Timestamp> ordered_;
  std::map<ClientId, Seq> left_;
  std::optional<Signed<Update>> earlier_;
  std::optional<Signed<Update>> question_;
};

}  // namespace

std::unique_ptr<Core> botcher(std::unique_ptr<Core> core, Prng random) {
  return std::make_unique<Botcher>(std::move(core), random);
}

}  // namespace seneschal::lab::sim
