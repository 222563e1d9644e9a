// What a core wants done. A transition appends to an `Effects`; the host carries it out afterwards.
#pragma once
#include "base/time.hpp"
#include "runtime/job.hpp"
#include "runtime/membership.hpp"
#include "runtime/message.hpp"

#include <vector>

namespace seneschal {

/// Where a message goes. Cores know servers, sites and clients; the host knows nodes, ports and groups.
struct Destination {
  enum class Kind : std::uint8_t {
    Server,      // one server
    Site,        // the group of all servers of a site (the sender itself is left out)
    AllServers,  // the group of all servers of the deployment (the sender itself is left out)
    Client,      // one client
  };
  Kind kind = Kind::Server;
  ServerId server;  // Server; Site uses server.site
  ClientId client;

  static Destination to(ServerId id) { return {Kind::Server, id, {}}; }
  static Destination to(SiteId id) { return {Kind::Site, {id, {}}, {}}; }
  static Destination to(ClientId id) { return {Kind::Client, {}, id}; }
  static Destination all() { return {Kind::AllServers, {}, {}}; }
  auto operator<=>(const Destination&) const = default;
};

/// Something that happened, for checkers, metrics and traces. Cores never read events back.
enum class EventKind : std::uint8_t {
  Prepared,      // sent a PrePrepare (view fields, seq, digest) or Prepare
  Shared,        // made a share; digest = content, seq
  SiteSigned,    // holds a combined site signature; site in `who`
  Ordered,       // holds an order (or commit) certificate for seq, digest
  Executed,      // executed seq; digest = batch digest; state = application digest after it
  UpdateDone,    // executed one update: client, timestamp, seq, digest = result digest
  Accepted,      // client side: took a result; client, timestamp, seq, digest = result digest
  ViewEntered,   // view, sub_view
  Suspected,     // a timer ran out on the current representative or primary
  Accused,       // `who` is provably faulty
  Checkpointed,  // seq, digest
  Constrained,   // holds the set of constraints that binds a view (view, sub_view); seq = its base
  kLast = Constrained,
};

struct Event {
  EventKind kind;
  Seq seq;
  std::uint64_t view = 0;
  std::uint64_t sub_view = 0;
  Digest digest;
  Digest state;
  Principal who;
  Timestamp timestamp;
};

struct SendOptions {
  AuthKind auth = AuthKind::Signature;
  Ticket after;           // 0: at once; otherwise when that record is durable, so never if the log is lost
  bool loopback = false;  // the core gets its own message back, sealed, through on_message
};

class Effects {
 public:
  struct Send {
    Header header;  // deployment and sender are filled in by the host
    Bytes body;
    std::vector<Destination> to;
    SendOptions options;
  };
  struct Forward {
    SharedBytes sealed;
    std::vector<Destination> to;
    Ticket after;
    bool loopback;
  };
  struct Persist {
    Bytes record;
    Ticket ticket;
  };
  struct Forget {
    Ticket before;
  };
  struct LoseLog {};
  struct Run {
    Job job;
    Ticket ticket;
  };
  struct Accuse {
    Principal who;
    const char* reason;
    std::vector<SharedBytes> evidence;  // sealed messages that prove it
  };
  /// A client belongs to the deployment from now on: the gate hears it, messages to it arrive.
  struct Enroll {
    EnrolledClient client;
  };
  /// No message of this client will be of use any more.
  struct Dismiss {
    ClientId client;
  };
  using Effect = std::variant<Send, Forward, Persist, Forget, LoseLog, Run, Accuse, Event, Enroll, Dismiss>;

  /// `next_ticket` is the host's counter: tickets are never used twice by one core.
  explicit Effects(std::uint64_t& next_ticket) : next_ticket_(next_ticket) {}

  /// Seals `message` with the core's own key and sends it. With `AuthKind::Mac` there must be exactly one
  /// destination, a server or a client; `Authenticator` covers all servers of the receivers' site.
  template <Message M>
  void send(std::vector<Destination> to, const M& message, SendOptions options = {}) {
    static_assert(M::kType < 0xff);
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.auth = options.auth;
    list_.push_back(Send{header, encode(message), std::move(to), options});
  }
  template <Message M>
  void send(Destination to, const M& message, SendOptions options = {}) {
    send(std::vector<Destination>{to}, message, options);
  }
  /// Passes on bytes that are sealed already (somebody else's message, or one with a combined site signature).
  void forward(std::vector<Destination> to, SharedBytes sealed, Ticket after = {}, bool loopback = false) {
    list_.push_back(Forward{std::move(sealed), std::move(to), after, loopback});
  }
  void forward(Destination to, SharedBytes sealed, Ticket after = {}, bool loopback = false) {
    forward(std::vector<Destination>{to}, std::move(sealed), after, loopback);
  }
  /// Appends to the log; `on_done(ticket, Persisted)` follows when it is durable.
  Ticket persist(Bytes record) {
    Ticket ticket(next_ticket_++);
    list_.push_back(Persist{std::move(record), ticket});
    return ticket;
  }
  /// The records appended before that of `ticket`, which is durable, are not needed any more. Some of them may still
  /// come back at the next start.
  void forget_before(Ticket ticket) { list_.push_back(Forget{ticket}); }
  /// The log that was read makes no sense. From here on it counts as lost: nothing more is appended to it, and what
  /// waits for a record is never sent.
  void lose_log() { list_.push_back(LoseLog{}); }
  /// Starts a job; `on_done(ticket, result)` follows. Jobs finish in any order.
  Ticket run(Job job) {
    Ticket ticket(next_ticket_++);
    list_.push_back(Run{std::move(job), ticket});
    return ticket;
  }
  void accuse(Principal who, const char* reason, std::vector<SharedBytes> evidence) {
    list_.push_back(Accuse{who, reason, std::move(evidence)});
  }
  void event(const Event& event) { list_.push_back(event); }
  void enroll(const EnrolledClient& client) { list_.push_back(Enroll{client}); }
  void dismiss(ClientId client) { list_.push_back(Dismiss{client}); }
  /// A message was proven genuine but is of no use: counted per reason.
  void reject(Reject reason) { rejects_.push_back(reason); }

  std::vector<Effect>& list() { return list_; }
  const std::vector<Reject>& rejects() const { return rejects_; }
  void clear() {
    list_.clear();
    rejects_.clear();
  }

 private:
  std::uint64_t& next_ticket_;
  std::vector<Effect> list_;
  std::vector<Reject> rejects_;
};

}  // namespace seneschal
