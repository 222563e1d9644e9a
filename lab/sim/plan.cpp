#include "lab/sim/plan.hpp"

#include "base/check.hpp"
#include "base/prng.hpp"
#include "lab/sim/planner.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {

/// By time; faults of one instant keep their order.
void sort_by_time(std::vector<Fault>& list) {
  std::vector<std::pair<Duration, std::size_t>> order;
  for (std::size_t i = 0; i < list.size(); ++i) order.emplace_back(list[i].at, i);
  std::ranges::sort(order);
  std::vector<Fault> sorted;
  for (const auto& [at, i] : order) sorted.push_back(list[i]);
  list = std::move(sorted);
}

}  // namespace

bool Plan::lost(SiteId site) const {
  const auto crashed = std::ranges::count_if(
      list, [&](const Fault& fault) { return fault.kind == FaultKind::Crash && fault.server.site == site; });
  return protocol == Protocol::Steward && crashed > faults_of(site);
}

Deployment Plan::deployment() const {
  Deployment deployment;
  deployment.name = "plan";
  deployment.protocol = protocol;
  deployment.id = DeploymentId(seed);
  emulator::LinkConfig link;
  link.delay = delay;
  link.bandwidth_bps = bandwidth_bps;
  deployment.topology = emulator::Topology::uniform(sites, link);
  deployment.faults = faults;
  deployment.servers = default_servers(protocol, faults, sites);
  for (std::size_t site = 0; protocol == Protocol::Steward && site < deployment.servers.size(); ++site)
    deployment.servers[site] =
        static_cast<std::uint16_t>(3 * faults_of(SiteId(static_cast<std::uint16_t>(site))) + 1);
  deployment.clients = clients + (newcomers != 0 ? 1 : 0);
  if (newcomers != 0) deployment.administrator = administrator().value;
  deployment.options = options;
  return deployment;
}

std::uint64_t Plan::reach() const {
  if (protocol == Protocol::Steward) return 2 * std::uint64_t{options.window};
  return std::max<std::uint64_t>(2 * options.checkpoint_interval, options.window);
}

bool Plan::restarts() const {
  return std::ranges::any_of(
      list, [](const Fault& f) { return f.kind == FaultKind::Restart || f.kind == FaultKind::DiskFull; });
}

const std::vector<std::string>& profiles() {
  static const std::vector<std::string> names = {
      "swarm",      "calm",     "lossy",   "partition", "crash", "site-crash",       "slow",    "byzantine",
      "equivocate", "combined", "lagging", "churn",     "views", "checkpoint-death", "queries", "starve",
      "office",     "ballots",  "clients", "uneven",    "bases", "betrayal",         "disk"};
  return names;
}

