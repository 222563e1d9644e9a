#include "lab/sim/mishap_actor.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {

std::map<std::string, std::string> status_of(const ServerPart& server) {
  StatusList list;
  server.process->core().status(list);
  return {list.begin(), list.end()};
}

}  // namespace

MishapActor::MishapActor(const Deployment& deployment, const std::vector<Mishap>& mishaps, Assembly& assembly,
                         Instant begin)
    : deployment_(deployment), mishaps_(mishaps), assembly_(assembly) {
  for (std::size_t i = 0; i < mishaps.size(); ++i)
    assembly.world().schedule(begin + mishaps[i].at, *this, 0, static_cast<std::uint32_t>(i));
}

void MishapActor::fire(Instant now, std::uint32_t, std::uint32_t payload) {
  const Mishap& mishap = mishaps_[payload];
  assembly_.world().trace().text(now, "mishap", mishap.label());
  switch (mishap.kind) {
    case MishapKind::KillRepresentatives:
    case MishapKind::KillServers:
    case MishapKind::KillSites: return kill(mishap);
    case MishapKind::Cut: return cut(mishap, true);
    case MishapKind::Join: return cut(mishap, false);
    case MishapKind::Links:
    case MishapKind::Restore: return change_links(mishap);
    case MishapKind::Turn: return assembly_.turn();
  }
}

void MishapActor::kill(const Mishap& mishap) {
  for (std::uint16_t site : mishap.sites) {
    const std::uint16_t servers = deployment_.servers[site];
    std::vector<std::map<std::string, std::string>> alive;
    for (const ServerPart& server : assembly_.servers())
      if (server.site == site && server.process->alive()) alive.push_back(status_of(server));
    const auto victims = victims_of(mishap, representative_of(alive, deployment_.faults_at(site), servers), servers);
    for (ServerPart& server : assembly_.servers()) {
      const bool named = std::ranges::find(victims, server.id.index.value) != victims.end();
      if (server.site == site && (named || mishap.kind == MishapKind::KillSites)) server.process->kill();
    }
  }
  if (mishap.kind == MishapKind::KillSites) cut(mishap, true);  // the router is gone as well
}

void MishapActor::cut(const Mishap& mishap, bool is_cut) {
  const auto inside = [&](std::size_t site) {
    return std::ranges::find(mishap.sites, static_cast<std::uint16_t>(site)) != mishap.sites.end();
  };
  for (std::size_t from = 0; from < deployment_.sites(); ++from)
    for (std::size_t to = 0; to < deployment_.sites(); ++to)
      if (inside(from) != inside(to)) assembly_.network().cut(from, to, is_cut);
}

void MishapActor::change_links(const Mishap& mishap) {
  for (std::size_t from = 0; from < deployment_.sites(); ++from)
    for (std::size_t to = 0; to < deployment_.sites(); ++to) {
      const emulator::LinkConfig* clean = deployment_.topology.link(from, to);
      if (clean == nullptr) continue;
      assembly_.network().configure_wan(from, to, mishap.kind == MishapKind::Links ? mishap.changed(*clean) : *clean);
    }
}

ProtocolTimers timers_of(Assembly& assembly) {
  ProtocolTimers timers;
  for (const ServerPart& server : assembly.servers())
    if (server.process->alive()) take_timers(status_of(server), timers);
  return timers;
}

}  // namespace seneschal::lab::sim
