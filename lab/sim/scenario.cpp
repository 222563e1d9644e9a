#include "lab/sim/scenario.hpp"

#include "lab/sim/checkers/status_checker.hpp"
#include "lab/sim/churn.hpp"
#include "lab/sim/real_keys.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {

using namespace std::chrono_literals;

/// A run looks around this often: are all done, was a property broken?
constexpr Duration kStep = 10ms;
/// After the last operation the run goes on for so long, so that laggards are checked too.
constexpr Duration kDrain = 1s;
/// How often servers are asked how they are.
constexpr Duration kStatusPeriod = 200ms;
/// Clients begin within so much time.
constexpr Duration kStartSpread = 100ms;
/// More events than any plan needs: a core that wakes itself for ever ends here.
/// What a run may take that goes nowhere, and for each second that its plan lasts.
constexpr std::uint64_t kMaxEvents = 20'000'000, kEventsASecond = 10'000;

std::uint64_t most_events(const Plan& plan) {
  return kMaxEvents + kEventsASecond * static_cast<std::uint64_t>(
                                           std::chrono::duration_cast<std::chrono::seconds>(plan.deadline).count());
}

/// Carries out a plan's faults at their times.
class Injector final : private world::Handler {
 public:
  using Load = std::function<replication::WorkloadSettings(ClientId)>;
  Injector(const Plan& plan, Assembly& assembly, Load load)
      : plan_(plan), assembly_(assembly), load_(std::move(load)) {
    clean_ = plan.deployment().topology;
    world::World& world = assembly.world();
    for (std::size_t i = 0; i < plan.list.size(); ++i)
      world.schedule(Instant{} + plan.list[i].at, *this, kFault, static_cast<std::uint32_t>(i));
    world.schedule(Instant{} + plan.heal, *this, kHeal);
  }

 private:
  enum Kind : std::uint32_t { kFault, kHeal, kComeBack };

  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override {
    if (kind == kHeal) return heal(now);
    const Fault& fault = plan_.list[payload];
    if (kind == kComeBack) return come_back(now, fault);
    const bool of_a_process =
        fault.kind == FaultKind::Crash || fault.kind == FaultKind::Restart || fault.kind == FaultKind::ClientRestart;
    if (healed_ && !of_a_process) return;
    assembly_.world().trace().text(now, "fault", std::string(to_string(fault.kind)));
    apply(now, fault, payload);
  }

  void apply(Instant now, const Fault& fault, std::uint32_t index) {
    Network& network = assembly_.network();
    switch (fault.kind) {
      case FaultKind::Link: return network.configure_wan(fault.from, fault.to, fault.link);
      case FaultKind::Lan: return network.configure_lan(fault.from, fault.link);
      case FaultKind::Cut: return network.cut(fault.from, fault.to, true);
      case FaultKind::Join: return network.cut(fault.from, fault.to, false);
      case FaultKind::Crash: return assembly_.server(fault.server)->process->kill();
      case FaultKind::Slow: return assembly_.server(fault.server)->host->set_slowness(fault.percent);
      case FaultKind::Restart:
        if (!assembly_.server(fault.server)->process->alive()) return;
        assembly_.server(fault.server)->process->crash(fault.disk);
        return assembly_.world().schedule(now + fault.away, *this, kComeBack, index);
      case FaultKind::DiskFull: return assembly_.server(fault.server)->process->fill_disk();
      case FaultKind::ClientRestart: {
        ClientPart& client = *assembly_.client(fault.client);
        if (!client.process->alive() || client.workload->finished()) return;
        client.process->crash(world::DiskFate::Lost);
        return assembly_.world().schedule(now + fault.away, *this, kComeBack, index);
      }
      case FaultKind::Drift: return assembly_.server(fault.server)->process->set_clock_rate(fault.ppm);
      case FaultKind::SlowDisk: return assembly_.server(fault.server)->process->set_persist(fault.persist);
    }
  }

  // A server without a log, be it gone or never kept, knows that it has run before.
  void come_back(Instant now, const Fault& fault) {
    if (fault.kind == FaultKind::ClientRestart) {
      assembly_.world().trace().text(now, "fault", "client " + std::to_string(fault.client.value) + " starts again");
      return assembly_.restart(fault.client, rest_of_load(fault.client));
    }
    assembly_.world().trace().text(now, "fault", "server " + to_string(fault.server) + " starts again");
    assembly_.restart(fault.server, fault.disk == world::DiskFate::Lost || plan_.options.durability == "none");
  }

