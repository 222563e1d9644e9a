#include "emulator/toml_file.hpp"
#include "lab/sim/plan.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

using emulator::Range;
using emulator::TomlFile;
using emulator::TomlTable;

namespace {

constexpr std::string_view kProtocols[] = {"steward", "bft"};
constexpr std::string_view kFaultKinds[] = {"link",    "lan",       "cut",   "join",      "crash",         "slow",
                                            "restart", "disk-full", "drift", "slow-disk", "client-restart"};
constexpr std::string_view kDiskFates[] = {"kept", "torn", "lost"};
constexpr std::int64_t kMaxDriftPpm = 500'000;
constexpr std::int64_t kMaxUs = std::int64_t{24} * 3600 * 1'000'000;

// Durations are written in whole nanoseconds or microseconds: what is read back is exactly what ran.
std::string line(std::string_view key, std::uint64_t value) {
  return std::string(key) + " = " + std::to_string(value) + "\n";
}
std::string line(std::string_view key, Duration value) {
  return line(std::string(key) + "_us", static_cast<std::uint64_t>(value.count() / 1000));
}
Duration read_us(const TomlTable& table, const std::string& key, Duration fallback) {
  return Duration(table.integer(key + "_us", fallback.count() / 1000, Range{0, kMaxUs}) * 1000);
}
template <class T>
T read_number(const TomlTable& table, std::string_view key, T fallback, std::int64_t low, std::int64_t high) {
  return static_cast<T>(table.integer(key, static_cast<std::int64_t>(fallback), Range{low, high}));
}

std::string link_lines(const emulator::LinkConfig& link) {
  return line("delay", link.delay) + line("jitter", link.jitter) + line("bandwidth_bps", link.bandwidth_bps) +
         line("loss_ppm", link.loss_ppm) + line("duplicate_ppm", link.duplicate_ppm) +
         line("reorder_ppm", link.reorder_ppm) + line("reorder_extra", link.reorder_extra);
}

emulator::LinkConfig read_link(const TomlTable& table) {
  const std::int64_t certain = emulator::kCertainPpm;
  emulator::LinkConfig link;
  link.delay = read_us(table, "delay", {});
  link.jitter = read_us(table, "jitter", {});
  link.bandwidth_bps = read_number<std::uint64_t>(table, "bandwidth_bps", 0, 0, std::int64_t{1} << 50);
  link.loss_ppm = read_number<std::uint32_t>(table, "loss_ppm", 0, 0, certain);
  link.duplicate_ppm = read_number<std::uint32_t>(table, "duplicate_ppm", 0, 0, certain);
  link.reorder_ppm = read_number<std::uint32_t>(table, "reorder_ppm", 0, 0, certain);
  link.reorder_extra = read_us(table, "reorder_extra", {});
  return link;
}

bool uses_link(FaultKind kind) {
  return kind == FaultKind::Link || kind == FaultKind::Lan;
}
bool uses_server(FaultKind kind) {
  return kind == FaultKind::Crash || kind == FaultKind::Slow || kind == FaultKind::Restart ||
         kind == FaultKind::DiskFull || kind == FaultKind::Drift || kind == FaultKind::SlowDisk;
}

std::string fault_lines(const Fault& fault) {
  std::string text =
      "\n[[fault]]\n" + line("at", fault.at) + "kind = \"" + std::string(to_string(fault.kind)) + "\"\n";
  if (uses_server(fault.kind)) {
    text += line("site", fault.server.site.value) + line("server", fault.server.index.value);
    if (fault.kind == FaultKind::Slow) text += line("percent", fault.percent);
    if (fault.kind == FaultKind::Restart)
      text += line("away", fault.away) + "disk = \"" + std::string(kDiskFates[static_cast<std::size_t>(fault.disk)]) +
              "\"\n";
    if (fault.kind == FaultKind::Drift) text += "ppm = " + std::to_string(fault.ppm) + "\n";
    if (fault.kind == FaultKind::SlowDisk) text += line("persist", fault.persist);
    return text;
  }
  if (fault.kind == FaultKind::ClientRestart)
    return text + line("client", fault.client.value) + line("away", fault.away);
  text += line("from", fault.from);
  if (fault.kind != FaultKind::Lan) text += line("to", fault.to);
  if (uses_link(fault.kind)) text += link_lines(fault.link);
  return text;
}

ServerId read_server(const TomlTable& table, const Membership& membership) {
  ServerId id{SiteId(read_number<std::uint16_t>(table, "site", 0, 0, 0xffff)),
              ServerIndex(read_number<std::uint16_t>(table, "server", 0, 0, 0xffff))};
  if (membership.knows(Principal::of(id))) return id;
  table.fail("server", "there is no server " + to_string(id) + "; expected one of the plan's " +
                           std::to_string(membership.sites.size()) + " group(s) of servers");
  return {};
}

Fault read_fault(const TomlTable& table, const Plan& plan, const Membership& membership) {
  Fault fault;
  fault.at = read_us(table, "at", {});
  fault.kind = static_cast<FaultKind>(table.choice("kind", kFaultKinds, 0));
  if (uses_server(fault.kind)) {
    fault.server = read_server(table, membership);
    if (fault.kind == FaultKind::Slow) fault.percent = read_number<std::uint32_t>(table, "percent", 100, 1, 100'000);
    if (fault.kind == FaultKind::Restart) {
      fault.away = read_us(table, "away", {});
      fault.disk = static_cast<world::DiskFate>(table.choice("disk", kDiskFates, 0));
    }
    if (fault.kind == FaultKind::Drift)
      fault.ppm = read_number<std::int32_t>(table, "ppm", 0, -kMaxDriftPpm, kMaxDriftPpm);
    if (fault.kind == FaultKind::SlowDisk) fault.persist = read_us(table, "persist", plan.persist);
    return fault;
  }
  if (fault.kind == FaultKind::ClientRestart) {
    fault.client = ClientId(read_number<std::uint32_t>(table, "client", 1, 1, plan.clients));
    fault.away = read_us(table, "away", {});
    return fault;
  }
  fault.from = read_number<std::uint16_t>(table, "from", 0, 0, plan.sites - 1);
  if (fault.kind != FaultKind::Lan) fault.to = read_number<std::uint16_t>(table, "to", 0, 0, plan.sites - 1);
  if (uses_link(fault.kind)) fault.link = read_link(table);
  return fault;
}

// The largest is what `faults` says, whatever the file does.
void read_site_faults(const TomlTable& root, Plan& plan) {
  for (const std::int64_t f : root.integers("site_faults", Range{1, 10}))
    plan.site_faults.push_back(static_cast<std::uint16_t>(f));
  if (plan.site_faults.empty()) return;
  if (plan.site_faults.size() != plan.sites)
    root.fail("site_faults", "there are " + std::to_string(plan.site_faults.size()) +
                                 " numbers; expected one for each of " + std::to_string(plan.sites) + " sites");
  plan.faults = *std::ranges::max_element(plan.site_faults);
}

Plan read_plan(const TomlTable& root) {
  Plan plan;
  plan.seed = read_number<std::uint64_t>(root, "seed", 1, 0, std::int64_t{1} << 62);
  plan.protocol = static_cast<Protocol>(root.choice("protocol", kProtocols, 0));
  plan.profile = root.text("profile", "swarm");
  plan.sites = read_number<std::uint16_t>(root, "sites", plan.sites, 1, 16);
  plan.faults = read_number<std::uint16_t>(root, "faults", plan.faults, 1, 10);
  read_site_faults(root, plan);
  plan.clients = read_number<std::uint32_t>(root, "clients", plan.clients, 1, 1000);
  plan.newcomers = read_number<std::uint32_t>(root, "newcomers", plan.newcomers, 0, 1000);
  plan.two_faced = read_number<std::uint32_t>(root, "two_faced_clients", 0, 0, plan.clients);
  plan.delay = read_us(root, "delay", plan.delay);
  plan.bandwidth_bps =
      read_number<std::uint64_t>(root, "bandwidth_bps", plan.bandwidth_bps, 0, std::int64_t{1} << 50);
  plan.operations = read_number<std::uint64_t>(root, "operations", plan.operations, 1, 1'000'000);
  plan.payload = read_number<std::uint32_t>(root, "payload", plan.payload, 1, 8192);
  plan.update_percent = read_number<std::uint32_t>(root, "update_percent", plan.update_percent, 0, 100);
  plan.think = read_us(root, "think", plan.think);
  plan.persist = read_us(root, "persist", plan.persist);
  plan.patience = read_us(root, "patience", plan.patience);
  plan.real_crypto = root.boolean("real_crypto", false);
  plan.heal = read_us(root, "heal", plan.heal);
  plan.deadline = read_us(root, "deadline", plan.deadline);
  plan.progress = root.boolean("progress", true);
  plan.served_within = read_us(root, "served_within", {});
  plan.office_within = read_us(root, "office_within", {});
  plan.options = read_options(root.table("options"), plan.protocol, plan.options);
  const Membership membership = plan.deployment().roster().membership;
  for (const TomlTable& table : root.tables("fault")) plan.list.push_back(read_fault(table, plan, membership));
  for (const TomlTable& table : root.tables("traitor"))
    plan.traitors.push_back(
        {read_server(table, membership), static_cast<Behaviour>(table.choice("behaviour", behaviour_names(), 0))});
  return plan;
}

Result<Plan> read_file(Result<TomlFile> file) {
  if (!file) return std::unexpected(file.error());
  Plan plan = read_plan(file->root());
  if (Status good = file->finish(); !good) return std::unexpected(good.error());
  return plan;
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  return kFaultKinds[static_cast<std::size_t>(kind)];
}

std::string to_toml(const Plan& plan) {
  std::string text = "# Replay with: seneschal sim --plan FILE\n";
  text += line("seed", plan.seed) + "protocol = \"" + std::string(lab::to_string(plan.protocol)) + "\"\n";
  text += "profile = " + toml_quoted(plan.profile) + "\n";
  text += line("sites", plan.sites) + line("faults", plan.faults) + line("clients", plan.clients);
  if (!plan.site_faults.empty()) {
    std::string list;
    for (const std::uint16_t f : plan.site_faults) list += (list.empty() ? "" : ", ") + std::to_string(f);
    text += "site_faults = [" + list + "]\n";
  }
  text += line("newcomers", plan.newcomers);
  text += line("two_faced_clients", plan.two_faced);
  text += line("delay", plan.delay) + line("bandwidth_bps", plan.bandwidth_bps);
  text += line("operations", plan.operations) + line("payload", plan.payload);
  text += line("update_percent", plan.update_percent) + line("think", plan.think) + line("persist", plan.persist);
  text += line("patience", plan.patience);
  text += std::string("real_crypto = ") + (plan.real_crypto ? "true\n" : "false\n");
  text += line("heal", plan.heal) + line("deadline", plan.deadline);
  text += std::string("progress = ") + (plan.progress ? "true\n" : "false\n");
  text += line("served_within", plan.served_within) + line("office_within", plan.office_within);
  text += "\n[options]\napplication = " + toml_quoted(plan.options.application) + "\n" +
          line("batch_max", plan.options.batch_max) + line("window", plan.options.window);
  if (plan.protocol == Protocol::Steward)
    text += "fanout = " + toml_quoted(plan.options.fanout) + "\n";
  else
    text += "auth = " + toml_quoted(plan.options.auth) + "\n";
  text += "delivery = " + toml_quoted(plan.options.delivery) + "\n";
  text += "durability = " + toml_quoted(plan.options.durability) + "\n";
  text += line("log_growth_kb", plan.options.log_growth_kb) +
          line("checkpoint_interval", plan.options.checkpoint_interval);
  for (const Fault& fault : plan.list) text += fault_lines(fault);
  for (const Traitor& traitor : plan.traitors)
    text += "\n[[traitor]]\n" + line("site", traitor.server.site.value) + line("server", traitor.server.index.value) +
            "behaviour = \"" + std::string(lab::to_string(traitor.behaviour)) + "\"\n";
  return text;
}

Result<Plan> parse_plan(std::string_view text, std::string_view file_name) {
  return read_file(TomlFile::parse(text, file_name));
}
Result<Plan> load_plan(const std::string& path) {
  return read_file(TomlFile::load(path));
}

}  // namespace seneschal::lab::sim
