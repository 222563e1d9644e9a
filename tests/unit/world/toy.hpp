// A protocol small enough to see through: every server tells all others its rounds, one after the other, and goes on
// when all have answered. It needs timers, signatures and retransmission, so it exercises the world.
#pragma once
#include "runtime/core.hpp"
#include "runtime/timers.hpp"

#include <set>

namespace seneschal::toy {

struct Tell {
  static constexpr ProtocolId kProtocol = ProtocolId::Test;
  static constexpr std::uint8_t kType = 1;
  static constexpr const char* kName = "Tell";
  static constexpr std::size_t kMaxSize = 2048;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Signature);
  static constexpr Prefix kPrefix = Prefix::None;
  std::uint32_t round = 0;
  auto fields() { return std::tie(round); }
};

struct Heard {
  static constexpr ProtocolId kProtocol = ProtocolId::Test;
  static constexpr std::uint8_t kType = 2;
  static constexpr const char* kName = "Heard";
  static constexpr std::size_t kMaxSize = 2048;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac);
  static constexpr Prefix kPrefix = Prefix::None;
  std::uint32_t round = 0;
  auto fields() { return std::tie(round); }
};

class ToyCore final : public Core {
 public:
  ToyCore(ServerId self, const Membership& membership, std::uint32_t rounds)
      : self_(self), servers_(membership.site(self.site).servers), rounds_(rounds) {}

  void start(Instant now, std::span<const Record>, Effects& fx) override { tell(now, fx); }
  void on_message(Instant now, const Inbound& message, Effects& fx) override {
    if (auto told = message.as<Tell>()) {
      fx.send(Destination::to(told->signer().server()), Heard{told->body().round}, {AuthKind::Mac, {}, false});
    } else if (auto heard = message.as<Heard>()) {
      if (heard->body().round != round_) return fx.reject(Reject::Duplicate);
      heard_.insert(heard->signer());
      if (heard_.size() + 1 < servers_) return;
      heard_.clear();
      ++round_;
      fx.event({EventKind::Executed, Seq(round_), 0, 0, {}, {}, {}, {}});
      if (round_ == rounds_)
        timers_.cancel(0);
      else
        tell(now, fx);
    }
  }
  void on_done(Instant, Ticket, const JobResult&, Effects&) override {}
  void on_time(Instant now, Effects& fx) override {
    while (timers_.pop(now)) tell(now, fx);
  }
  std::optional<Instant> deadline() const override { return timers_.next(); }
  Admission admission() const override { return {}; }
  void status(StatusList& out) const override { out.emplace_back("round", std::to_string(round_)); }
  std::uint32_t round() const { return round_; }

  static MessageTable table() { return MessageTable::of<Tell, Heard>(); }

 private:
  void tell(Instant now, Effects& fx) {
    fx.send(Destination::to(self_.site), Tell{round_});
    timers_.set(0, now + 20ms);
  }

  ServerId self_;
  std::size_t servers_;
  std::uint32_t rounds_;
  std::uint32_t round_ = 0;
  std::set<Principal> heard_;
  TimerSet<int> timers_;
};

}  // namespace seneschal::toy
