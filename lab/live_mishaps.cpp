#include "lab/live_mishaps.hpp"

#include "lab/files.hpp"
#include "lab/node_report.hpp"

#include <signal.h>

#include <algorithm>

namespace seneschal::lab {

namespace {

/// What a cut link loses.
constexpr std::uint32_t kEverything = emulator::kCertainPpm;

bool names(const Mishap& mishap, std::size_t site) {
  return std::ranges::find(mishap.sites, static_cast<std::uint16_t>(site)) != mishap.sites.end();
}

}  // namespace

Status LiveMishaps::carry_out(const Mishap& mishap) {
  using emulator::LinkConfig;
  switch (mishap.kind) {
    case MishapKind::KillRepresentatives:
    case MishapKind::KillServers:
      for (std::uint16_t site : mishap.sites)
        if (Status killed = kill_replicas(mishap, site); !killed) return killed;
      return {};
    case MishapKind::KillSites:
      for (std::uint16_t site : mishap.sites) {
        const NodeId id = deployment_.node_of_site(site);
        gone_.insert(id);
        send_signal(cluster_.find(id)->process, SIGKILL);
      }
      return {};
    case MishapKind::Cut:
    case MishapKind::Join:
      return each_link([&](std::size_t from, std::size_t to, const LinkConfig& clean) -> std::optional<LinkConfig> {
        if (names(mishap, from) == names(mishap, to)) return std::nullopt;
        LinkConfig link = clean;
        if (mishap.kind == MishapKind::Cut) link.loss_ppm = kEverything;
        return link;
      });
    case MishapKind::Links:
    case MishapKind::Restore:
      return each_link([&](std::size_t, std::size_t, const LinkConfig& clean) -> std::optional<LinkConfig> {
        return mishap.kind == MishapKind::Links ? mishap.changed(clean) : clean;
      });
    case MishapKind::Turn: return write_file(cluster_.turned(), "");
  }
  return {};
}

Status LiveMishaps::kill_replicas(const Mishap& mishap, std::uint16_t site) {
  const ClusterNode& node = *cluster_.find(deployment_.node_of_site(site));
  const auto report = ask_node(node);
  if (!report) return std::unexpected(report.error());
  std::vector<std::map<std::string, std::string>> alive;
  for (const PluginReport& plugin : report->plugins)
    if (plugin.running) alive.push_back(plugin.status);
  const std::uint16_t servers = deployment_.servers[site];
  const Directory directory = deployment_.roster().directory;
  for (std::uint16_t victim : victims_of(mishap, representative_of(alive, deployment_.faults, servers), servers))
    if (Status ended = end_replica(node, directory.endpoint(ServerId{SiteId(site), ServerIndex(victim)}).port.value);
        !ended)
      return ended;
  return {};
}

Status LiveMishaps::each_link(const std::function<std::optional<emulator::LinkConfig>(
                                  std::size_t from, std::size_t to, const emulator::LinkConfig&)>& change) {
  for (std::size_t from = 0; from < deployment_.sites(); ++from) {
    const ClusterNode& node = *cluster_.find(deployment_.node_of_site(from));
    if (gone(node.id)) continue;
    for (std::size_t to = 0; to < deployment_.sites(); ++to) {
      const emulator::LinkConfig* clean = deployment_.topology.link(from, to);
      if (clean == nullptr) continue;
      const auto wanted = change(from, to, deployment_.shaped ? *clean : emulator::LinkConfig{});
      if (!wanted) continue;
      if (Status set = set_link(node, deployment_.node_of_site(to), *wanted); !set) return set;
    }
  }
  return {};
}

}  // namespace seneschal::lab
