#include "lab/sim/planner.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

emulator::LinkConfig Planner::bad_link(Prng& random, emulator::LinkConfig link) const {
  const std::uint64_t mood = random.below(4);
  if (mood != 0) link.loss_ppm = static_cast<std::uint32_t>(random.below(50'001));
  if (mood != 1) {
    // Plan files hold whole microseconds.
    const auto us = link.delay / 1us * static_cast<std::int64_t>(random.below(100)) / 100;
    link.jitter = std::chrono::microseconds(us);
  }
  if (mood >= 2) {
    link.duplicate_ppm = static_cast<std::uint32_t>(random.below(60'001));
    link.reorder_ppm = static_cast<std::uint32_t>(random.below(100'001));
    link.reorder_extra = link.delay * static_cast<std::int64_t>(random.between(1, 4)) + ms(1);
  }
  return link;
}

void Planner::lossy() {
  Prng random = root_.fork("lossy");
  const Deployment deployment = plan_.deployment();
  for (std::uint16_t from = 0; from < plan_.sites; ++from) {
    if (random.chance(1, 2)) {
      Fault fault;
      fault.at = ms(random.below(500));
      fault.kind = FaultKind::Lan;
      fault.from = from;
      fault.link = bad_link(random, deployment.topology.lan);
      plan_.list.push_back(fault);
    }
    for (std::uint16_t to = 0; to < plan_.sites; ++to) {
      if (from == to || random.chance(1, 4)) continue;
      Fault fault;
      fault.at = ms(random.below(500));
      fault.kind = FaultKind::Link;
      fault.from = from;
      fault.to = to;
      fault.link = bad_link(random, *deployment.topology.link(from, to));
      plan_.list.push_back(fault);
    }
  }
}

void Planner::partitions() {
  Prng random = root_.fork("partitions");
  const std::uint64_t count = random.between(1, 3);
  // Views change: the leader site is cut off until another one leads.
  if (plan_.protocol == Protocol::Steward && random.chance(1, 2)) {
    const Duration begin = ms(random.below(1000));
    for (std::uint16_t other = 1; other < plan_.sites; ++other) {
      plan_.list.push_back({begin, FaultKind::Cut, 0, other, {}, 100, {}});
      plan_.list.push_back({begin, FaultKind::Cut, other, 0, {}, 100, {}});
    }
    return;
  }
  const auto end = static_cast<std::uint64_t>(plan_.heal / ms(1));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t side = random.between(1, (std::uint64_t{1} << plan_.sites) - 2);
    const bool one_way = random.chance(1, 4);
    const Duration begin = ms(random.below(end * 2 / 3));
    const Duration length = ms(random.between(50, end / 2));
    for (std::uint16_t from = 0; from < plan_.sites; ++from) {
      for (std::uint16_t to = 0; to < plan_.sites; ++to) {
        const bool out = (side >> from & 1) != 0 && (side >> to & 1) == 0;
        const bool in = (side >> from & 1) == 0 && (side >> to & 1) != 0;
        if (!out && (!in || one_way)) continue;
        plan_.list.push_back({begin, FaultKind::Cut, from, to, {}, 100, {}});
        plan_.list.push_back({begin + length, FaultKind::Join, from, to, {}, 100, {}});
      }
    }
  }
}

bool Planner::restart(Prng& random, Duration at, ServerId id, world::DiskFate disk) {
  const auto taken = [&](const Fault& f) {
    return f.server == id && (f.kind == FaultKind::Restart || f.kind == FaultKind::Crash);
  };
  if (std::ranges::any_of(plan_.list, taken)) return false;  // one life after another: one restart each
  Fault fault;
  fault.at = at;
  fault.kind = FaultKind::Restart;
  fault.server = id;
  fault.away = ms(random.between(1, 600));
  fault.disk = disk;
  plan_.list.push_back(fault);
  return true;
}

// Servers that come back: single ones, whole sites, all sites at once, with their disks whole or torn. Those whose
// disk is lost or full count among the f.
void Planner::restarts() {
  Prng random = root_.fork("restarts");
  const bool logs = plan_.options.durability == "wal";  // without, whoever starts again has lost what it said
  const auto end = static_cast<std::uint64_t>(plan_.heal / ms(1));
  const auto fate = [&] { return random.chance(1, 2) ? world::DiskFate::Torn : world::DiskFate::Kept; };
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    if (random.chance(1, logs ? 2 : 4)) continue;
    const auto id = pick_server(random, SiteId(small(site)));
    if (!id) continue;
    const Duration at = ms(random.below(end));
    if (!logs || random.chance(1, 2)) {
      restart(random, at, *id, world::DiskFate::Lost);
    } else {
      Fault fault;
      fault.at = at;
      fault.kind = FaultKind::DiskFull;
      fault.server = *id;
      plan_.list.push_back(fault);
    }
  }
  if (!logs) return;
  const std::uint64_t scale = random.below(4);  // 0: nothing common; 1: single servers; 2: sites; 3: everything
  const Duration together = ms(random.below(end));
  for (std::size_t site = 0; site < membership_.sites.size() && scale != 0; ++site) {
    const bool whole = scale == 3 || (scale == 2 && random.chance(1, 2));
    for (std::uint16_t i = 0; i < membership_.sites[site].servers; ++i) {
      const ServerId id{SiteId(small(site)), ServerIndex(i)};
      if (std::ranges::find(spoilt_, id) != spoilt_.end()) continue;
      if (!whole && (scale != 1 || !random.chance(1, 4))) continue;
      // Drawn before the call: compilers evaluate arguments in any order.
      const Duration at = whole ? together : ms(random.below(end));
      restart(random, at, id, fate());
    }
  }
}

void Planner::drift() {
  Prng random = root_.fork("drift");
  for (std::size_t site = 0; site < membership_.sites.size(); ++site)
    for (std::uint16_t i = 0; i < membership_.sites[site].servers; ++i) {
      if (random.chance(1, 2)) continue;
      // Ordinary crystals are within 200 ppm; a broken one may be a tenth off.
      const std::uint64_t most = random.chance(1, 4) ? 100'000 : 200;
      Fault fault;
      fault.at = ms(random.below(500));
      fault.kind = FaultKind::Drift;
      fault.server = {SiteId(small(site)), ServerIndex(i)};
      fault.ppm = static_cast<std::int32_t>(random.below(2 * most + 1)) - static_cast<std::int32_t>(most);
      plan_.list.push_back(fault);
    }
}

std::size_t Planner::spoilt_in(SiteId site) const {
  return static_cast<std::size_t>(std::ranges::count(spoilt_, site, &ServerId::site));
}

std::optional<ServerId> Planner::pick_server(Prng& random, SiteId site) {
  const SiteInfo& info = membership_.site(site);
  if (spoilt_in(site) >= info.faults) return std::nullopt;
  // Server 0 is the representative (or primary) of view 0; the flat baseline has no other view.
  const std::uint64_t first = plan_.protocol == Protocol::Steward ? 0 : 1;
  const ServerId id{site, ServerIndex(small(random.between(first, info.servers - 1u)))};
  if (std::ranges::find(spoilt_, id) != spoilt_.end()) return std::nullopt;
  spoilt_.push_back(id);
  return id;
}

void Planner::crashes() {
  Prng random = root_.fork("crashes");
  const auto end = static_cast<std::uint64_t>(plan_.heal / ms(1));
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    if (random.chance(1, 4)) continue;
    const SiteId id(small(site));
    if (plan_.protocol != Protocol::Steward || random.chance(1, 4)) {
      if (auto server = pick_server(random, id))
        plan_.list.push_back({ms(random.below(end)), FaultKind::Crash, 0, 0, *server, 100, {}});
      continue;
    }
    // One representative after the other, as they come to lead.
    for (std::uint16_t i = 0; spoilt_in(id) < membership_.site(id).faults; ++i) {
      const ServerId server{id, ServerIndex(i)};
      if (std::ranges::find(spoilt_, server) != spoilt_.end()) continue;
      spoilt_.push_back(server);
      plan_.list.push_back({ms(random.below(1000) + 2000 * i), FaultKind::Crash, 0, 0, server, 100, {}});
    }
  }
}

// The leader site, or another one; a majority stays.
void Planner::site_crash() {
  Prng random = root_.fork("site crash");
  const SiteId site(small(random.chance(2, 3) ? 0 : random.between(1, plan_.sites - 1u)));
  const Duration begin = ms(random.below(1500));
  for (std::uint16_t i = 0; i < membership_.site(site).servers; ++i)
    plan_.list.push_back({begin, FaultKind::Crash, 0, 0, {site, ServerIndex(i)}, 100, {}});
}

void Planner::slow() {
  Prng random = root_.fork("slow");
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    if (random.chance(1, 3)) continue;
    const ServerId id{SiteId(small(site)), ServerIndex(small(random.below(membership_.sites[site].servers)))};
    const auto percent = static_cast<std::uint32_t>(random.between(150, 1500));
    plan_.list.push_back({ms(random.below(500)), FaultKind::Slow, 0, 0, id, percent, {}});
  }
}

// A plain disk under load takes tenths of a second for a write, a failing or a distant one seconds.
void Planner::slow_disks() {
  Prng random = root_.fork("slow disks");
  constexpr Duration kWrites[] = {200ms, 700ms, 1500ms, 4000ms};
  const Duration write = kWrites[random.below(4)];
  enum class Scale : std::uint8_t { All, Some, Sites, AllLater };
  // Among other faults disks are well again when everything is.
  const bool alone = plan_.profile == "disk";
  const auto scale = static_cast<Scale>(random.between(alone ? 0 : 1, 3));
  if (alone) {
    plan_.operations = std::min<std::uint64_t>(plan_.operations, 4);
    plan_.clients = std::min(plan_.clients, 4u);
    plan_.heal = ms(random.between(30'000, 120'000));
  }
  plan_.deadline = plan_.heal + 120s;
  if (scale == Scale::All) {
    plan_.persist = write;  // for ever
    plan_.deadline = plan_.heal + 600 * write;
  }
  const auto slow = [&](std::size_t site, std::uint16_t index, Duration at) {
    Fault fault;
    fault.at = at;
    fault.kind = FaultKind::SlowDisk;
    fault.server = {SiteId(small(site)), ServerIndex(index)};
    fault.persist = write;
    plan_.list.push_back(fault);
  };
  for (std::size_t site = 0; site < membership_.sites.size() && scale != Scale::All; ++site) {
    const SiteInfo& info = membership_.sites[site];
    const bool whole = scale == Scale::AllLater || (scale == Scale::Sites && random.chance(1, 2));
    const Duration at = scale == Scale::AllLater ? ms(random.below(5'000)) : Duration{};
    const std::uint64_t first = random.below(info.servers);
    const std::uint64_t count = whole ? info.servers : (scale == Scale::Some ? info.faults : 0);
    for (std::uint64_t i = 0; i < count; ++i) slow(site, small((first + i) % info.servers), at);
  }
  if (alone && random.chance(1, 4)) crashes();
}

void Planner::byzantine() {
  Prng random = root_.fork("byzantine");
  constexpr Behaviour kKinds[] = {
      Behaviour::Silent, Behaviour::BadShares, Behaviour::LyingReply, Behaviour::Replay, Behaviour::Withhold,
      Behaviour::Stall,  Behaviour::Starve,    Behaviour::Equivocate, Behaviour::Poison, Behaviour::Late};
  // One mind in all sites, often as the first representative.
  const bool together = plan_.protocol == Protocol::Steward && random.chance(1, 3);
  for (std::size_t site = 0; together && site < membership_.sites.size(); ++site) {
    const SiteId id(small(site));
    const ServerId first{id, ServerIndex(0)};
    const bool free = spoilt_in(id) < membership_.site(id).faults;
    if (free && std::ranges::find(spoilt_, first) == spoilt_.end() && random.chance(1, 2)) {
      spoilt_.push_back(first);
      plan_.traitors.push_back({first, Behaviour::Collude});
    } else if (auto server = pick_server(random, id)) {
      plan_.traitors.push_back({*server, Behaviour::Collude});
    }
  }
  for (std::size_t site = 0; !together && site < membership_.sites.size(); ++site) {
    if (random.chance(1, 4)) continue;
    // The flat baseline has no view change: what only another primary could mend is left out.
    Behaviour kind = kKinds[random.below(plan_.protocol == Protocol::Steward ? std::size(kKinds) : 5)];
    if (plan_.protocol == Protocol::Bft && kind == Behaviour::BadShares) kind = Behaviour::Replay;
    if (auto id = pick_server(random, SiteId(small(site)))) plan_.traitors.push_back({*id, kind});
  }
}

// What is left of section 9, by servers that do nothing else wrong and by those that do. In half of the seeds.
void Planner::spite() {
  Prng random = root_.fork("spite");
  if (random.chance(1, 2)) return;
  // The flat baseline knows only the last three of them.
  constexpr Behaviour kKinds[] = {Behaviour::Forge,   Behaviour::Slander, Behaviour::Agitate, Behaviour::Phantom,
                                  Behaviour::Hoard,   Behaviour::Repeat,  Behaviour::Betray,  Behaviour::Stray,
                                  Behaviour::Foreign, Behaviour::Flood};
  const auto any = [&] {
    const std::size_t first = plan_.protocol == Protocol::Steward ? 0 : std::size(kKinds) - 3;
    return kKinds[random.between(first, std::size(kKinds) - 1)];
  };
  const std::vector<Traitor> known = plan_.traitors;
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    const SiteId id(small(site));
    const auto already = std::ranges::find(known, id, [](const Traitor& traitor) { return traitor.server.site; });
    if (already != known.end() && random.chance(2, 3)) plan_.traitors.push_back({already->server, any()});
    if (random.chance(1, 4)) continue;
    if (const auto server = pick_server(random, id)) plan_.traitors.push_back({*server, any()});
  }
}

// Now and then a representative keeps the form of its office and breaks the rules for batches.
void Planner::botch() {
  Prng random = root_.fork("botch");
  if (plan_.protocol != Protocol::Steward || !random.chance(1, 6)) return;
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    const ServerId first{SiteId(small(site)), ServerIndex(0)};
    const bool free = spoilt_in(first.site) < membership_.site(first.site).faults;
    if (!free || std::ranges::find(spoilt_, first) != spoilt_.end()) continue;
    spoilt_.push_back(first);
    plan_.traitors.push_back({first, Behaviour::Botch});
  }
}

// Servers that try to have correct representatives replaced, or to slow their site down unseen. In a third of the
// seeds, by servers that do nothing else wrong and by those that do.
void Planner::provocations() {
  Prng random = root_.fork("provocations");
  if (random.chance(2, 3)) return;
  const std::vector<Traitor> known = plan_.traitors;
  for (std::size_t site = 0; site < membership_.sites.size(); ++site) {
    const SiteId id(small(site));
    constexpr Behaviour kKinds[] = {Behaviour::Tease, Behaviour::Show,  Behaviour::Spoil,
                                    Behaviour::Sly,   Behaviour::Shy,   Behaviour::Dawdle,
                                    Behaviour::Deaf,  Behaviour::Frame, Behaviour::Skip};
    const Behaviour kind = kKinds[random.below(std::size(kKinds))];
    const auto already = std::ranges::find(known, id, [](const Traitor& traitor) { return traitor.server.site; });
    if (already != known.end() && random.chance(1, 2)) plan_.traitors.push_back({already->server, kind});
    if (random.chance(1, 4)) continue;
    if (const auto server = pick_server(random, id)) plan_.traitors.push_back({*server, kind});
  }
}

// Checkpoints every few entries, and a site away while many are ordered; whoever lends states may lie.
void Planner::lagging() {
  Prng random = root_.fork("lagging");
  plan_.options.batch_max = 1;
  plan_.options.window = 8;
  const auto interval = static_cast<std::uint32_t>(random.between(2, 8));
  if (plan_.protocol == Protocol::Steward) plan_.options.checkpoint_interval = interval;
  plan_.operations = random.between(40, 70);
  plan_.think = ms(random.below(10));
  plan_.progress = plan_.protocol == Protocol::Steward;  // the baseline has no state transfer
  plan_.heal = ms(random.between(6000, 9000));
  plan_.deadline = plan_.heal + ms(90'000);
  const std::uint16_t away = small(random.between(1, plan_.sites - 1u));
  const Duration begin = ms(random.below(500));
  const Duration end = plan_.heal - ms(random.between(100, 3000));
  for (std::uint16_t other = 0; other < plan_.sites; ++other) {
    if (other == away) continue;
    for (auto [from, to] : {std::pair{away, other}, std::pair{other, away}}) {
      plan_.list.push_back({begin, FaultKind::Cut, from, to, {}, 100, {}});
      plan_.list.push_back({end, FaultKind::Join, from, to, {}, 100, {}});
    }
  }
  if (random.chance(1, 2)) lossy();
  for (std::size_t site = 0; site < membership_.sites.size(); ++site)
    if (random.chance(3, 4))
      if (auto id = pick_server(random, SiteId(small(site)))) plan_.traitors.push_back({*id, Behaviour::Poison});
}

// Views change all the time and what belongs to one comes out in the next: leader sites are cut off, or cannot be
// heard, about as long as it takes to replace them; their representatives hoard.
void Planner::seams() {
  Prng random = root_.fork("seams");
  for (std::size_t site = 0; site < membership_.sites.size(); ++site)
    for (std::uint16_t i = 0; i < plan_.faults_of(SiteId(small(site))); ++i) {
      const ServerId id{SiteId(small(site)), ServerIndex(i)};
      spoilt_.push_back(id);
      plan_.traitors.push_back({id, Behaviour::Hoard});
    }
  // What T3 comes to: 7 round trips, about; times f+2.5 and f+3. [Steward 6]
  const Duration t1 = std::max(plan_.patience, 7 * (2 * plan_.delay + 8ms));
  const Duration t3 = t1 * (2 * plan_.faults + 5) / 2 * (plan_.faults + 3);
  Duration begin = ms(random.between(100, 600));
  for (std::uint16_t leader = 0; leader < plan_.sites && begin < plan_.heal; ++leader) {
    const Duration end = begin + t3 * static_cast<std::int64_t>(random.between(95, 150)) / 100;
    const bool hears = random.chance(1, 2);
    for (std::uint16_t other = 0; other < plan_.sites; ++other) {
      if (other == leader) continue;
      for (auto [from, to] : {std::pair{leader, other}, std::pair{other, leader}}) {
        if (hears && to == leader) continue;
        plan_.list.push_back({begin, FaultKind::Cut, from, to, {}, 100, {}});
        plan_.list.push_back({end, FaultKind::Join, from, to, {}, 100, {}});
      }
    }
    begin = end + ms(random.between(0, 400));
  }
}

// In the flat baseline, which changes no view, such a leader may stop everything: safety only.
void Planner::equivocation() {
  if (plan_.protocol == Protocol::Bft) {
    plan_.progress = false;
    plan_.deadline = std::min(plan_.deadline, plan_.heal + ms(3000));
  }
  const ServerId leader{SiteId(0), ServerIndex(0)};
  spoilt_.push_back(leader);
  const bool repeats = root_.fork("equivocation").chance(1, 2);
  plan_.traitors.push_back({leader, repeats ? Behaviour::Repeat : Behaviour::Equivocate});
}

}  // namespace seneschal::lab::sim