  /// What a client that was stopped had still to do.
  replication::WorkloadSettings rest_of_load(ClientId id) const {
    replication::WorkloadSettings load = load_(id);
    const ClientPart& client = *assembly_.client(id);
    load.delay = {};
    load.operations -= client.completed();
    load.payload += client.lives;  // no write is like one of an earlier life
    return load;
  }

  // Everything gets well, only the dead stay dead.
  void heal(Instant now) {
    healed_ = true;
    assembly_.world().trace().text(now, "fault", "all healed");
    Network& network = assembly_.network();
    for (std::size_t from = 0; from < network.sites(); ++from) {
      network.configure_lan(from, clean_.lan);
      for (std::size_t to = 0; to < network.sites(); ++to) {
        if (from == to) continue;
        network.cut(from, to, false);
        if (const emulator::LinkConfig* link = clean_.link(from, to)) network.configure_wan(from, to, *link);
      }
    }
    for (ServerPart& server : assembly_.servers()) {
      server.host->set_slowness(100);
      server.process->set_clock_rate(0);
      server.process->set_persist(plan_.persist);
    }
  }

  const Plan& plan_;
  Assembly& assembly_;
  Load load_;
  emulator::Topology clean_;
  bool healed_ = false;
};

/// Between two orders of the administrator.
Duration order_gap(const Plan& plan, const std::vector<ChurnStep>& churn) {
  return plan.heal / static_cast<std::int64_t>(churn.size() + 1);
}

replication::WorkloadSettings workload_of(const Plan& plan, ClientId client, const std::vector<ChurnStep>& churn) {
  replication::WorkloadSettings load;
  load.think = plan.think;
  // Those who think for long begin anywhere in that time, or they would all come together.
  const auto spread = static_cast<std::uint64_t>(std::max(kStartSpread, plan.think).count());
  load.delay = Duration(
      static_cast<std::int64_t>(keyed_draw(plan.seed, hash_name("client start"), client.value, 0, 0) % spread));
  load.dialect = replication::dialect_of(plan.options.application);
  load.payload = plan.payload;
  load.keys = 2;
  load.update_percent = static_cast<std::uint8_t>(plan.update_percent);
  load.operations = plan.operations;
  load.seed = keyed_draw(plan.seed, hash_name("client"), client.value, 0, 0);
  if (plan.newcomers != 0 && client == plan.administrator()) {
    for (const ChurnStep& step : churn) load.script.push_back(encode(step.order));
    load.think = order_gap(plan, churn);
  }
  // Newcomers knock before they belong here, too.
  if (plan.newcomers != 0 && client > plan.administrator())
    load.delay += (client.value - plan.administrator().value) * order_gap(plan, churn);
  return load;
}

Facts facts_of(const Plan& plan) {
  Facts facts;
  facts.protocol = plan.protocol;
  facts.membership = plan.deployment().roster().membership;
  for (const Traitor& traitor : plan.traitors) facts.byzantine.insert(traitor.server);
  for (std::size_t i = 0; i < facts.membership.clients.size(); ++i)
    if (!plan.honest(i)) facts.two_faced.insert(facts.membership.clients[i].id);
  facts.logs = plan.restarts() && plan.options.durability == "wal";
  facts.application = plan.options.application;
  facts.reach = plan.reach();
  facts.served_within = plan.served_within;
  facts.office_within = plan.office_within;
  if (plan.protocol != Protocol::Steward) return facts;
  facts.window = plan.options.window;
  facts.batch_max = plan.options.batch_max;
  return facts;
}

/// Nothing is asked for of clients that break the rules, have lost their site, or leave, nor of newcomers whom nobody
/// can enroll.
bool excused(const Facts& facts, const Plan& plan, const ClientPart& client) {
  const auto lost = [&](std::size_t site) { return plan.lost(SiteId(static_cast<std::uint16_t>(site))); };
  if (facts.two_faced.contains(client.id) || lost(client.site)) return true;
  if (plan.newcomers == 0) return false;
  const auto gone = leavers(plan);
  if (std::ranges::find(gone, client.id) != gone.end()) return true;
  return client.id > plan.administrator() && lost((plan.administrator().value - 1) % plan.sites);
}

