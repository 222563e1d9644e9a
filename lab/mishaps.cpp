#include "lab/mishaps.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>

namespace seneschal::lab {

using emulator::TomlTable;

namespace {

constexpr std::string_view kBehaviours[] = {
    "silent",  "bad-shares", "lying-reply", "replay",  "withhold", "equivocate", "repeat", "stall",
    "starve",  "poison",     "late",        "collude", "hoard",    "stray",      "forge",  "foreign",
    "slander", "agitate",    "phantom",     "flood",   "betray",   "botch",      "tease",  "show",
    "spoil",   "sly",        "shy",         "dawdle",  "deaf",     "frame",      "skip"};
static_assert(std::size(kBehaviours) == static_cast<std::size_t>(Behaviour::kLast) + 1);
constexpr std::string_view kMishapKinds[] = {
    "kill-representatives", "kill-servers", "kill-sites", "cut", "join", "links", "restore", "turn"};
static_assert(std::size(kMishapKinds) == static_cast<std::size_t>(MishapKind::kLast) + 1);
constexpr std::int64_t kMaxMultiple = 1000;

/// Servers of a site, from 0.
std::vector<std::uint16_t> server_list(const TomlTable& table, std::int64_t least_at_a_site) {
  std::vector<std::uint16_t> list;
  for (std::int64_t n : table.integers("servers", {0, least_at_a_site - 1}))
    list.push_back(static_cast<std::uint16_t>(n));
  return list;
}

std::vector<std::uint16_t> site_list(const TomlTable& table, const emulator::Topology& topology) {
  std::vector<std::string> names;
  for (const emulator::Site& site : topology.sites) names.push_back(site.name);
  std::vector<std::uint16_t> list;
  for (std::size_t site : table.positions("sites", names)) list.push_back(static_cast<std::uint16_t>(site));
  return list;
}

std::uint16_t least_servers(const std::vector<std::uint16_t>& servers) {
  return servers.empty() ? std::uint16_t{1} : std::max<std::uint16_t>(1, *std::ranges::min_element(servers));
}

std::optional<Within> read_within(const TomlTable& mishap) {
  if (!mishap.has("within")) return std::nullopt;
  const TomlTable table = mishap.table("within");
  const auto number = [&](std::string_view key) {
    return static_cast<std::uint32_t>(table.integer(key, 0, {0, kMaxMultiple}));
  };
  return Within{number("t1"), number("t2"), number("t3"), number("round_trips")};
}

bool names_sites(MishapKind kind) {
  return kind != MishapKind::Links && kind != MishapKind::Restore && kind != MishapKind::Turn;
}

std::string counted(const std::vector<std::uint16_t>& sites) {
  std::vector<int> from_one;
  for (std::uint16_t site : sites) from_one.push_back(site + 1);
  return fmt::format("[{}]", fmt::join(from_one, ", "));
}

}  // namespace

std::string_view to_string(Behaviour behaviour) {
  return kBehaviours[static_cast<std::size_t>(behaviour)];
}
std::span<const std::string_view> behaviour_names() {
  return kBehaviours;
}
std::string_view to_string(MishapKind kind) {
  return kMishapKinds[static_cast<std::size_t>(kind)];
}

std::string Mishap::label() const {
  const std::string where = fmt::format("{}", fmt::join(site_names, ", "));
  switch (kind) {
    case MishapKind::KillRepresentatives:
      return count == 1 ? "the representative of " + where + " dies"
                        : fmt::format("{} representatives of {} die", count, where);
    case MishapKind::KillServers: return fmt::format("servers {} of {} die", fmt::join(servers, ", "), where);
    case MishapKind::KillSites: return where + (sites.size() == 1 ? " is lost" : " are lost");
    case MishapKind::Cut: return where + (sites.size() == 1 ? " is cut off" : " are cut off");
    case MishapKind::Join: return where + (sites.size() == 1 ? " is joined again" : " are joined again");
    case MishapKind::Links: return fmt::format("links lose {} % and take {} ms longer", loss_ppm / 1e4, to_ms(extra));
    case MishapKind::Restore: return "all links get well";
    case MishapKind::Turn: return "the Byzantine servers begin";
  }
  return "";
}

bool Mishap::takes_away(std::size_t site) const {
  return (kind == MishapKind::KillSites || kind == MishapKind::Cut) &&
         std::ranges::find(sites, static_cast<std::uint16_t>(site)) != sites.end();
}

emulator::LinkConfig Mishap::changed(const emulator::LinkConfig& link) const {
  emulator::LinkConfig worse = link;
  worse.loss_ppm = std::min(emulator::kCertainPpm, link.loss_ppm + loss_ppm);
  worse.delay += extra;
  return worse;
}

std::vector<Traitor> traitors_of(const std::vector<Treason>& treasons, std::size_t sites) {
  std::vector<Traitor> traitors;
  for (const Treason& treason : treasons) {
    std::vector<std::uint16_t> at = treason.sites;
    if (at.empty()) {
      at.resize(sites);
      std::iota(at.begin(), at.end(), std::uint16_t{0});
    }
    for (std::uint16_t site : at)
      for (std::uint16_t server : treason.servers)
        traitors.push_back({{SiteId(site), ServerIndex(server)}, treason.behaviour});
  }
  return traitors;
}

bool turns(const std::vector<Mishap>& mishaps) {
  return std::ranges::find(mishaps, MishapKind::Turn, &Mishap::kind) != mishaps.end();
}

Duration longest_round_trip(const emulator::Topology& topology) {
  Duration longest{};
  for (std::size_t a = 0; a < topology.size(); ++a)
    for (std::size_t b = 0; b < topology.size(); ++b) {
      const auto *there = topology.link(a, b), *back = topology.link(b, a);
      if (there != nullptr && back != nullptr) longest = std::max(longest, there->delay + back->delay);
    }
  return longest;
}

Duration bound_of(const Within& within, const ProtocolTimers& timers) {
  return within.t1 * timers.t1 + within.t2 * timers.t2 + within.t3 * timers.t3 +
         within.round_trips * timers.round_trip;
}

std::string to_string(const Within& within) {
  std::string text;
  const auto add = [&](std::uint32_t times, std::string_view what) {
    if (times != 0) text += fmt::format("{}{} {}", text.empty() ? "" : " + ", times, what);
  };
  add(within.t1, "T1");
  add(within.t2, "T2");
  add(within.t3, "T3");
  add(within.round_trips, "round trips");
  return text;
}

std::vector<Mishap> read_mishaps(const TomlTable& series, const emulator::Topology& topology,
                                 const std::vector<std::uint16_t>& servers) {
  std::vector<Mishap> mishaps;
  for (const TomlTable& table : series.tables("event")) {
    Mishap mishap;
    mishap.at = table.duration("at_s", 1s);
    mishap.kind = static_cast<MishapKind>(table.choice("do", kMishapKinds, 0));
    if (!table.has("do")) table.text("do");
    if (names_sites(mishap.kind)) {
      mishap.sites = site_list(table, topology);
      for (std::uint16_t site : mishap.sites) mishap.site_names.push_back(topology.sites[site].name);
      if (mishap.sites.empty())
        table.fail("sites", "'sites' is missing or empty; expected a list such as sites = [1]");
    }
    if (mishap.kind == MishapKind::KillServers) {
      mishap.servers = server_list(table, least_servers(servers));
      if (mishap.servers.empty())
        table.fail("servers", "'servers' is missing or empty; expected a list such as servers = [0]");
    }
    if (mishap.kind == MishapKind::KillRepresentatives)
      mishap.count = static_cast<std::uint16_t>(table.integer("count", 1, {1, least_servers(servers)}));
    if (mishap.kind == MishapKind::Links) {
      mishap.loss_ppm = static_cast<std::uint32_t>(table.scaled("loss_percent", 10'000, 0, {0, 1'000'000}));
      mishap.extra = table.duration("extra_ms", 1ms, Duration{});
    }
    mishap.within = read_within(table);
    if (!mishaps.empty() && mishap.at < mishaps.back().at)
      table.fail("at_s", "'at_s' is before that of the event above; expected events in the order of their times");
    mishaps.push_back(std::move(mishap));
  }
  return mishaps;
}

std::vector<Treason> read_treasons(const TomlTable& series, const emulator::Topology& topology, std::uint16_t faults,
                                   const std::vector<std::uint16_t>& servers) {
  std::vector<Treason> treasons;
  const std::size_t sites = topology.size();
  std::vector<std::size_t> spoilt(sites);
  for (const TomlTable& table : series.tables("traitor")) {
    Treason treason;
    treason.behaviour = static_cast<Behaviour>(table.choice("behaviour", kBehaviours, 0));
    treason.sites = site_list(table, topology);
    treason.servers = server_list(table, least_servers(servers));
    if (treason.servers.empty())
      table.fail("servers", "'servers' is missing or empty; expected a list such as servers = [3]");
    for (const Traitor& traitor : traitors_of({treason}, sites)) ++spoilt[traitor.server.site.value];
    if (std::ranges::any_of(spoilt, [&](std::size_t n) { return n > faults; }))
      table.fail("servers", fmt::format("a site would have more than faults = {} Byzantine servers; nothing is "
                                        "promised for that",
                                        faults));
    treasons.push_back(std::move(treason));
  }
  return treasons;
}

std::string to_toml(const Mishap& mishap) {
  std::string text =
      fmt::format("[[series.event]]\nat_s = {}\ndo = \"{}\"\n", to_seconds(mishap.at), to_string(mishap.kind));
  if (names_sites(mishap.kind)) text += "sites = " + counted(mishap.sites) + "\n";
  if (mishap.kind == MishapKind::KillServers)
    text += fmt::format("servers = [{}]\n", fmt::join(mishap.servers, ", "));
  if (mishap.kind == MishapKind::KillRepresentatives) text += fmt::format("count = {}\n", mishap.count);
  if (mishap.kind == MishapKind::Links)
    text += fmt::format("loss_percent = {}\nextra_ms = {}\n", mishap.loss_ppm / 1e4, to_ms(mishap.extra));
  if (mishap.within)
    text += fmt::format("within = {{ t1 = {}, t2 = {}, t3 = {}, round_trips = {} }}\n", mishap.within->t1,
                        mishap.within->t2, mishap.within->t3, mishap.within->round_trips);
  return text;
}

std::string to_toml(const Treason& treason) {
  std::string text = fmt::format("[[series.traitor]]\nbehaviour = \"{}\"\n", to_string(treason.behaviour));
  if (!treason.sites.empty()) text += "sites = " + counted(treason.sites) + "\n";
  return text + fmt::format("servers = [{}]\n", fmt::join(treason.servers, ", "));
}

std::vector<std::uint16_t> victims_of(const Mishap& mishap, std::uint16_t representative, std::uint16_t servers) {
  if (mishap.kind == MishapKind::KillServers) return mishap.servers;
  std::vector<std::uint16_t> victims;
  for (std::uint16_t i = 0; i < mishap.count; ++i)
    victims.push_back(static_cast<std::uint16_t>((representative + i) % servers));
  return victims;
}

namespace {
std::optional<std::uint64_t> number_in(const std::map<std::string, std::string>& status, const char* key) {
  const auto it = status.find(key);
  if (it == status.end()) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = it->second.data() + it->second.size();
  const auto parsed = std::from_chars(it->second.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}
}  // namespace

std::uint16_t representative_of(const std::vector<std::map<std::string, std::string>>& statuses, std::uint16_t faults,
                                std::uint16_t servers) {
  std::vector<std::uint64_t> views;
  for (const auto& status : statuses)
    if (const auto view = number_in(status, "local_view")) views.push_back(*view);
  if (views.empty() || servers == 0) return 0;
  std::ranges::sort(views, std::greater{});
  return static_cast<std::uint16_t>(views[std::min<std::size_t>(faults, views.size() - 1)] % servers);
}

void take_timers(const std::map<std::string, std::string>& status, ProtocolTimers& timers) {
  constexpr std::pair<const char*, Duration ProtocolTimers::*> kTimers[] = {
      {"t1_us", &ProtocolTimers::t1},
      {"t2_us", &ProtocolTimers::t2},
      {"t3_us", &ProtocolTimers::t3},
      {"round_trip_us", &ProtocolTimers::round_trip}};
  for (const auto& [key, timer] : kTimers)
    if (const auto us = number_in(status, key))
      timers.*timer = std::max(timers.*timer, Duration(std::chrono::microseconds(*us)));
}

}  // namespace seneschal::lab
