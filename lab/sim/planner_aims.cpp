// Profiles that aim at one rule each: a plan in which little depends on luck but the moment.
#include "lab/sim/planner.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {
void cut(Plan& plan, Duration at, std::uint16_t from, std::uint16_t to, FaultKind kind = FaultKind::Cut) {
  plan.list.push_back({at, kind, from, to, {}, 100, {}});
}
void cut_both(Plan& plan, Duration at, std::uint16_t a, std::uint16_t b, FaultKind kind = FaultKind::Cut) {
  cut(plan, at, a, b, kind);
  cut(plan, at, b, a, kind);
}
std::uint64_t in_ms(Duration time) {
  return static_cast<std::uint64_t>(time / 1ms);
}
}  // namespace

void Planner::aim() {
  const std::string& profile = plan_.profile;
  const bool steward = plan_.protocol == Protocol::Steward;
  if (profile == "queries") queries();
  if (profile == "clients") client_restarts();
  if (!steward) return;  // the others are about what the flat baseline has not
  if (profile == "checkpoint-death") checkpoint_death();
  if (profile == "starve") starve();
  if (profile == "office") office();
  if (profile == "ballots") ballots();
  if (profile == "uneven") uneven();
  if (profile == "bases") bases();
  if (profile == "betrayal") betrayal();
}

// The leader site orders with sites that do not hear each other, checkpoints every few entries and dies. What it
// ordered with is scattered; the others are a majority, and when their links heal they must go on by themselves.
// Crash faults alone.
void Planner::checkpoint_death() {
  Prng random = root_.fork("checkpoint death");
  plan_.sites = small(random.between(4, 5));
  plan_.faults = random.chance(1, 10) ? 2 : 1;
  if (plan_.real_crypto) plan_.faults = 1;
  membership_ = plan_.deployment().roster().membership;
  constexpr std::uint32_t kIntervals[] = {2, 4, 8};
  constexpr std::uint32_t kWindows[] = {2, 4, 16};
  plan_.options.checkpoint_interval = kIntervals[random.below(3)];
  plan_.options.window = kWindows[random.below(3)];
  plan_.options.batch_max = random.chance(3, 4) ? 1 : 4;
  plan_.patience = 120ms;
  plan_.delay = ms(random.between(5, 20));
  plan_.update_percent = 100;
  plan_.payload = 60;
  plan_.think = ms(random.between(0, 10));
  plan_.operations = plan_.real_crypto ? 12 : random.between(20, 40);
  const Duration death = ms(random.between(300, 1500));
  plan_.heal = death + ms(random.between(200, 2500));
  plan_.deadline = plan_.heal + ms(60'000);

  // Links between sites that do not lead are cut, most of them both ways and until all heals. The leader site keeps
  // the links to as many sites as it orders with; the others hear it now and then.
  const std::uint64_t kept = membership_.site_majority() - 1;
  const std::uint64_t first = random.below(plan_.sites - 1u);
  const auto away = [&](std::uint16_t site) { return (site - 1u + first) % (plan_.sites - 1u) >= kept; };
  for (std::uint16_t a = 0; a < plan_.sites; ++a)
    for (std::uint16_t b = static_cast<std::uint16_t>(a + 1); b < plan_.sites; ++b) {
      if (a == 0 && !away(b)) continue;
      const bool one_way = random.chance(1, 8);
      const Duration begin = random.chance(2, 3) ? Duration{} : ms(random.below(300));
      const Duration end = begin + ms(random.below(in_ms(death)));
      const bool joins = random.chance(1, 6);
      for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
        if (one_way && from == a) continue;
        cut(plan_, begin, from, to);
        if (joins) cut(plan_, end, from, to, FaultKind::Join);
      }
    }

  const bool at_once = random.chance(2, 3);
  for (std::uint16_t i = 0; i < membership_.site(SiteId(0)).servers; ++i) {
    const Duration at = death + (at_once ? 0ms : ms(random.below(100)));
    plan_.list.push_back({at, FaultKind::Crash, 0, 0, {SiteId(0), ServerIndex(i)}, 100, {}});
  }
}

