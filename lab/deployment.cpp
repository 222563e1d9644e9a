#include "lab/deployment.hpp"

#include "emulator/names.hpp"
#include "lab/files.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <numeric>

namespace seneschal::lab {

using emulator::TomlFile;
using emulator::TomlTable;

namespace {

constexpr std::int64_t kMaxFaults = 33;
constexpr std::int64_t kMaxClients = 4096;

constexpr std::string_view kProtocols[] = {"steward", "bft"};
constexpr std::string_view kApplications[] = {"kv", "sql"};
constexpr std::string_view kFanouts[] = {"collector", "all"};
constexpr std::string_view kStewardDeliveries[] = {"multicast", "representative"};
constexpr std::string_view kBftDeliveries[] = {"multicast", "unicast"};
constexpr std::string_view kGraphSources[] = {"declared", "flow", "conservative"};
constexpr std::int64_t kMostGraphUpdates = std::int64_t{1} << 40;
constexpr std::string_view kAuths[] = {"mac", "signatures"};
constexpr std::string_view kDurabilities[] = {"wal", "none"};

/// One of `allowed`, `fallback` if the key is missing.
std::string pick(const TomlTable& table, std::string_view key, std::span<const std::string_view> allowed,
                 const std::string& fallback) {
  std::size_t index = 0;
  for (std::size_t i = 0; i < allowed.size(); ++i)
    if (allowed[i] == fallback) index = i;
  return std::string(allowed[table.choice(key, allowed, index)]);
}

}  // namespace

std::string link_keys(const emulator::LinkConfig& link) {
  std::string text = fmt::format("delay_ms = {}\n", to_ms(link.delay));
  const auto add = [&](std::string_view key, double value) {
    if (value != 0) text += fmt::format("{} = {}\n", key, value);
  };
  add("jitter_ms", to_ms(link.jitter));
  add("bandwidth_mbps", static_cast<double>(link.bandwidth_bps) / 1e6);
  add("queue_kib", static_cast<double>(link.queue_bytes) / 1024);
  add("loss_percent", link.loss_ppm / 1e4);
  add("duplicate_percent", link.duplicate_ppm / 1e4);
  add("reorder_percent", link.reorder_ppm / 1e4);
  add("reorder_extra_ms", to_ms(link.reorder_extra));
  return text;
}

std::string_view to_string(Protocol protocol) {
  return kProtocols[static_cast<std::size_t>(protocol)];
}

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out + "\"";
}

std::uint32_t Deployment::server_count() const {
  return std::accumulate(servers.begin(), servers.end(), 0u);
}

Roster Deployment::roster() const {
  Roster roster;
  roster.membership.deployment = id;
  if (protocol == Protocol::Steward) {
    for (std::size_t s = 0; s < sites(); ++s) {
      roster.membership.sites.push_back({servers[s], faults_at(s)});
      roster.directory.servers.emplace_back(servers[s], node_of_site(s));
    }
  } else {
    roster.membership.sites.push_back({static_cast<std::uint16_t>(server_count()), faults});
    auto& nodes = roster.directory.servers.emplace_back();
    for (std::size_t s = 0; s < sites(); ++s) nodes.insert(nodes.end(), servers[s], node_of_site(s));
  }
  for (std::uint32_t c = 1; c <= clients; ++c) {
    const std::size_t site = site_of_client(ClientId(c));
    const SiteId home(protocol == Protocol::Steward ? static_cast<std::uint16_t>(site) : std::uint16_t{0});
    roster.membership.clients.push_back({ClientId(c), home});
    roster.directory.clients.push_back({ClientId(c), node_of_site(site)});
  }
  if (administrator != 0) roster.membership.administrator = ClientId(administrator);
  return roster;
}

std::vector<ServerId> Deployment::servers_on(NodeId node) const {
  std::vector<ServerId> found;
  const Directory directory = roster().directory;
  for (std::size_t s = 0; s < directory.servers.size(); ++s)
    for (std::size_t i = 0; i < directory.servers[s].size(); ++i)
      if (directory.servers[s][i] == node)
        found.push_back({SiteId(static_cast<std::uint16_t>(s)), ServerIndex(static_cast<std::uint16_t>(i))});
  return found;
}