namespace {
/// This share of the seeds runs with real signatures, MACs and threshold keys, which take a thousand times as long as
/// simulated ones.
constexpr std::uint64_t kRealCryptoEvery = 25;

void make_small_and_real(Plan& plan) {
  plan.real_crypto = true;
  plan.sites = 3;
  plan.clients = std::min(plan.clients, 4u);
  plan.operations = std::min<std::uint64_t>(plan.operations, 8);
}

/// Everything but the faults: who runs, over what, how it is set and what clients do.
void draw_setting(Plan& plan, Prng& random) {
  const std::string& profile = plan.profile;
  const std::uint64_t seed = plan.seed;
  plan.sites = small(plan.protocol == Protocol::Steward ? random.between(3, 5) : random.between(2, 4));
  plan.clients = static_cast<std::uint32_t>(random.between(3, 8));
  plan.delay = ms(random.between(5, 50));
  plan.operations = random.between(8, 16);
  plan.payload = static_cast<std::uint32_t>(random.between(10, 400));
  plan.update_percent = static_cast<std::uint32_t>(random.between(60, 100));
  plan.think = ms(random.between(0, 60));
  plan.heal = ms(random.between(1500, 2500));
  plan.deadline = plan.heal + ms(40'000);
  constexpr std::uint32_t kBatches[] = {1, 3, 16, 256};
  constexpr std::uint32_t kWindows[] = {4, 16, 64};
  plan.options.batch_max = kBatches[random.below(4)];
  plan.options.window = kWindows[random.below(3)];
  const bool steward = plan.protocol == Protocol::Steward;
  const bool combined = profile == "combined";
  // Long enough for another site to lead while the first one is away.
  if (steward && (profile == "partition" || profile == "site-crash" || combined)) {
    plan.heal = ms(random.between(8'000, 20'000));
    plan.deadline = plan.heal + ms(60'000);
  }
  if (random.chance(1, 4) && steward) plan.options.fanout = "all";
  if (random.chance(1, 4)) plan.options.delivery = steward ? "representative" : "unicast";
  if (random.chance(1, 3) && !steward) plan.options.auth = "signatures";

  if (steward && (profile == "partition" || profile == "byzantine" || combined)) {
    constexpr Duration kPatience[] = {0ms, 250ms, 120ms};
    plan.patience = kPatience[Prng(seed).fork("patience").below(3)];
  }
  constexpr std::uint32_t kIntervals[] = {4, 16, 128};
  if (steward) plan.options.checkpoint_interval = kIntervals[Prng(seed).fork("checkpoints").below(3)];
  if (steward && profile == "views") {
    Prng draws = Prng(seed).fork("views");
    plan.patience = 120ms;
    plan.delay = ms(draws.between(5, 15));
    plan.faults = draws.chance(1, 2) ? 2 : 1;
    plan.two_faced = draws.chance(1, 2) ? 1 : 0;
    plan.operations = draws.between(20, 40);
    plan.heal = ms(draws.between(8'000, 14'000));
    plan.deadline = plan.heal + ms(60'000);
  }
  if (Prng draws = Prng(seed).fork("many"); steward && (profile == "byzantine" || combined)) {
    if (draws.chance(1, 8)) {
      plan.faults = 2;
      plan.sites = 3;
    }
    if (draws.chance(1, 4)) plan.two_faced = 1;
  }
  if (seed % kRealCryptoEvery == 0) make_small_and_real(plan);

  if (Prng newcomers = Prng(seed).fork("newcomers");
      profile == "churn" || (newcomers.chance(1, 4) && profile != "calm"))
    plan.newcomers = static_cast<std::uint32_t>(newcomers.between(1, 4));
}

void draw_faults(Plan& plan, Prng& random) {
  const std::string& profile = plan.profile;
  const std::uint64_t seed = plan.seed;
  const bool steward = plan.protocol == Protocol::Steward;
  const bool combined = profile == "combined";
  const bool churn = profile == "churn";
  Planner planner(plan);
  const bool mix = profile == "swarm";
  const auto wanted = [&](const char* name, std::uint64_t of_eight) {
    const bool drawn = random.chance(of_eight, 8);
    return mix ? drawn : profile == name || (combined && of_eight == 3);
  };
  if (wanted("equivocate", 1)) planner.equivocation();
  if (wanted("lossy", 5) || combined || churn) planner.lossy();
  if (profile == "site-crash" && steward) planner.site_crash();
  if (wanted("partition", 3)) planner.partitions();
  if (wanted("crash", 3)) {
    if (random.chance(1, 3)) plan.options.durability = "none";
    constexpr Duration kDisks[] = {100us, 2ms, 15ms};
    plan.persist = kDisks[random.below(3)];
    constexpr std::uint32_t kGrowths[] = {2, 32, 16 * 1024};  // logs begin anew all the time, at times, or never
    plan.options.log_growth_kb = kGrowths[Prng(seed).fork("log growth").below(3)];
    // The baseline has no state transfer: what its servers keep must bridge the time that one is away.
    constexpr std::uint32_t kSpans[] = {8, 16, 128};
    if (!steward) plan.options.checkpoint_interval = kSpans[Prng(seed).fork("checkpoints").below(3)];
    if (random.chance(1, 3)) planner.crashes();
    planner.restarts();
    planner.drift();
    if (Prng(seed).fork("restarting clients").chance(1, 4)) planner.client_restarts();
  }
  if (wanted("slow", 3)) planner.slow();
  if (wanted("byzantine", 3)) {
    planner.byzantine();
    planner.spite();
    planner.botch();
    if (steward) planner.provocations();
  }
  if (profile == "lagging") planner.lagging();
  if (churn) planner.restarts();
  if (profile == "views" && steward) planner.seams();
  if (profile == "disk" || (mix && Prng(seed).fork("slow disks").chance(1, 16))) planner.slow_disks();
  planner.aim();
}
}  // namespace

Plan make_plan(Protocol protocol, std::uint64_t seed, const std::string& profile) {
  CHECK(std::ranges::find(profiles(), profile) != profiles().end());
  Plan plan;
  plan.seed = seed;
  plan.protocol = protocol;
  plan.profile = profile;
  Prng random = Prng(seed).fork("plan").fork(static_cast<std::uint64_t>(protocol));
  draw_setting(plan, random);
  draw_faults(plan, random);
  sort_by_time(plan.list);
  return plan;
}

}  // namespace seneschal::lab::sim