// Clients that read as often as they write, at sites whose servers lag behind each other: LANs that lose much, and
// among the f one that says nothing, nothing true, or everything late.
void Planner::queries() {
  Prng random = root_.fork("queries");
  plan_.update_percent = static_cast<std::uint32_t>(random.between(30, 60));
  plan_.operations = plan_.real_crypto ? 12 : random.between(20, 30);
  plan_.think = ms(random.between(0, 5));
  plan_.delay = ms(random.between(5, 20));
  plan_.heal = ms(4000);
  plan_.deadline = plan_.heal + ms(60'000);
  emulator::LinkConfig lan = plan_.deployment().topology.lan;
  for (std::uint16_t site = 0; site < plan_.sites; ++site) {
    if (random.chance(1, 4)) continue;
    Fault fault;
    fault.at = ms(random.below(200));
    fault.kind = FaultKind::Lan;
    fault.from = site;
    fault.link = lan;
    fault.link.loss_ppm = static_cast<std::uint32_t>(random.between(20'000, 120'000));
    plan_.list.push_back(fault);
  }
  slow();
  constexpr Behaviour kKinds[] = {Behaviour::LyingReply, Behaviour::Silent, Behaviour::Replay, Behaviour::Late};
  for (std::size_t site = 0; site < membership_.sites.size(); ++site)
    if (random.chance(1, 2))
      if (const auto id = pick_server(random, SiteId(small(site))))
        plan_.traitors.push_back({*id, kKinds[random.below(plan_.protocol == Protocol::Steward ? 4 : 3)]});
}

// Many clients that each want something now and then, so that there is always room in a batch and no client comes
// twice for long; the leader site's first representatives hear all of them but one. Disks are slow: a representative
// is never idle for as long as its pace allows, and only what it passes over tells.
void Planner::starve() {
  Prng random = root_.fork("starve");
  plan_.real_crypto = false;  // that many clients have no time for it
  plan_.newcomers = 0;
  plan_.sites = 3;
  membership_ = plan_.deployment().roster().membership;
  plan_.clients = 60;
  plan_.update_percent = 100;
  plan_.payload = 50;
  plan_.operations = 2;
  plan_.think = ms(random.between(6'000, 7'000));
  plan_.delay = ms(random.between(5, 15));
  plan_.persist = ms(30);
  plan_.patience = ms(random.between(120, 250));
  plan_.options.batch_max = 256;
  plan_.options.window = 16;
  plan_.heal = ms(1000);
  plan_.served_within = ms(4500);
  plan_.deadline = ms(60'000);
  for (std::uint16_t i = 0; i < plan_.faults; ++i) {
    const ServerId id{SiteId(0), ServerIndex(i)};
    spoilt_.push_back(id);
    plan_.traitors.push_back({id, Behaviour::Starve});
  }
}

// Slow representatives, of the leader site or of all others, and nothing else that is wrong.
void Planner::office() {
  Prng random = root_.fork("office");
  plan_.newcomers = 0;
  plan_.sites = small(random.between(3, 4));
  if (!plan_.real_crypto && random.chance(1, 4)) plan_.faults = 2;
  membership_ = plan_.deployment().roster().membership;
  plan_.update_percent = 100;
  plan_.operations = 15;
  plan_.think = ms(random.between(0, 20));
  const bool leader = random.chance(1, 2);
  // Elsewhere only who takes long besides is slower than the least T1 allows; and where all servers combine, they see
  // the Accept at once that their representative keeps from others: T1 alone bounds that.
  if (!leader) plan_.options.fanout = "collector";
  plan_.delay = ms(leader ? random.between(5, 50) : random.between(45, 60));
  plan_.heal = ms(1000);
  plan_.office_within = ms(8000);
  plan_.deadline = ms(90'000);
  for (std::uint16_t site = leader ? 0 : 1; site < (leader ? 1 : plan_.sites); ++site)
    for (std::uint16_t i = 0; i < plan_.faults; ++i) {
      const ServerId id{SiteId(site), ServerIndex(i)};
      spoilt_.push_back(id);
      const bool deaf = leader && random.chance(1, 3);
      plan_.traitors.push_back({id, deaf ? Behaviour::Deaf : Behaviour::Late});
      // Its own estimates must not make its term longer.
      if (random.chance(1, 2)) plan_.traitors.push_back({id, Behaviour::Agitate});
    }
}

// Representatives whose batches break the rules, one after the other; clients leave, and what they said comes back.
void Planner::ballots() {
  Prng random = root_.fork("ballots");
  plan_.newcomers = static_cast<std::uint32_t>(random.between(1, 3));
  constexpr std::uint32_t kWindows[] = {4, 8};
  plan_.options.window = kWindows[random.below(2)];
  plan_.options.batch_max = random.chance(3, 4) ? 1 : 4;
  plan_.update_percent = 100;
  plan_.payload = 50;
  plan_.operations = plan_.real_crypto ? 12 : random.between(30, 50);
  plan_.think = ms(random.between(0, 5));
  plan_.delay = ms(random.between(10, 40));
  plan_.patience = 120ms;
  plan_.heal = ms(random.between(1500, 2500));
  plan_.deadline = plan_.heal + ms(60'000);
  for (std::size_t site = 0; site < membership_.sites.size(); ++site)
    for (std::uint16_t i = 0; i < membership_.sites[site].faults; ++i) {
      const ServerId id{SiteId(small(site)), ServerIndex(i)};
      spoilt_.push_back(id);
      plan_.traitors.push_back({id, Behaviour::Botch});
    }
}

// Client processes stop in the middle of what they do, and start again knowing nothing; links lose and delay, so that
// updates of the life before are still about.
void Planner::client_restarts() {
  Prng random = root_.fork("client restarts");
  const bool own_profile = plan_.profile == "clients";
  if (own_profile) {
    plan_.newcomers = 0;
    plan_.update_percent = 80;
    plan_.operations = random.between(8, 14);
    plan_.heal = ms(4000);
    plan_.deadline = plan_.heal + ms(60'000);
    lossy();
  }
  for (std::uint32_t client = 1; client <= plan_.clients; ++client) {
    if (!plan_.honest(client - 1) || random.chance(1, 4)) continue;
    const std::uint64_t lives = random.between(1, own_profile ? 4 : 2);
    for (std::uint64_t life = 0; life < lives; ++life) {
      Fault fault;
      fault.at = ms(random.below(in_ms(plan_.heal)));
      fault.kind = FaultKind::ClientRestart;
      fault.client = ClientId(client);
      fault.away = ms(random.chance(1, 2) ? random.below(30) : random.below(1500));
      plan_.list.push_back(fault);
    }
  }
}

// Sites of different f: what one f too few or too many would do shows where they meet.
void Planner::uneven() {
  Prng random = root_.fork("uneven");
  plan_.sites = small(random.between(3, 4));
  plan_.patience = random.chance(1, 2) ? 120ms : 250ms;
  plan_.heal = ms(random.between(6'000, 9'000));
  plan_.deadline = plan_.heal + ms(60'000);
  plan_.site_faults.assign(plan_.sites, 1);
  const std::uint64_t larger = random.below(plan_.sites);
  plan_.site_faults[larger] = plan_.real_crypto ? 1 : 2;
  for (std::uint16_t& f : plan_.site_faults)
    if (!plan_.real_crypto && random.chance(1, 4)) f = 2;
  plan_.site_faults[(larger + 1) % plan_.sites] = 1;
  plan_.faults = *std::ranges::max_element(plan_.site_faults);
  membership_ = plan_.deployment().roster().membership;
  if (random.chance(1, 2)) lossy();
  if (random.chance(2, 3)) partitions();
  if (random.chance(1, 2)) crashes();
  if (random.chance(1, 2)) byzantine();
  if (random.chance(1, 2)) spite();
}

// The site that leads next lags, asks for what binds it, and catches up while some answer: answers to its first and
// to its second question meet in one set.
void Planner::bases() {
  Prng random = root_.fork("bases");
  plan_.sites = small(random.between(4, 5));
  membership_ = plan_.deployment().roster().membership;
  plan_.patience = 120ms;
  plan_.delay = ms(random.between(5, 15));
  plan_.operations = plan_.real_crypto ? 12 : random.between(25, 40);
  plan_.think = ms(random.between(0, 10));
  plan_.update_percent = 100;
  plan_.payload = 50;
  plan_.options.batch_max = 1;
  plan_.options.window = 16;
  plan_.options.checkpoint_interval = 128;
  plan_.heal = ms(random.between(9'000, 12'000));
  plan_.deadline = plan_.heal + ms(60'000);
  // The next leader hears less and less of the first one, which is lost for it and then for all.
  const Duration behind = ms(random.between(200, 700));
  const Duration gone = behind + ms(random.between(100, 500));
  for (std::uint16_t other = 0; other < plan_.sites; ++other)
    if (other != 1 && (other == 0 || random.chance(3, 4))) cut(plan_, behind + ms(random.below(100)), other, 1);
  for (std::uint16_t other = 1; other < plan_.sites; ++other) cut_both(plan_, gone, 0, other);
  // Those who vote hear each other again about when the view changes, and then fall silent and come back in turn.
  for (std::uint16_t from = 1; from < plan_.sites; ++from)
    for (std::uint16_t to = 1; to < plan_.sites; ++to) {
      if (from == to) continue;
      Duration at = gone + ms(random.between(0, 1500));
      cut(plan_, at, from, to, FaultKind::Join);
      for (std::uint64_t i = random.between(1, 5); i > 0 && at < plan_.heal; --i) {
        at += ms(random.between(50, 1200));
        cut(plan_, at, from, to);
        at += ms(random.between(100, 1200));
        cut(plan_, at, from, to, FaultKind::Join);
      }
    }
  drift();
}

// Links are perfect. The representatives of all sites but the first show their Accepts to the first alone, lend
// nothing and keep Checkpoints to themselves; then the first site dies. The others are a majority and must go on.
void Planner::betrayal() {
  Prng random = root_.fork("betrayal");
  plan_.newcomers = 0;
  plan_.sites = plan_.real_crypto || random.chance(2, 3) ? 3 : 5;
  if (!plan_.real_crypto && random.chance(1, 8)) plan_.faults = 2;
  membership_ = plan_.deployment().roster().membership;
  constexpr std::uint32_t kIntervals[] = {2, 4, 8};
  plan_.options.checkpoint_interval = kIntervals[random.below(3)];
  plan_.options.window = random.chance(1, 2) ? 4 : 16;
  plan_.options.batch_max = random.chance(3, 4) ? 1 : 4;
  plan_.patience = 120ms;
  plan_.delay = ms(random.between(5, 20));
  plan_.update_percent = 100;
  plan_.payload = 60;
  plan_.think = ms(random.between(0, 10));
  plan_.operations = plan_.real_crypto ? 12 : random.between(20, 40);
  const Duration death = ms(random.between(300, 1500));
  plan_.heal = death + ms(random.between(200, 1500));
  plan_.deadline = plan_.heal + ms(60'000);
  for (std::uint16_t site = 1; site < plan_.sites; ++site)
    for (std::uint16_t i = 0; i < plan_.faults; ++i) {
      const ServerId id{SiteId(site), ServerIndex(i)};
      spoilt_.push_back(id);
      plan_.traitors.push_back({id, Behaviour::Betray});
    }
  for (std::uint16_t i = 0; i < membership_.site(SiteId(0)).servers; ++i)
    plan_.list.push_back({death, FaultKind::Crash, 0, 0, {SiteId(0), ServerIndex(i)}, 100, {}});
}

}  // namespace seneschal::lab::sim