std::vector<std::uint16_t> default_servers(Protocol protocol, std::uint16_t faults, std::size_t sites) {
  const auto n = static_cast<std::uint16_t>(3 * faults + 1);
  if (protocol == Protocol::Steward) return std::vector<std::uint16_t>(sites, n);
  std::vector<std::uint16_t> servers(sites, 0);
  for (std::uint16_t i = 0; i < n && sites > 0; ++i) ++servers[i % sites];
  return servers;
}

Protocol read_protocol(const TomlTable& table) {
  if (!table.has("protocol")) table.text("protocol");  // notes that it is missing
  return static_cast<Protocol>(table.choice("protocol", kProtocols, 0));
}

ProtocolOptions read_options(const TomlTable& table, Protocol protocol, const ProtocolOptions& base) {
  ProtocolOptions options = base;
  options.application = pick(table, "application", kApplications, base.application);
  options.batch_max = static_cast<std::uint32_t>(table.integer("batch_max", base.batch_max, {1, 1024}));
  options.window = static_cast<std::uint32_t>(table.integer("window", base.window, {1, 64}));
  // The flat baseline's log span is twice this, and a few thousand entries at most.
  const std::int64_t most = protocol == Protocol::Steward ? 1 << 16 : 1 << 12;
  options.checkpoint_interval =
      static_cast<std::uint32_t>(table.integer("checkpoint_interval", base.checkpoint_interval, {1, most}));
  options.durability = pick(table, "durability", kDurabilities, base.durability);
  options.log_growth_kb =
      static_cast<std::uint32_t>(table.integer("log_growth_kb", base.log_growth_kb, {1, 1 << 30}));
  options.accountability = table.boolean("accountability", base.accountability);
  options.graph_source = pick(table, "graph_source", kGraphSources, base.graph_source);
  options.graph_epoch = static_cast<std::uint64_t>(
      table.integer("graph_epoch", static_cast<std::int64_t>(base.graph_epoch), {0, kMostGraphUpdates}));
  options.graph_keep = static_cast<std::uint64_t>(
      table.integer("graph_keep", static_cast<std::int64_t>(base.graph_keep), {0, kMostGraphUpdates}));
  if (protocol == Protocol::Steward) {
    options.fanout = pick(table, "fanout", kFanouts, base.fanout);
    options.delivery = pick(table, "delivery", kStewardDeliveries, base.delivery);
  } else {
    options.delivery = pick(table, "delivery", kBftDeliveries, base.delivery);
    options.auth = pick(table, "auth", kAuths, base.auth);
  }
  return options;
}

KeySizes read_key_sizes(const TomlTable& table, const KeySizes& base) {
  KeySizes keys;
  keys.site_bits = static_cast<std::uint32_t>(table.integer("site_bits", base.site_bits, {512, 4096}));
  keys.server_bits = static_cast<std::uint32_t>(table.integer("server_bits", base.server_bits, {1024, 2048}));
  if (keys.server_bits != 1024 && keys.server_bits != 2048)
    table.fail("server_bits", "'server_bits' is neither 1024 (insecure, for comparison with old figures) nor 2048");
  if (keys.site_bits % 2 != 0) table.fail("site_bits", "'site_bits' is odd; expected an even number, as in 2048");
  return keys;
}

std::vector<std::uint16_t> read_servers(const TomlTable& table, Protocol protocol, std::uint16_t faults,
                                        std::size_t sites) {
  if (!table.has("servers")) return default_servers(protocol, faults, sites);
  std::vector<std::uint16_t> servers;
  for (std::int64_t n : table.integers("servers", {0, 1000})) servers.push_back(static_cast<std::uint16_t>(n));
  const unsigned n = 3u * faults + 1;
  if (servers.size() != sites) {
    table.fail("servers", fmt::format("'servers' lists {} sites; expected one number for each of the topology's {}",
                                      servers.size(), sites));
    return default_servers(protocol, faults, sites);
  }
  if (protocol == Protocol::Steward) {
    for (std::uint16_t at_site : servers)
      if (at_site != n)
        table.fail("servers", fmt::format("a site has {} servers with faults = {}; expected exactly 3f+1 = {} each",
                                          at_site, faults, n));
  } else if (std::accumulate(servers.begin(), servers.end(), 0u) != n) {
    table.fail("servers", fmt::format("the servers of all sites sum up to {} with faults = {}; expected 3f+1 = {}",
                                      std::accumulate(servers.begin(), servers.end(), 0u), faults, n));
  }
  return servers;
}

