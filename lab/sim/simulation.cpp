#include "lab/sim/simulation.hpp"

#include "lab/sim/assembly.hpp"
#include "lab/sim/mishap_actor.hpp"
#include "lab/sim/real_keys.hpp"

#include <algorithm>
#include <chrono>

namespace seneschal::lab::sim {

namespace {

/// Clients begin at different times, or they would march in step; thousands of them no faster than so many a second,
/// or the first second loses what the links cannot queue and seconds of retries pass before the load is what was
/// asked for.
constexpr std::uint64_t kLeastStartSpreadNs = 100'000'000;
constexpr std::uint64_t kStartSpreadPerClientNs = 1'000'000;

std::uint64_t start_spread(std::uint64_t clients) {
  return std::max(kLeastStartSpreadNs, clients * kStartSpreadPerClientNs);
}

/// Counts what experiments report, and passes everything on to the checkers if there are any.
class Meter final : public world::Observer {
 public:
  explicit Meter(CheckerSet* checkers) : checkers_(checkers) {}

  void on_event(Instant at, const Principal& self, const Event& event) override {
    if (event.kind == EventKind::Executed) executed_ = std::max(executed_, event.seq);
    if (event.kind == EventKind::ViewEntered) {
      global_ = std::max(global_, event.view);
      local_ = std::max(local_, event.sub_view);
    }
    if (checkers_ != nullptr) checkers_->on_event(at, self, event);
  }
  void on_accused(Instant at, const Principal& self, const Effects::Accuse& accusation) override {
    if (checkers_ != nullptr) checkers_->on_accused(at, self, accusation);
  }
  void on_sent(Instant at, const Principal& self, std::span<const Destination> to, Span sealed) override {
    if (checkers_ != nullptr) checkers_->on_sent(at, self, to, sealed);
  }
  void on_durable(Instant at, const Principal& self, Span record) override {
    if (checkers_ != nullptr) checkers_->on_durable(at, self, record);
  }
  Seq executed() const { return executed_; }
  std::uint64_t global_views() const { return global_; }
  std::uint64_t local_views() const { return local_; }

 private:
  CheckerSet* checkers_;
  Seq executed_;
  std::uint64_t global_ = 0;
  std::uint64_t local_ = 0;
};

/// Counters at one instant; a run's figures are differences of two.
struct Snapshot {
  std::vector<emulator::LinkCounters> links;  // row-major by site
  std::vector<Duration> busy;                 // by host
  Duration servers{};                         // CPU of servers and routers
  Seq executed;
};

Snapshot snapshot(Assembly& assembly, const Meter& meter) {
  Snapshot shot;
  Network& network = assembly.network();
  for (std::size_t from = 0; from < network.sites(); ++from) {
    for (std::size_t to = 0; to < network.sites(); ++to) {
      const emulator::LinkModel* link = network.wan(from, to);
      shot.links.push_back(link == nullptr ? emulator::LinkCounters{} : link->counters());
    }
  }
  for (world::Host* host : assembly.all_hosts()) shot.busy.push_back(host->busy());
  std::vector<world::Host*> serving = network.router_hosts();
  for (const ServerPart& server : assembly.servers()) serving.push_back(server.host);
  std::vector<world::Host*> counted;
  for (world::Host* host : serving) {
    if (std::ranges::find(counted, host) != counted.end()) continue;
    counted.push_back(host);
    shot.servers += host->busy();
  }
  shot.executed = meter.executed();
  return shot;
}

replication::WorkloadSettings workload_of(const SimSetup& setup, ClientId client) {
  replication::WorkloadSettings load;
  load.open_loop = setup.load.open_interval.count() != 0;
  if (load.open_loop) load.interval = setup.load.open_interval;
  load.delay =
      Duration(static_cast<std::int64_t>(keyed_draw(setup.seed, hash_name("client start"), client.value, 0, 0) %
                                         start_spread(setup.deployment.clients)));
  load.dialect = replication::dialect_of(setup.deployment.options.application);
  load.payload = setup.load.payload_bytes;
  load.update_percent = static_cast<std::uint8_t>(std::min<std::uint32_t>(setup.load.update_percent, 100));
  load.operations = setup.load.operations;
  load.seed = keyed_draw(setup.seed, hash_name("client"), client.value, 0, 0);
  return load;
}

void add_latencies(Assembly& assembly, Instant from, Instant to, SimResult& result) {
  for (const ClientPart& client : assembly.clients()) {
    for (const replication::Completion& done : client.workload->take_completions()) {
      result.completions.push_back({client.site, done.finished, done.finished - done.started, done.query});
      if (done.finished < from || done.finished >= to) continue;
      auto& latencies = done.query ? result.query_latencies : result.update_latencies;
      latencies[client.site].push_back(done.finished - done.started);
      ++(done.query ? result.queries_done : result.updates_done);
    }
  }
}

void add_links(Assembly& assembly, const Snapshot& before, const Snapshot& after, Duration measured,
               SimResult& result) {
  Network& network = assembly.network();
  for (std::size_t i = 0; i < after.links.size(); ++i) {
    const std::size_t from = i / network.sites();
    const std::size_t to = i % network.sites();
    const emulator::LinkModel* link = network.wan(from, to);
    if (link == nullptr) continue;
    LinkUse use;
    use.from = from;
    use.to = to;
    use.packets = after.links[i].packets - before.links[i].packets;
    use.bytes = after.links[i].wire_bytes - before.links[i].wire_bytes;
    use.queue_drops = after.links[i].queue_drops - before.links[i].queue_drops;
    const double capacity = static_cast<double>(link->config().bandwidth_bps) / 8 * to_seconds(measured);
    if (capacity > 0) use.use = static_cast<double>(use.bytes) / capacity;
    result.wan_bytes += use.bytes;
    result.wan_messages += use.packets;
    result.link_use_max = std::max(result.link_use_max, use.use);
    result.links.push_back(use);
  }
}

void add_cpu(Assembly& assembly, const Snapshot& before, const Snapshot& after, Duration measured,
             SimResult& result) {
  const auto hosts = assembly.all_hosts();
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const double busy = to_seconds(after.busy[i] - before.busy[i]) / (to_seconds(measured) * hosts[i]->cores());
    result.cpu_busy_max = std::max(result.cpu_busy_max, busy);
  }
  const std::uint64_t operations = result.updates_done + result.queries_done;
  if (operations != 0)
    result.server_cpu_ms_per_op = to_ms(after.servers - before.servers) / static_cast<double>(operations);
}

/// Virtual time between two questions whether to go on: milliseconds of work, even with thousands of clients.
constexpr Duration kQuestionStep = 1ms;

/// False if it was stopped. The steps change nothing: events happen in the same order.
bool run_until(world::World& world, Instant end, const std::function<bool()>& stop) {
  while (world.now() < end) {
    if (stop && stop()) return false;
    world.run_until(std::min(end, world.now() + kQuestionStep));
  }
  return true;
}

}  // namespace