/// Servers that still watch an update, where clients broke the rules: they must not keep views changing.
/// [Steward 3.2]
std::vector<ServerId> watching(Assembly& assembly, const Facts& facts, const Plan& plan) {
  std::vector<ServerId> still;
  if (facts.two_faced.empty()) return still;
  StatusList status;
  for (const ServerPart& server : assembly.servers()) {
    if (!facts.correct(server.id) || !server.process->alive() || plan.lost(server.id.site)) continue;
    status.clear();
    server.process->core().status(status);
    for (const auto& [name, value] : status)
      if (name == "watched_updates" && value != "0") still.push_back(server.id);
  }
  return still;
}

bool all_done(Assembly& assembly, const Facts& facts, const Plan& plan) {
  return std::ranges::all_of(
             assembly.clients(),
             [&](const ClientPart& client) { return client.workload->finished() || excused(facts, plan, client); }) &&
         watching(assembly, facts, plan).empty();
}

/// What the administrator was told is what its orders, one after the other, must lead to.
void check_churn(Assembly& assembly, const Plan& plan, const std::vector<ChurnStep>& churn, CheckerSet& checkers) {
  for (const ClientPart& client : assembly.clients()) {
    if (plan.newcomers == 0 || client.id != plan.administrator()) continue;
    std::size_t step = 0;
    for (const replication::Completion& done : client.workload->take_completions()) {
      const auto said = decode<replication::Administered>(done.result);
      if (!said || said->verdict != churn[step].expected)
        checkers.fail("membership", done.finished,
                      "order " + std::to_string(step + 1) + " of the administrator: " +
                          (said ? std::string(replication::to_string(said->verdict)) : "no result of an order") +
                          ", expected: " + std::string(replication::to_string(churn[step].expected)));
      ++step;
    }
  }
}

std::string unfinished(Assembly& assembly, const Facts& facts, const Plan& plan) {
  std::string text;
  for (const ServerId& server : watching(assembly, facts, plan))
    text += " server " + to_string(server) + " still watches an update;";
  for (const ClientPart& client : assembly.clients())
    if (!client.workload->finished() && !excused(facts, plan, client))
      text += " client " + std::to_string(client.id.value) + " (site " + std::to_string(client.site) +
              "): " + std::to_string(client.completed()) + " of " + std::to_string(plan.operations) + ";";
  return text;
}

void check_statuses(const StatusChecker& checker, Assembly& assembly, CheckerSet& checkers) {
  StatusList status;
  for (const ServerPart& server : assembly.servers()) {
    if (!checkers.facts().correct(server.id) || !server.process->alive()) continue;
    status.clear();
    server.process->core().status(status);
    if (const auto wrong = checker.check(status)) {
      const auto colon = wrong->find(": ");
      checkers.fail(wrong->substr(0, colon), assembly.world().now(),
                    "server " + to_string(server.id) + wrong->substr(colon));
    }
  }
}

void look_at_servers(Assembly& assembly, const Facts& facts, ScenarioResult& result) {
  StatusList status;
  for (const ServerPart& server : assembly.servers()) {
    if (!facts.correct(server.id) || !server.process->alive()) continue;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(Reject::kLast); ++i)
      result.refused[Reject(i)] += server.process->replica().rejected(Reject(i));
    status.clear();
    server.process->core().status(status);
    const auto at_least = [&](std::uint64_t& highest, std::string_view wanted) {
      for (const auto& [name, value] : status)
        if (name == wanted) highest = std::max<std::uint64_t>(highest, std::stoull(value));
    };
    at_least(result.highest_global_view, "global_view");
    at_least(result.highest_local_view, "local_view");
  }
}

}  // namespace