Result<Deployment> load_deployment(const std::string& path) {
  const auto file = TomlFile::load(path);
  if (!file) return std::unexpected(file.error());
  const TomlTable root = file->root();
  Deployment d;
  d.name = emulator::read_name(root, "name");
  d.protocol = read_protocol(root);
  d.id =
      DeploymentId(static_cast<std::uint64_t>(root.integer("id", 1, {1, std::numeric_limits<std::int64_t>::max()})));
  const std::string topology = root.text("topology");
  if (!topology.empty()) {
    auto loaded = emulator::load_topology(beside(path, topology));
    if (!loaded) return std::unexpected(loaded.error());
    d.topology = std::move(*loaded);
  }
  d.faults = static_cast<std::uint16_t>(root.integer("faults", 1, {1, kMaxFaults}));
  d.servers = read_servers(root, d.protocol, d.faults, d.sites());
  d.clients = static_cast<std::uint32_t>(root.integer("clients", 5, {1, kMaxClients}));
  d.administrator = static_cast<std::uint32_t>(root.integer("administrator", 0, {0, d.clients}));
  ProtocolOptions base;
  base.accountability = root.boolean("accountability", false);
  d.options = read_options(root.table("options"), d.protocol, base);
  d.keys = read_key_sizes(root.table("keys"), {});
  d.address = root.text("address", "127.0.0.1");
  d.base_port = static_cast<std::uint16_t>(root.integer("base_port", 0, {0, 65535 - emulator::kMaxSites}));
  d.shaped = root.boolean("shaped", true);
  if (Status good = file->finish(); !good) return std::unexpected(good.error());
  return d;
}

std::string to_toml(const emulator::Topology& topology) {
  std::string text =
      fmt::format("name = {}\ndescription = {}\nmesh = false\n\n[lan]\n{}\n", toml_quoted(topology.name),
                  toml_quoted(topology.description), link_keys(topology.lan));
  for (const auto& site : topology.sites) text += fmt::format("[[site]]\nname = {}\n", toml_quoted(site.name));
  for (std::size_t from = 0; from < topology.size(); ++from)
    for (std::size_t to = 0; to < topology.size(); ++to)
      if (const auto* link = from == to ? nullptr : topology.link(from, to))
        text +=
            fmt::format("\n[[link]]\nfrom = {}\nto = {}\none_way = true\n{}", toml_quoted(topology.sites[from].name),
                        toml_quoted(topology.sites[to].name), link_keys(*link));
  return text;
}

Status save_deployment(const Deployment& d, const std::string& dir) {
  std::string servers;
  for (std::uint16_t n : d.servers) servers += (servers.empty() ? "" : ", ") + std::to_string(n);
  std::string text = fmt::format(
      "name = {}\nprotocol = \"{}\"\nid = {}\ntopology = \"topology.toml\"\nfaults = {}\nservers = [{}]\n"
      "clients = {}\nadministrator = {}\naddress = {}\nbase_port = {}\nshaped = {}\n\n[options]\napplication = "
      "\"{}\"\nbatch_max = "
      "{}\nwindow = {}\ndurability = \"{}\"\nlog_growth_kb = {}\ncheckpoint_interval = {}\n",
      toml_quoted(d.name), to_string(d.protocol), d.id.value, d.faults, servers, d.clients, d.administrator,
      toml_quoted(d.address), d.base_port, d.shaped, d.options.application, d.options.batch_max, d.options.window,
      d.options.durability, d.options.log_growth_kb, d.options.checkpoint_interval);
  text += fmt::format("accountability = {}\ngraph_source = {}\ngraph_epoch = {}\ngraph_keep = {}\n",
                      d.options.accountability, toml_quoted(d.options.graph_source), d.options.graph_epoch,
                      d.options.graph_keep);
  if (d.protocol == Protocol::Steward)
    text += fmt::format("fanout = \"{}\"\ndelivery = \"{}\"\n", d.options.fanout, d.options.delivery);
  else
    text += fmt::format("delivery = \"{}\"\nauth = \"{}\"\n", d.options.delivery, d.options.auth);
  text += fmt::format("\n[keys]\nsite_bits = {}\nserver_bits = {}\n", d.keys.site_bits, d.keys.server_bits);
  if (Status good = write_file(dir + "/topology.toml", to_toml(d.topology)); !good) return good;
  return write_file(dir + "/deployment.toml", text);
}

}  // namespace seneschal::lab
