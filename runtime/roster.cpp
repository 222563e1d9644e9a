#include "runtime/roster.hpp"

#include <limits>

namespace seneschal {

std::string to_text(const Roster& roster) {
  const Membership& members = roster.membership;
  std::string text = "deployment = " + std::to_string(members.deployment.value) + "\n";
  for (std::size_t s = 0; s < members.sites.size(); ++s) {
    text += "site = " + std::to_string(members.sites[s].servers) + " " + std::to_string(members.sites[s].faults);
    for (NodeId node : roster.directory.servers[s]) text += " " + std::to_string(node.value);
    text += "\n";
  }
  for (std::size_t c = 0; c < members.clients.size(); ++c)
    text += "client = " + std::to_string(members.clients[c].id.value) + " " +
            std::to_string(members.clients[c].home.value) + " " +
            std::to_string(roster.directory.clients[c].node.value) + "\n";
  if (members.administrator) text += "administrator = " + std::to_string(members.administrator->value) + "\n";
  return text;
}

Roster read_roster(ConfigText& config) {
  constexpr std::uint64_t kMax16 = std::numeric_limits<std::uint16_t>::max();
  const auto narrow = [](std::uint64_t value) { return static_cast<std::uint16_t>(value); };
  Roster roster;
  roster.membership.deployment =
      DeploymentId(config.number("deployment", 0, std::numeric_limits<std::uint64_t>::max()));
  for (const auto& line : config.all("site")) {
    const auto values = config.numbers(line, 2, kMax16);
    const SiteInfo site{narrow(values[0]), narrow(values[1])};
    if (site.servers != 3 * site.faults + 1)
      config.fail(line.number, std::to_string(site.servers) + " servers with f = " + std::to_string(site.faults) +
                                   "; expected exactly 3f+1 = " + std::to_string(3 * site.faults + 1));
    if (values.size() != 2u + site.servers)
      config.fail(line.number, "expected the node of each of the " + std::to_string(site.servers) + " servers");
    roster.membership.sites.push_back(site);
    auto& nodes = roster.directory.servers.emplace_back();
    for (std::size_t i = 2; i < values.size(); ++i) nodes.push_back(NodeId(narrow(values[i])));
  }
  if (roster.membership.sites.empty()) config.fail(0, "no 'site' line; expected one for each site");
  for (const auto& line : config.all("client")) {
    const auto values = config.numbers(line, 3, std::numeric_limits<std::uint32_t>::max());
    const ClientId id(static_cast<std::uint32_t>(values[0]));
    if (id >= kLastClientId)
      config.fail(line.number, "client ids must be below " + std::to_string(kLastClientId.value));
    if (values[1] >= roster.membership.sites.size())
      config.fail(line.number, "client " + std::to_string(id.value) + " has the unknown home site " +
                                   std::to_string(values[1]) + "; expected one of the 'site' lines, from 0");
    if (!roster.membership.clients.empty() && roster.membership.clients.back().id >= id)
      config.fail(line.number, "clients are not ascending by id");
    roster.membership.clients.push_back({id, SiteId(narrow(values[1]))});
    roster.directory.clients.push_back({id, NodeId(narrow(values[2]))});
  }
  if (config.has("administrator")) {
    const ClientId id(
        static_cast<std::uint32_t>(config.number("administrator", 0, std::numeric_limits<std::uint32_t>::max())));
    if (roster.membership.client(id) == nullptr)
      config.fail(0, "the administrator, client " + std::to_string(id.value) + ", is none of the 'client' lines");
    else
      roster.membership.administrator = id;
  }
  return roster;
}

}  // namespace seneschal