Result<SimResult> simulate(const SimSetup& setup) {
  const auto wall_start = std::chrono::steady_clock::now();  // reported only
  Facts facts;
  facts.protocol = setup.deployment.protocol;
  facts.membership = setup.deployment.roster().membership;
  for (const Traitor& traitor : setup.traitors) facts.byzantine.insert(traitor.server);
  CheckerSet checkers(std::move(facts));
  Meter meter(setup.check ? &checkers : nullptr);
  AssemblyOptions options;
  options.seed = setup.seed;
  options.machines = setup.machines;
  options.checkers = setup.check ? &checkers : nullptr;
  options.observer = &meter;
  options.traitors = setup.traitors;
  options.traitors_wait = turns(setup.mishaps);
  options.workload = [&](ClientId client) { return workload_of(setup, client); };
  if (setup.real_crypto) {
    auto keys = real_keys(setup.deployment, setup.costs);
    if (!keys) return std::unexpected(keys.error());
    options.keys = std::move(keys->keys);
  }
  auto built = Assembly::build(setup.deployment, setup.costs, options);
  if (!built) return std::unexpected(built.error());
  Assembly& assembly = **built;
  assembly.start();

  const Instant from = Instant{} + setup.warmup;
  const Instant to = from + setup.measured;
  if (!run_until(assembly.world(), from, setup.stop)) return failure("interrupted");
  SimResult result;
  MishapActor actor(setup.deployment, setup.mishaps, assembly, from);
  const Snapshot before = snapshot(assembly, meter);
  if (!run_until(assembly.world(), to, setup.stop)) return failure("interrupted");
  const Snapshot after = snapshot(assembly, meter);
  result.timers = timers_of(assembly);

  result.update_latencies.resize(setup.deployment.sites());
  result.query_latencies.resize(setup.deployment.sites());
  add_latencies(assembly, from, to, result);
  add_links(assembly, before, after, setup.measured, result);
  add_cpu(assembly, before, after, setup.measured, result);
  result.throughput = static_cast<double>(result.updates_done + result.queries_done) / to_seconds(setup.measured);
  result.batches = after.executed.value - before.executed.value;
  result.view_changes_local = meter.local_views();
  result.view_changes_global = meter.global_views();
  if (const auto& violation = checkers.violation()) result.violation = violation->property + ": " + violation->what;
  result.trace_hash = assembly.world().trace().hash();
  result.events = assembly.world().events();
  for (const ServerPart& server : assembly.servers()) result.messages += server.process->taken();
  for (const ClientPart& client : assembly.clients()) result.messages += client.process->taken();
  result.virtual_time = assembly.world().now() - Instant{};
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_start).count();
  return result;
}

}  // namespace seneschal::lab::sim