emulator::CostModel pinned_costs() {
  emulator::CostModel costs;
  const auto set_us = [&](Op op, std::int64_t us) { costs.set(op, std::chrono::microseconds(us)); };
  set_us(Op::Receive, 3);
  set_us(Op::Send, 3);
  set_us(Op::Forward, 4);
  costs.set_picoseconds(Op::CopyByte, 100);
  costs.set_picoseconds(Op::HashByte, 2000);
  costs.set_picoseconds(Op::Mac, 400'000);
  set_us(Op::SignServer, 276);
  set_us(Op::SignClient, 42);
  set_us(Op::VerifyServer, 20);
  set_us(Op::VerifyClient, 120);
  set_us(Op::VerifySite, 20);
  set_us(Op::Execute, 2);
  set_us(Op::Persist, 100);
  constexpr std::int64_t kUs = 1'000'000;
  costs.set_threshold({3, 4, 2048, 2300 * kUs, 5800 * kUs, 3500 * kUs, 60 * kUs});
  costs.set_threshold({5, 7, 2048, 2300 * kUs, 5600 * kUs, 3300 * kUs, 100 * kUs});
  return costs;
}

Result<ScenarioResult> run_scenario(const Plan& plan, const ScenarioOptions& options) {
  CheckerSet checkers(facts_of(plan));
  AssemblyOptions build;
  build.seed = plan.seed;
  build.checkers = &checkers;
  build.traitors = plan.traitors;
  build.two_faced = checkers.facts().two_faced;
  for (std::uint32_t i = 0; i < plan.newcomers; ++i) build.newcomers.push_back(plan.newcomer(i));
  std::vector<ChurnStep> churn;
  build.workload = [&](ClientId client) { return workload_of(plan, client, churn); };
  build.keep_logs = plan.restarts();
  build.patience = plan.patience;
  emulator::CostModel costs = pinned_costs();
  costs.set(Op::Persist, plan.persist);
  if (plan.real_crypto) {
    auto keys = real_keys(plan.deployment(), costs);
    if (!keys) return std::unexpected(keys.error());
    build.keys = std::move(keys->keys);
    churn = churn_of(plan, keys->joining);
  } else if (plan.newcomers != 0) {
    const crypto::fake::Registry registry(key_plan(plan.deployment(), costs), plan.seed);
    churn = churn_of(plan, [&](ClientId id) { return registry.joining_keys(id); });
  }
  auto built = Assembly::build(plan.deployment(), costs, build);
  if (!built) return std::unexpected(built.error());
  Assembly& assembly = **built;
  world::World& world = assembly.world();
  world.trace().keep_text(options.trace_lines);
  Injector injector(plan, assembly, build.workload);
  assembly.start();

  const Instant deadline = Instant{} + plan.deadline;
  const StatusChecker statuses(plan.protocol, plan.options,
                               plan.clients + (plan.newcomers != 0 ? plan.newcomers + 1 : 0));
  Instant next_look{};
  std::optional<Instant> drained;
  while (world.now() < deadline && !checkers.violation() && world.events() < most_events(plan)) {
    if (options.stop && options.stop()) return failure("interrupted");
    world.run_until(world.now() + kStep);
    if (world.now() >= next_look) {
      next_look = world.now() + kStatusPeriod;
      check_statuses(statuses, assembly, checkers);
    }
    if (!drained && world.now() >= Instant{} + plan.heal && all_done(assembly, checkers.facts(), plan))
      drained = world.now() + kDrain;
    if (drained && world.now() >= *drained) break;
  }

  ScenarioResult result;
  result.trace_hash = world.trace().hash();
  result.events = world.events();
  result.virtual_time = world.now() - Instant{};
  for (const ClientPart& client : assembly.clients()) {
    result.operations += client.completed();
    const bool honest = !checkers.facts().two_faced.contains(client.id);
    if (const auto refused = client.refused(); honest && refused != 0)
      checkers.fail("workload", world.now(),
                    "client " + std::to_string(client.id.value) + " was refused " + std::to_string(refused) +
                        " operations that are good");
  }
  look_at_servers(assembly, checkers.facts(), result);
  check_churn(assembly, plan, churn, checkers);
  result.accusations = checkers.accusations();
  if (const auto& violation = checkers.violation()) {
    result.outcome = Outcome::Unsafe;
    result.reason =
        violation->property + ": " + violation->what + " (at " + std::to_string(violation->at.ns / 1000) + " us)";
  } else if (world.events() >= most_events(plan)) {
    result.outcome = Outcome::Stuck;
    result.reason = "progress: more than " + std::to_string(most_events(plan)) + " events without an end";
  } else if (plan.progress && !drained && !all_done(assembly, checkers.facts(), plan)) {
    result.outcome = Outcome::Stuck;
    result.reason = "progress: not done by " + std::to_string(plan.deadline / 1ms) +
                    " ms:" + unfinished(assembly, checkers.facts(), plan);
  }
  result.text = world.trace().lines();
  return result;
}

}  // namespace seneschal::lab::sim
