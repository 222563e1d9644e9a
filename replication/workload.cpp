#include "replication/workload.hpp"

#include "base/check.hpp"
#include "replication/kv.hpp"
#include "replication/sql/sql.hpp"

#include <bit>

namespace seneschal::replication {

namespace {
constexpr std::string_view kCreateTable = "CREATE TABLE IF NOT EXISTS work(k INTEGER PRIMARY KEY, v TEXT)";

std::string row_of(ClientId client, std::uint64_t index) {
  return std::to_string(std::uint64_t{client.value} << 16 | index);
}
}  // namespace

Dialect dialect_of(std::string_view application) {
  return application == "sql" ? Dialect::Sql : Dialect::Kv;
}

std::uint64_t negative_log(std::uint64_t draw) {
  // u = draw / 2^64 (0 counts as 1/2^64). log2 by repeated squaring of the mantissa, 16 fractional bits.
  std::uint64_t x = std::max<std::uint64_t>(draw, 1);
  int leading = std::countl_zero(x);
  std::uint64_t mantissa = (x << leading) >> 32;  // 1.31 fixed point, in [1, 2)
  std::uint64_t log2 = static_cast<std::uint64_t>(63 - leading) << 16;
  for (int bit = 15; bit >= 0; --bit) {
    mantissa = (mantissa * mantissa) >> 31;
    if (mantissa >= std::uint64_t{1} << 32) {
      mantissa >>= 1;
      log2 |= std::uint64_t{1} << bit;
    }
  }
  std::uint64_t negative_log2 = (std::uint64_t{64} << 16) - log2;
  return (negative_log2 * 45'426) >> 16;  // ln 2 in 16.16
}

WorkloadCore::WorkloadCore(const Membership& membership, ClientSettings client, WorkloadSettings workload)
    : settings_(client),
      workload_(workload),
      client_(membership, client),
      arrivals_(Prng(workload.seed).fork("arrivals").fork(client.self.value)),
      choices_(Prng(workload.seed).fork("choices").fork(client.self.value)) {
  CHECK(workload.payload <= kv::kMaxValue && workload.keys > 0 && workload.keys <= 1u << 16 &&
        workload.update_percent <= 100);
  CHECK(!workload.open_loop || workload.interval.count() > 0);
  CHECK(!scripted() || !workload.open_loop);
  if (scripted()) workload_.operations = workload_.script.size();
}

std::string WorkloadCore::key_of(ClientId client, std::uint64_t index) {
  return "c" + std::to_string(client.value) + "-" + std::to_string(index);
}

void WorkloadCore::start(Instant now, std::span<const Record> log, Effects& fx) {
  client_.start(now, log, fx);
  next_ = now + workload_.delay;
  if (workload_.open_loop) next_ = *next_ + next_gap();
  advance(now, fx);
}

void WorkloadCore::on_message(Instant now, const Inbound& message, Effects& fx) {
  client_.on_message(now, message, fx);
  collect(now);
  advance(now, fx);
}

void WorkloadCore::on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) {
  client_.on_done(now, ticket, result, fx);
}

void WorkloadCore::on_time(Instant now, Effects& fx) {
  client_.on_time(now, fx);
  collect(now);
  advance(now, fx);
}

std::optional<Instant> WorkloadCore::deadline() const {
  auto at = client_.deadline();
  bool wants_more = !stopped_ && !exhausted() && (workload_.open_loop || client_.idle());
  if (wants_more && next_ && (!at || *next_ < *at)) at = next_;
  return at;
}

Duration WorkloadCore::next_gap() {
  std::uint64_t factor = negative_log(arrivals_.next());  // 16.16, below 45 * 2^16
  return Duration(
      static_cast<std::int64_t>((static_cast<std::uint64_t>(workload_.interval.count()) >> 8) * factor >> 8));
}

void WorkloadCore::collect(Instant now) {
  for (Completion& completion : client_.take_completions()) {
    if (issued_) completion.started = *issued_;
    issued_.reset();
    ++completed_;
    if (!scripted() && is_refusal(completion.result)) ++refused_;
    completions_.push_back(std::move(completion));
    if (!workload_.open_loop) next_ = now + workload_.think;
  }
}

void WorkloadCore::arrive(Instant now) {
  while (next_ && *next_ <= now && !stopped_ && !exhausted()) {
    ++started_;
    if (backlog_.size() < workload_.max_backlog)
      backlog_.push_back(*next_);
    else
      ++dropped_;
    next_ = *next_ + next_gap();
  }
}

void WorkloadCore::advance(Instant now, Effects& fx) {
  if (workload_.open_loop) {
    arrive(now);
    if (backlog_.empty() || !client_.idle()) return;
    Instant scheduled = backlog_.front();
    backlog_.pop_front();
    return issue(scheduled, now, fx);
  }
  if (stopped_ || exhausted() || !client_.idle() || !next_ || *next_ > now) return;
  next_.reset();
  ++started_;
  issue(now, now, fx);
}

void WorkloadCore::issue(Instant scheduled, Instant now, Effects& fx) {
  issued_ = scheduled;
  Bytes operation;
  bool update = true;
  if (scripted()) {
    operation = workload_.script[started_ - 1];
  } else if (workload_.dialect == Dialect::Sql && !std::exchange(table_made_, true)) {
    operation = to_bytes(kCreateTable);
  } else {
    const std::uint64_t key = choices_.below(workload_.keys);
    update = choices_.below(100) < workload_.update_percent;
    operation = update ? write(key) : read(key);
  }
  auto submitted = client_.submit(now, std::move(operation), !update && !workload_.order_queries, fx);
  CHECK(submitted.has_value());  // idle, and the sizes were checked at construction
}

Bytes WorkloadCore::write(std::uint64_t key) const {
  const std::string label = std::to_string(settings_.self.value) + ":" + std::to_string(completed_ + 1) + ":";
  if (workload_.dialect == Dialect::Sql) {
    std::string statement = "REPLACE INTO work VALUES(" + row_of(settings_.self, key) + ", '" + label;
    while (statement.size() + 2 < workload_.payload) statement += '.';
    return to_bytes(statement + "')");
  }
  Bytes value(workload_.payload, static_cast<Byte>('.'));
  std::copy_n(label.begin(), std::min<std::size_t>(label.size(), value.size()), value.begin());
  return kv::put(key_of(settings_.self, key), value);
}

bool WorkloadCore::is_refusal(Span result) const {
  if (workload_.dialect == Dialect::Sql) {
    const auto outcome = sql::parse_result(result);
    return !outcome || std::holds_alternative<sql::Refused>(*outcome);
  }
  const auto outcome = kv::parse_result(result);
  return !outcome || std::holds_alternative<kv::Refused>(*outcome);
}

Bytes WorkloadCore::read(std::uint64_t key) const {
  if (workload_.dialect == Dialect::Sql)
    return to_bytes("SELECT v FROM work WHERE k = " + row_of(settings_.self, key));
  return kv::get(key_of(settings_.self, key));
}

void WorkloadCore::status(StatusList& out) const {
  client_.status(out);
  out.emplace_back("completed", std::to_string(completed_));
  out.emplace_back("backlog", std::to_string(backlog_.size()));
  out.emplace_back("dropped", std::to_string(dropped_));
  out.emplace_back("refused", std::to_string(refused_));
}

}  // namespace seneschal::replication
