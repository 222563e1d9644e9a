// A replica that believes every signature, so that fuzzed bytes reach its core as messages of any peer.
#pragma once
#include "base/check.hpp"
#include "runtime/replica.hpp"

#include <deque>

namespace seneschal::fuzz {

class TrustingKeys final : public crypto::Keys {
 public:
  Bytes sign(Span) const override { return Bytes(64); }
  bool verify(const Principal&, Span, Span) const override { return true; }
  crypto::Mac mac(const Principal&, Span) const override { return {}; }
  bool verify_mac(const Principal&, Span, Span) const override { return true; }
  Bytes share(Span) const override { return Bytes(16); }
  crypto::ShareWithProof prove(Span) const override { return {Bytes(16), Bytes(16)}; }
  std::optional<Bytes> combine(SiteId, Span, std::span<const crypto::ShareOf>) const override { return Bytes(64); }
  bool check_share(ServerId, Span, Span, Span) const override { return true; }
};

/// Input: records of (type, sender, length, body). The sender is a client if its high bit is set, a whole site if the
/// next one is, else a server: the lowest two bits are its index, the next three its site. A length of 0 lets time
/// pass instead.
class TrustingHost final : public Env {
 public:
  TrustingHost(Principal self, const Membership& membership, MessageTable table, Core& core)
      : self_(self),
        sites_(membership.sites.size()),
        table_(table),
        replica_(self, membership, std::move(table), core, keys_, *this) {
    replica_.start(now_, {});
    settle();
  }
  template <class F>
  void drive(F&& input) {
    replica_.drive(now_, [&](Effects& fx) { input(now_, fx); });
    settle();
  }
  void feed(Span input, AuthKind usual) {
    while (input.size() >= 4) {
      const MessageType& type = table_.types()[input[0] % table_.types().size()];
      const Principal from = sender(input[1]);
      std::size_t length = std::min<std::size_t>(input[2] << 8 | input[3], input.size() - 4);
      Span body = input.subspan(4, length);
      input = input.subspan(4 + length);
      if (length == 0) {
        now_ = now_ + std::chrono::milliseconds(300);
        replica_.on_time(now_);
      } else {
        for (AuthKind auth : {usual, AuthKind::Mac, AuthKind::Signature}) {
          Header header;
          header.protocol = type.protocol;
          header.type = type.type;
          header.auth = auth;
          header.sender = from;
          Bytes bytes = unsealed(header, body);
          bytes.resize(bytes.size() + (auth == AuthKind::Mac ? 16 : 64));
          replica_.on_datagram(now_, share_bytes(std::move(bytes)));
        }
      }
      settle();
    }
  }

  void send(std::span<const Destination>, const SharedBytes& sealed) override { CHECK(sealed->size() <= kMaxSealed); }
  void append(Bytes, Ticket ticket) override { done_.emplace_back(ticket, Persisted{}); }
  void run(Job job, Ticket ticket) override { done_.emplace_back(ticket, perform(job, keys_, self_)); }
  void charge(Op, std::uint64_t) override {}
  void wake_at(Instant) override {}
  void event(const Event&) override {}
  void accused(const Effects::Accuse&) override {}

 private:
  Principal sender(Byte picked) const {
    if ((picked & 0x80) != 0) return Principal::of(ClientId(1 + (picked & 1)));
    const SiteId site(static_cast<std::uint16_t>((picked >> 2 & 7) % sites_));
    return (picked & 0x40) != 0 ? Principal::of(site) : Principal::of(ServerId{site, ServerIndex(picked & 3)});
  }
  static SharedBytes share_bytes(Bytes bytes) { return share(std::move(bytes)); }
  void settle() {
    for (int steps = 0; !done_.empty(); ++steps) {
      CHECK(steps < 10'000);
      auto [ticket, result] = std::move(done_.front());
      done_.pop_front();
      replica_.on_done(now_, ticket, std::move(result));
    }
  }

  Principal self_;
  std::size_t sites_;
  MessageTable table_;
  TrustingKeys keys_;
  Instant now_{1'000'000'000};
  std::deque<std::pair<Ticket, JobResult>> done_;
  Replica replica_;
};

}  // namespace seneschal::fuzz
