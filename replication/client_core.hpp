// One client of a replicated service: sends operations, collects equal answers, tries again.
#pragma once
#include "replication/contact_choice.hpp"
#include "replication/messages.hpp"
#include "runtime/core.hpp"

#include <algorithm>

namespace seneschal::replication {

struct ClientSettings {
  ClientId self;
  /// The servers it talks to: its home site, or site 0 in the flat baseline.
  SiteId home;
  /// The server that gets an operation first: any one of the home site [Steward 3.1], or the primary [PBFT 4.1].
  ServerIndex contact;
  /// After this many operations in a row that needed a retry, the contact becomes a server that answered.
  std::uint32_t rotate_after = 1;
  /// Other servers are tried as the contact, too: for where any of them is as good. [Steward 3.2]
  bool try_contacts = false;
  /// How its messages are authenticated: Signature or Authenticator.
  AuthKind auth = AuthKind::Signature;
  /// T0: without a result after this long, or twice the usual time of its operations, it sends to all servers of
  /// `home`; the wait doubles up to `retry_max`. Under overload everybody waits longer than `retry`: clients that all
  /// repeated themselves then would add to what makes them wait.
  Duration retry = std::chrono::seconds(1);
  Duration retry_max = std::chrono::seconds(8);
  /// Equal replies that make a result; 0 means f+1.
  std::uint16_t reply_quorum = 0;
  /// Equal answers that make the result of a query; 0 means f+1.
  std::uint16_t query_quorum = 0;
  /// Equal answers must also name the same executed seq. [Steward 3]
  bool match_seq = true;
  /// A query is sent this often before it becomes an ordered operation.
  std::uint32_t query_attempts = 2;
  /// Ask the servers for the last executed timestamp before the first operation. Without it `first_timestamp` must be
  /// above all timestamps of earlier lives.
  bool probe = true;
  Timestamp first_timestamp{1};

  /// What the hierarchical protocol wants.
  static ClientSettings steward(const ClientInfo& client);
  /// What the flat baseline wants: the primary of view 0 first, 2f+1 equal answers to queries.
  static ClientSettings bft(ClientId client, const Membership& membership, AuthKind auth = AuthKind::Authenticator);
};

/// An operation that was answered.
struct Completion {
  std::uint64_t number = 0;  // as `submit` returned it
  Timestamp timestamp;
  Seq seq;  // the position of an ordered operation; for a query what its servers had executed
  Bytes result;
  Instant started;
  Instant finished;
  std::uint32_t retries = 0;
  bool query = false;      // was submitted as a query
  bool fell_back = false;  // a query that had to be ordered
};

/// At most one operation is outstanding. [Steward 3.1] Bounded: one vote per server, one operation, and the
/// completions that nobody took yet (one per `submit`).
class ClientCore : public Core {
 public:
  ClientCore(const Membership& membership, ClientSettings settings);

  static MessageTable message_table();

  /// Starts an operation; `query` only for operations that do not write. Returns its number, counted from 1; fails if
  /// one is outstanding, or if it is too long.
  Result<std::uint64_t> submit(Instant now, Bytes operation, bool query, Effects& fx);
  bool idle() const { return phase_ == Phase::Idle; }
  /// The operations that finished since the last call, oldest first.
  std::vector<Completion> take_completions() { return std::exchange(completions_, {}); }
  /// The highest seq seen in a result: what the next query waits for. (Reads one's own writes; monotonic reads.)
  Seq last_seq() const { return last_seq_; }
  ServerIndex contact() const { return contact_.contact(); }
  /// f+1 servers say that the outstanding update waits for want of sites: the fewest sites that a correct one of them
  /// may mean. Nothing while there is no such word, or no update.
  std::optional<NoMajority> no_majority() const;

  void start(Instant now, std::span<const Record> log, Effects& fx) override;
  void on_message(Instant now, const Inbound& message, Effects& fx) override;
  void on_done(Instant, Ticket, const JobResult&, Effects&) override {}
  void on_time(Instant now, Effects& fx) override;
  std::optional<Instant> deadline() const override { return retry_at_; }
  Admission admission() const override { return {}; }
  void status(StatusList& out) const override;

 private:
  enum class Phase : std::uint8_t { Idle, Waiting, Ordering, Asking };  // Waiting: for the probe

  std::optional<Reject> on_reply(Instant now, const Verified<Reply>& reply, Effects& fx);
  std::optional<Reject> on_answer(Instant now, const Verified<Answer>& answer, Effects& fx);
  std::optional<Reject> on_no_majority(const Verified<NoMajority>& notice);
  std::optional<Reject> on_stale(Instant now, const Verified<Reply>& reply, Effects& fx);
  void begin(Instant now, Effects& fx);
  void order(Instant now, bool to_all, Effects& fx);
  void ask(Instant now, Effects& fx);
  void finish(Instant now, Seq seq, const Bytes& result, Effects& fx);
  void send_probe(Instant now, Effects& fx);
  void clear_votes();
  void arm(Instant now);
  /// At most four times `retry`: what made earlier operations slow may have been a server that is replaced by now.
  Duration first_wait() const { return std::clamp(2 * usual_, settings_.retry, 4 * settings_.retry); }
  bool is_ours(const Principal& sender) const;
  /// The timestamp that `quorum` stale replies support: at least one correct server reported one as high.
  std::optional<Timestamp> supported_stale(std::size_t quorum) const;
  void move_contact();

  ClientSettings settings_;
  std::uint16_t servers_;
  std::uint16_t faults_;
  std::uint16_t reply_quorum_;
  std::uint16_t query_quorum_;

  Phase phase_ = Phase::Idle;
  bool probing_ = false;
  ContactChoice contact_;
  Timestamp timestamp_;  // of the outstanding or latest operation
  Seq last_seq_;
  std::uint64_t submitted_ = 0;
  Bytes operation_;
  Completion current_;
  Duration wait_{};
  Duration usual_{};  // moving average of the time from submitting an operation to its result
  std::uint32_t attempts_ = 0;
  std::uint32_t rough_in_a_row_ = 0;  // operations that needed a retry
  std::optional<Instant> retry_at_;

  std::vector<std::optional<Verified<Reply>>> replies_;  // by server index
  std::vector<std::optional<Verified<Answer>>> answers_;
  std::vector<std::optional<Timestamp>> stale_;
  std::vector<std::optional<NoMajority>> without_majority_;
  std::vector<Completion> completions_;
};

}  // namespace seneschal::replication
