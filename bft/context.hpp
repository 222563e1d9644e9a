// What every room of the flat baseline knows: who we are, the view, and how to speak to the others.
#pragma once
#include "bft/config.hpp"
#include "bft/records.hpp"
#include "runtime/effects.hpp"

#include <bit>

namespace seneschal::bft {

constexpr std::uint64_t bit_of(ServerIndex index) {
  return std::uint64_t{1} << index.value;
}

struct Context {
  ServerIndex self;
  Membership membership;
  Settings settings;
  std::uint16_t n = 4;
  std::uint16_t f = 1;
  View view;                  // 0 until there is a view change
  bool participating = true;  // false for ever once the log is lost: such a server only learns and executes [BFT 10]

  mutable std::uint64_t logged = 0;  // bytes, the forgotten ones too; rooms that may change nothing else count here

  ServerIndex primary() const { return ServerIndex(static_cast<std::uint16_t>(view.value % n)); }
  bool is_primary() const { return primary() == self; }
  std::uint16_t quorum() const { return static_cast<std::uint16_t>(2 * f + 1); }
  bool signatures() const { return settings.auth == Auth::Signatures; }
  AuthKind auth() const { return signatures() ? AuthKind::Signature : AuthKind::Authenticator; }
  static ServerId server(ServerIndex index) { return {SiteId(0), index}; }

  /// To all other servers. With signatures the message comes back and counts then, because certificates need its
  /// bytes; authenticators convince nobody else.
  template <class M>
  void broadcast(const M& message, Effects& fx, AuthKind auth, Ticket after = {}) const {
    fx.send(everybody(), message, {.auth = auth, .after = after, .loopback = auth == AuthKind::Signature});
  }
  /// A vote comes back to us in either mode and counts then: a vote of ours that a crash can take back must not be
  /// part of a certificate.
  template <class M>
  void vote(const M& message, Ticket after, Effects& fx) const {
    fx.send(everybody(), message, {.auth = auth(), .after = after, .loopback = true});
  }
  /// Appends to the log; what waits for the ticket leaves when it is durable. Ticket 0, so at once, without a log.
  Ticket save(decltype(LogRecord::what) what, Effects& fx) const {
    if (settings.durability == Durability::None || !participating) return {};
    Bytes record = encode(LogRecord{LogRecord::kVersion, std::move(what)});
    logged += record.size();
    return fx.persist(std::move(record));
  }
  /// Ordering messages again, to one server.
  template <class M>
  void send(ServerIndex to, const M& message, Ticket after, Effects& fx) const {
    fx.send(Destination::to(server(to)), message, {.auth = auth(), .after = after});
  }
  std::vector<Destination> everybody() const {
    if (settings.delivery == Delivery::Multicast) return {Destination::all()};
    std::vector<Destination> others;
    others.reserve(n);
    for (std::uint16_t i = 0; i < n; ++i)
      if (i != self.value) others.push_back(Destination::to(server(ServerIndex(i))));
    return others;
  }
  Event event(EventKind kind, Seq seq, const Digest& digest) const {
    Event event{};
    event.kind = kind;
    event.seq = seq;
    event.view = view.value;
    event.digest = digest;
    return event;
  }
};

}  // namespace seneschal::bft
