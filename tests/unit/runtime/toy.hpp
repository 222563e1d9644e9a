// A toy message, toy keys and a recording environment for tests of the runtime.
#pragma once
#include "crypto/digest.hpp"
#include "runtime/replica.hpp"

#include <functional>

namespace seneschal::toy {

struct Ping {
  static constexpr ProtocolId kProtocol = ProtocolId::Test;
  static constexpr std::uint8_t kType = 1;
  static constexpr const char* kName = "Ping";
  static constexpr std::size_t kMaxSize = 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server) | bit(PrincipalKind::Client);
  static constexpr std::uint8_t kAuth =
      bit(AuthKind::Signature) | bit(AuthKind::Mac) | bit(AuthKind::Authenticator) | bit(AuthKind::Bare);
  static constexpr Prefix kPrefix = Prefix::ViewSeq;
  std::uint64_t view = 0;
  Seq seq;
  BoundedBytes<64> text;
  auto fields() { return std::tie(view, seq, text); }
  bool operator==(const Ping&) const = default;
};

struct Bundle {
  static constexpr ProtocolId kProtocol = ProtocolId::Test;
  static constexpr std::uint8_t kType = 2;
  static constexpr const char* kName = "Bundle";
  static constexpr std::size_t kMaxSize = 8192;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Signature);
  static constexpr Prefix kPrefix = Prefix::None;
  List<Signed<Ping>, 4> proven;
  Vouched<List<Signed<Ping>, 4>> vouched;
  auto fields() { return std::tie(proven, vouched); }
};

/// Signature = digest of (owner, message). Good enough to tell right from wrong in a test.
class ToyKeys : public crypto::Keys {
 public:
  explicit ToyKeys(Principal self) : self_(self) {}
  static Bytes tag(std::string_view kind, const Principal& a, const Principal& b, Span message) {
    Bytes names = encode(a);
    append(names, encode(b));
    auto digest = crypto::sha256({as_span(kind), names, message});
    return {digest.bytes.begin(), digest.bytes.end()};
  }
  Bytes sign(Span m) const override { return tag("sig", self_, self_, m); }
  bool verify(const Principal& who, Span m, Span s) const override {
    ++verified;
    return equal(s, tag("sig", who, who, m));
  }
  crypto::Mac mac(const Principal& peer, Span m) const override { return cut(tag("mac", self_, peer, m)); }
  bool verify_mac(const Principal& peer, Span m, Span s) const override {
    return equal(s, cut(tag("mac", peer, self_, m)));
  }
  Bytes share(Span m) const override { return tag("share", self_, self_, m); }
  crypto::ShareWithProof prove(Span m) const override { return {share(m), {1}}; }
  std::optional<Bytes> combine(SiteId, Span, std::span<const crypto::ShareOf>) const override { return std::nullopt; }
  bool check_share(ServerId, Span, Span, Span) const override { return false; }
  mutable int verified = 0;

 private:
  static crypto::Mac cut(const Bytes& b) {
    crypto::Mac mac;
    std::copy_n(b.begin(), mac.size(), mac.begin());
    return mac;
  }
  Principal self_;
};

class ToyEnv : public Env {
 public:
  void send(std::span<const Destination> to, const SharedBytes& sealed) override {
    sent.push_back({{to.begin(), to.end()}, sealed});
  }
  void append(Bytes record, Ticket ticket) override { records.emplace_back(std::move(record), ticket); }
  void run(Job job, Ticket ticket) override { jobs.emplace_back(std::move(job), ticket); }
  void charge(Op op, std::uint64_t count) override { charged[static_cast<std::size_t>(op)] += count; }
  void wake_at(Instant at) override { wake = at; }
  void event(const Event& e) override { events.push_back(e); }
  void accused(const Effects::Accuse& a) override { accusations.push_back(a); }

  std::vector<std::pair<std::vector<Destination>, SharedBytes>> sent;
  std::vector<std::pair<Bytes, Ticket>> records;
  std::vector<std::pair<Job, Ticket>> jobs;
  std::array<std::uint64_t, static_cast<std::size_t>(Op::kLast) + 1> charged{};
  std::optional<Instant> wake;
  std::vector<Event> events;
  std::vector<Effects::Accuse> accusations;
};

/// Does what the test tells it; remembers what came in.
class ToyCore : public Core {
 public:
  void start(Instant, std::span<const Record> log, Effects&) override { started_with = log.size(); }
  void on_message(Instant, const Inbound& m, Effects& fx) override {
    inbox.push_back(m);
    if (on_input) on_input(m, fx);
  }
  void on_done(Instant, Ticket ticket, const JobResult& r, Effects&) override { done.emplace_back(ticket, r); }
  void on_time(Instant, Effects&) override { ++ticks; }
  std::optional<Instant> deadline() const override { return next; }
  Admission admission() const override { return limits; }
  void status(StatusList& out) const override { out.emplace_back("toy", "yes"); }

  std::function<void(const Inbound&, Effects&)> on_input;
  std::vector<Inbound> inbox;
  std::vector<std::pair<Ticket, JobResult>> done;
  std::size_t started_with = 0;
  int ticks = 0;
  std::optional<Instant> next;
  Admission limits;
};

inline Membership members(std::uint16_t servers = 4, std::uint16_t sites = 2) {
  Membership m;
  m.deployment = DeploymentId(77);
  m.sites.assign(sites, SiteInfo{servers, static_cast<std::uint16_t>((servers - 1) / 3)});
  m.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(1)}};
  return m;
}

inline ServerId server(std::uint16_t site, std::uint16_t index) {
  return {SiteId(site), ServerIndex(index)};
}

template <Message M>
Bytes seal(const M& m, Principal sender, AuthKind auth = AuthKind::Signature,
           DeploymentId deployment = DeploymentId(77)) {
  Header h;
  h.protocol = M::kProtocol;
  h.type = M::kType;
  h.auth = auth;
  h.deployment = deployment;
  h.sender = sender;
  Bytes bytes = unsealed(h, encode(m));
  if (auth == AuthKind::Signature) append(bytes, ToyKeys(sender).sign(Bytes(bytes)));
  return bytes;
}

template <Message M>
Signed<M> embedded(const M& m, Principal sender) {
  Bytes sealed = seal(m, sender);
  Header h = parse_sealed(sealed)->header;
  return {std::move(sealed), h, m};
}

}  // namespace seneschal::toy
