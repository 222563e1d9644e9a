// A client that makes its own work: closed loop or open loop, deterministic.
#pragma once
#include "base/prng.hpp"
#include "replication/client_core.hpp"

#include <deque>

namespace seneschal::replication {

/// Which application the operations are for.
enum class Dialect : std::uint8_t { Kv, Sql };
Dialect dialect_of(std::string_view application);

struct WorkloadSettings {
  Dialect dialect = Dialect::Kv;
  /// Closed loop: the next operation starts when the last one is answered (plus `think`). Open loop: operations
  /// arrive on a schedule of their own, and latency counts from the scheduled time, so that a slow service cannot
  /// hide behind its own back-pressure.
  bool open_loop = false;
  Duration think{};
  /// Open loop: mean time between arrivals; they form a Poisson process.
  Duration interval = std::chrono::milliseconds(100);
  /// First operation this long after the start (spread the clients, or they march in step).
  Duration delay{};
  /// Kv: bytes of the value that is put. Sql: bytes of the whole statement, or as few more as it takes.
  std::uint32_t payload = 200;
  std::uint32_t keys = 1;             // every client writes that many keys of its own
  std::uint8_t update_percent = 100;  // the others are queries of an own key
  bool order_queries = false;         // reads are ordered like updates
  std::uint64_t operations = 0;       // stop after so many; 0: never
  std::size_t max_backlog = 10'000;   // open loop: arrivals beyond are dropped and counted
  std::uint64_t seed = 1;
  /// Instead of operations of its own: these, one after the other, each an update. Their results are their reader's
  /// business.
  std::vector<Bytes> script;
};

/// -ln(u) for a uniform draw `u` in (0, 1], in 16.16 fixed point: integer arithmetic, so the same on every machine.
std::uint64_t negative_log(std::uint64_t draw);

/// A core around a ClientCore. Completions carry the operation's scheduled start in open loop.
class WorkloadCore : public Core {
 public:
  WorkloadCore(const Membership& membership, ClientSettings client, WorkloadSettings workload);

  std::vector<Completion> take_completions() { return std::exchange(completions_, {}); }
  /// No further operations are started; the outstanding one goes on.
  void stop() { stopped_ = true; }
  bool finished() const { return (stopped_ || exhausted()) && client_.idle() && backlog_.empty(); }
  std::uint64_t dropped() const { return dropped_; }
  std::uint64_t completed() const { return completed_; }
  /// Operations to which the application said no. A workload asks for nothing that may be refused.
  std::uint64_t refused() const { return refused_; }
  const ClientCore& client() const { return client_; }
  /// The keys that this client writes: "c<client>-<i>".
  static std::string key_of(ClientId client, std::uint64_t index);

  void start(Instant now, std::span<const Record> log, Effects& fx) override;
  void on_message(Instant now, const Inbound& message, Effects& fx) override;
  void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) override;
  void on_time(Instant now, Effects& fx) override;
  std::optional<Instant> deadline() const override;
  Admission admission() const override { return client_.admission(); }
  void status(StatusList& out) const override;

 private:
  bool exhausted() const { return workload_.operations != 0 && started_ >= workload_.operations; }
  bool scripted() const { return !workload_.script.empty(); }
  Duration next_gap();
  void collect(Instant now);
  void advance(Instant now, Effects& fx);
  void arrive(Instant now);
  void issue(Instant scheduled, Instant now, Effects& fx);
  /// Every write is different, so that a checker can tell which one a read saw.
  Bytes write(std::uint64_t key) const;
  Bytes read(std::uint64_t key) const;
  bool is_refusal(Span result) const;

  ClientSettings settings_;
  WorkloadSettings workload_;
  ClientCore client_;
  Prng arrivals_;
  Prng choices_;
  std::optional<Instant> next_;    // closed loop: when to issue; open loop: the next arrival
  std::deque<Instant> backlog_;    // arrivals that wait for the client
  std::optional<Instant> issued_;  // scheduled time of the outstanding operation
  bool stopped_ = false;
  bool table_made_ = false;  // Sql: this client's first operation
  std::uint64_t started_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t refused_ = 0;
  std::vector<Completion> completions_;
};

}  // namespace seneschal::replication
