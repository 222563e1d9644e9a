// Byzantine servers: decorators around a correct core that change what it says. They hold the server's own keys like
// any host does, and nobody else's.
#pragma once
#include "base/prng.hpp"
#include "lab/sim/plan.hpp"
#include "runtime/core.hpp"

#include <functional>
#include <map>
#include <memory>

namespace seneschal::lab::sim {

/// Passes all inputs to the correct core and then lets `twist` change the effects of that transition.
class Adversary : public Core {
 public:
  explicit Adversary(std::unique_ptr<Core> core) : core_(std::move(core)) {}

  void start(Instant now, std::span<const Record> log, Effects& fx) override {
    core_->start(now, log, fx);
    act(now, fx);
  }
  void on_message(Instant now, const Inbound& message, Effects& fx) override {
    if (begun()) overhear(message);
    if (!begun() || !deaf(message)) core_->on_message(now, message, fx);
    act(now, fx);
  }
  void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) override {
    core_->on_done(now, ticket, result, fx);
    act(now, fx);
  }
  void on_time(Instant now, Effects& fx) override {
    core_->on_time(now, fx);
    act(now, fx);
  }
  void on_log_lost(Instant now, Effects& fx) override {
    core_->on_log_lost(now, fx);
    act(now, fx);
  }
  std::optional<Instant> deadline() const override { return core_->deadline(); }
  Admission admission() const override { return core_->admission(); }
  void status(StatusList& out) const override { core_->status(out); }

  /// Until this is true it is correct, and remembers nothing. By default it always is.
  using Begun = std::function<bool()>;
  void wait_for(Begun begun) {
    if (auto* inner = dynamic_cast<Adversary*>(core_.get())) inner->wait_for(begun);
    begun_ = std::move(begun);
  }

 protected:
  bool begun() const { return !begun_ || begun_(); }
  virtual void twist(Instant now, Effects& fx) = 0;
  virtual void overhear(const Inbound&) {}
  /// True if the core must not see this message.
  virtual bool deaf(const Inbound&) { return false; }

 private:
  void act(Instant now, Effects& fx) {
    if (begun()) twist(now, fx);
  }
  std::unique_ptr<Core> core_;
  Begun begun_;
};

/// An adversary that sends some of its messages later. Each subclass limits how many it keeps.
class Delaying : public Adversary {
 public:
  using Adversary::Adversary;
  void on_time(Instant now, Effects& fx) override {
    if (const auto due = Adversary::deadline(); due && *due <= now)
      Adversary::on_time(now, fx);
    else
      twist(now, fx);
  }
  std::optional<Instant> deadline() const override {
    const auto core = Adversary::deadline();
    if (held_.empty()) return core;
    return core ? std::min(*core, held_.begin()->first) : held_.begin()->first;
  }

 protected:
  void hold(Instant until, Effects::Effect effect) { held_.emplace(until, std::move(effect)); }
  std::size_t held() const { return held_.size(); }
  /// Lets out what is due.
  void release(Instant now, Effects& fx) {
    for (; !held_.empty() && held_.begin()->first <= now; held_.erase(held_.begin()))
      fx.list().push_back(std::move(held_.begin()->second));
  }

 private:
  std::multimap<Instant, Effects::Effect> held_;
};

/// `core` behaving like that; once more around the result, and it does both. `seed` names its random choices.
/// Null `begun`: from the start.
std::unique_ptr<Core> corrupt(std::unique_ptr<Core> core, Behaviour behaviour, ServerId self,
                              const Membership& membership, std::uint64_t seed, Adversary::Begun begun = {});

/// A representative or primary that proposes different batches to different servers.
std::unique_ptr<Core> equivocator(std::unique_ptr<Core> core, ServerId self, const Membership& membership);
/// One that proposes old updates once more.
std::unique_ptr<Core> repeater(std::unique_ptr<Core> core);
/// One that works against view changes: votes twice, forgets, exaggerates, and lets old messages out late.
std::unique_ptr<Core> colluder(std::unique_ptr<Core> core, ServerId self, Prng random);
/// One that colludes and works on the seam between two views: hoards what its site signed, proposes at the last
/// moment.
std::unique_ptr<Core> hoarder(std::unique_ptr<Core> core, ServerId self, Prng random);
/// One that lends forged pieces of states and claims Checkpoints that no site signed.
std::unique_ptr<Core> poisoner(std::unique_ptr<Core> core, ServerId self, Prng random);

/// One that leaves what is ordered to one site alone.
std::unique_ptr<Core> betrayer(std::unique_ptr<Core> core, const Membership& membership);

std::unique_ptr<Core> stray(std::unique_ptr<Core> core, ServerId self, Prng random);
std::unique_ptr<Core> forger(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
std::unique_ptr<Core> foreigner(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
std::unique_ptr<Core> slanderer(std::unique_ptr<Core> core, ServerId self, Prng random);
std::unique_ptr<Core> agitator(std::unique_ptr<Core> core, ServerId self, Prng random);
std::unique_ptr<Core> botcher(std::unique_ptr<Core> core, Prng random);
std::unique_ptr<Core> phantom(std::unique_ptr<Core> core, Prng random);
std::unique_ptr<Core> teaser(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
std::unique_ptr<Core> shower(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
std::unique_ptr<Core> flooder(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
std::unique_ptr<Core> spoiler(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random);
/// One that shows `Proposal`s, or else `Accept`s, to one other site at once and to the rest late.
std::unique_ptr<Core> partial(std::unique_ptr<Core> core, ServerId self, const Membership& membership,
                              bool proposals);

/// Those that are slow in ways that others could be blamed for.
std::unique_ptr<Core> dawdler(std::unique_ptr<Core> core, ServerId self);
std::unique_ptr<Core> deaf(std::unique_ptr<Core> core, ServerId self, const Membership& membership);
std::unique_ptr<Core> framer(std::unique_ptr<Core> core, ServerId self, const Membership& membership);
std::unique_ptr<Core> skipper(std::unique_ptr<Core> core, ServerId self);

/// `client` with a second face: other operations under the same timestamps and out of order.
std::unique_ptr<Core> two_faced(std::unique_ptr<Core> client, const ClientInfo& self, const Membership& membership,
                                std::uint64_t seed);

}  // namespace seneschal::lab::sim
