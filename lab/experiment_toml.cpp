// Experiment files, read and written.
#include "emulator/names.hpp"
#include "lab/experiment.hpp"
#include "lab/files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace seneschal::lab {

using emulator::TomlFile;
using emulator::TomlTable;

namespace {

constexpr std::string_view kRuntimes[] = {"live", "sim"};
constexpr std::string_view kKinds[] = {"bound", "ahead", "agree", "fidelity", "show", "ratio"};
constexpr std::int64_t kMaxClients = 100'000;
constexpr std::int64_t kMaxLiveClients = 4096;

std::vector<std::uint32_t> client_list(const TomlTable& table, std::string_view key) {
  std::vector<std::uint32_t> list;
  for (std::int64_t n : table.integers(key, {1, kMaxClients})) list.push_back(static_cast<std::uint32_t>(n));
  return list;
}

/// Reads the tables on top of each other: [defaults], then each [[series]].
class Reader {
 public:
  Reader(std::string path, const TomlTable& root) : path_(std::move(path)), root_(root) {}

  Experiment read() {
    experiment_.name = emulator::read_name(root_, "name");
    experiment_.title = root_.text("title", experiment_.name);
    experiment_.description = root_.text("description", "");
    read_series();
    read_figures();
    for (const TomlTable& table : root_.tables("reference")) {
      Reference reference;
      reference.source = table.text("source");
      reference.label = table.text("label");
      reference.metric = read_metric(table);
      reference.clients = static_cast<std::uint32_t>(table.integer("clients", {1, kMaxClients}));
      reference.value = table.real("value", 0);
      experiment_.references.push_back(std::move(reference));
    }
    return std::move(experiment_);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  void read_series() {
    const TomlTable defaults = root_.table("defaults");
    const Series base = read_common(defaults, Series{});
    const TomlTable options = defaults.table("options"), keys = defaults.table("keys");
    // What [defaults] says for one protocol alone is known, though no series may be of that protocol.
    for (std::string_view key : {"runtime", "protocol", "servers"}) (void)defaults.has(key);
    for (std::string_view key : {"fanout", "auth"}) (void)options.has(key);
    for (const TomlTable& table : root_.tables("series")) {
      // A key that decides what other keys may be: of the series, or else of the defaults.
      const auto where = [&](std::string_view key) -> const TomlTable& {
        return !table.has(key) && defaults.has(key) ? defaults : table;
      };
      Series series = read_common(table, base);
      series.id = emulator::read_name(table, "id");
      series.runtime = static_cast<RuntimeKind>(where("runtime").choice("runtime", kRuntimes, 1));
      if (!where("runtime").has("runtime")) table.text("runtime");
      series.protocol = read_protocol(where("protocol"));
      series.options = read_options(options, series.protocol, series.options);
      series.options = read_options(table.table("options"), series.protocol, series.options);
      series.keys = read_key_sizes(table.table("keys"), read_key_sizes(keys, series.keys));

      if (series.topology.sites.empty()) table.text("topology");  // notes that it is missing, here and in [defaults]
      series.servers = read_servers(where("servers"), series.protocol, series.faults, series.sites());
      series.mishaps = read_mishaps(table, series.topology, series.servers);
      series.treasons = read_treasons(table, series.topology, series.faults, series.servers);
      check(table, series);
      experiment_.series.push_back(std::move(series));
    }
    if (experiment_.series.empty())
      root_.fail("series", "no [[series]] is listed; expected at least one with id, runtime and protocol");
  }

  Series read_common(const TomlTable& table, const Series& base) {
    Series series = base;
    series.setting = table.text("setting", base.setting.empty() ? "today" : base.setting);
    if (table.has("topology")) series.topology = topology(table.text("topology"));
    series.faults = static_cast<std::uint16_t>(table.integer("faults", base.faults, {1, 33}));
    if (table.has("clients")) series.clients = client_list(table, "clients");
    series.update_percent =
        static_cast<std::uint32_t>(table.integer("update_percent", base.update_percent, {0, 100}));
    series.payload_bytes =
        static_cast<std::uint32_t>(table.integer("payload_bytes", base.payload_bytes, {0, 15 * 1024}));
    series.shaped = table.boolean("shaped", base.shaped);
    series.plotted = table.boolean("plotted", base.plotted);
    if (table.has("costs")) {
      series.costs = table.text("costs");
      if (series.costs != kMeasuredCosts) series.costs = beside(path_, series.costs);
    }
    series.one_host = table.boolean("one_host", base.one_host);
    series.host_cores = static_cast<std::uint32_t>(table.integer("host_cores", base.host_cores, {1, 1024}));
    series.warmup = table.duration("warmup_s", 1s, base.warmup);
    series.measure = table.duration("measure_s", 1s, base.measure);
    series.cooldown = table.duration("cooldown_s", 1s, base.cooldown);
    if (table.has("seeds")) {
      series.seeds.clear();
      for (std::int64_t seed : table.integers("seeds")) series.seeds.push_back(static_cast<std::uint64_t>(seed));
    }
    return series;
  }

  void check(const TomlTable& table, const Series& series) {
    if (experiment_.find(series.id) != nullptr)
      table.fail("id", "the series '" + series.id + "' is listed twice; expected ids to differ");
    if (series.protocol != Protocol::Steward && !(series.mishaps.empty() && series.treasons.empty()))
      table.fail("event", "events and traitors are for Steward's series; the flat baseline changes no view");
    if (series.clients.empty())
      table.fail("clients", "'clients' is missing or empty; expected a list such as clients = [1, 5, 10]");
    if (series.measure <= Duration(0))
      table.fail("measure_s", "'measure_s' is missing or 0; expected the length of the measured window in seconds");
    if (series.seeds.empty()) table.fail("seeds", "'seeds' is empty; expected a list such as seeds = [1]");
    if (series.runtime == RuntimeKind::Sim && series.costs.empty())
      table.fail("costs",
                 "'costs' is missing; expected a cost file for the simulator, as in \"../costs/today.toml\", or "
                 "\"measured\"");
    if (series.runtime == RuntimeKind::Live)
      for (std::uint32_t n : series.clients)
        if (n > kMaxLiveClients)
          table.fail("clients", fmt::format("{} live clients; expected at most {} (use runtime = \"sim\" for more)",
                                            n, kMaxLiveClients));
  }

  void read_figures() {
    for (const TomlTable& table : root_.tables("figure")) {
      Figure figure;
      figure.kind = static_cast<Figure::Kind>(table.choice("kind", kKinds, 4));
      figure.title = table.text("title");
      figure.series = series_id(table, "series");
      const bool ratio = figure.kind == Figure::Kind::Ratio;
      if (figure.kind == Figure::Kind::Ahead || figure.kind == Figure::Kind::Agree || ratio)
        figure.other = series_id(table, "other");
      figure.clients = client_list(table, "clients");
      figure.host_bound_ok = client_list(table, "host_bound_ok");
      if (figure.kind == Figure::Kind::Bound || figure.kind == Figure::Kind::Show || ratio)
        figure.metric = read_metric(table);
      if (table.has("at_least")) figure.at_least = table.real("at_least", 0);
      if (table.has("at_most")) figure.at_most = table.real("at_most", 0);
      if ((figure.kind == Figure::Kind::Bound || ratio) && !figure.at_least && !figure.at_most)
        table.fail("", "a bound without 'at_least' or 'at_most' judges nothing; expected one (or kind = \"show\")");
      figure.within_percent = table.real("within_percent", figure.within_percent);
      figure.cpu_below_percent = table.real("cpu_below_percent", figure.cpu_below_percent);
      figure.quiet_host = table.boolean("quiet_host", false);
      for (const TomlTable& versus : table.tables("versus"))
        figure.versus.push_back({versus.text("name"), versus.real("value", 0)});
      experiment_.figures.push_back(std::move(figure));
    }
  }

  Metric read_metric(const TomlTable& table) {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(Metric::kLast); ++i)
      names.push_back(to_string(static_cast<Metric>(i)));
    if (!table.has("metric")) table.text("metric");
    return static_cast<Metric>(table.choice("metric", names, 0));
  }

  std::string series_id(const TomlTable& table, std::string_view key) {
    const std::string id = table.text(key);
    if (experiment_.find(id) != nullptr) return id;
    std::vector<std::string> known;
    for (const Series& s : experiment_.series) known.push_back(s.id);
    const auto nearest = emulator::did_you_mean(id, known);
    table.fail(key, fmt::format("'{}' names the unknown series '{}'; expected the id of a [[series]]{}", key, id,
                                nearest ? " (did you mean '" + *nearest + "'?)" : ""));
    return id;
  }

  emulator::Topology topology(const std::string& name) {
    auto loaded = emulator::load_topology(beside(path_, name));
    if (loaded) return std::move(*loaded);
    if (!error_) error_ = loaded.error();
    return {};
  }

  std::string path_;
  TomlTable root_;
  Experiment experiment_;
  std::optional<Error> error_;
};

std::string list(const auto& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

std::string series_text(const Series& s, const std::string& topology, const std::string& costs) {
  std::string text = fmt::format(
      "\n[[series]]\nid = {}\nsetting = {}\nruntime = \"{}\"\nprotocol = \"{}\"\ntopology = {}\nfaults = {}\n"
      "servers = {}\nclients = {}\nupdate_percent = {}\npayload_bytes = {}\nshaped = {}\nwarmup_s = {}\n"
      "measure_s = {}\ncooldown_s = {}\nseeds = {}\nplotted = {}\none_host = {}\nhost_cores = {}\n",
      toml_quoted(s.id), toml_quoted(s.setting), to_string(s.runtime), to_string(s.protocol), toml_quoted(topology),
      s.faults, list(s.servers), list(s.clients), s.update_percent, s.payload_bytes, s.shaped, to_seconds(s.warmup),
      to_seconds(s.measure), to_seconds(s.cooldown), list(s.seeds), s.plotted, s.one_host, s.host_cores);
  if (!costs.empty()) text += fmt::format("costs = {}\n", toml_quoted(costs));
  text += fmt::format(
      "[series.options]\napplication = \"{}\"\nbatch_max = {}\nwindow = {}\ndelivery = \"{}\"\ndurability = \"{}\"\n"
      "log_growth_kb = {}\ncheckpoint_interval = {}\n",
      s.options.application, s.options.batch_max, s.options.window, s.options.delivery, s.options.durability,
      s.options.log_growth_kb, s.options.checkpoint_interval);
  if (s.options.accountability)
    text += fmt::format("accountability = true\ngraph_source = {}\ngraph_epoch = {}\ngraph_keep = {}\n",
                        toml_quoted(s.options.graph_source), s.options.graph_epoch, s.options.graph_keep);
  text += s.protocol == Protocol::Steward ? fmt::format("fanout = \"{}\"\n", s.options.fanout)
                                          : fmt::format("auth = \"{}\"\n", s.options.auth);
  text += fmt::format("[series.keys]\nsite_bits = {}\nserver_bits = {}\n", s.keys.site_bits, s.keys.server_bits);
  for (const Mishap& mishap : s.mishaps) text += to_toml(mishap);
  for (const Treason& treason : s.treasons) text += to_toml(treason);
  return text;
}

std::string figure_text(const Figure& f) {
  std::string text =
      fmt::format("\n[[figure]]\nkind = \"{}\"\ntitle = {}\nseries = {}\n", kKinds[static_cast<std::size_t>(f.kind)],
                  toml_quoted(f.title), toml_quoted(f.series));
  if (!f.other.empty()) text += fmt::format("other = {}\n", toml_quoted(f.other));
  if (f.kind == Figure::Kind::Bound || f.kind == Figure::Kind::Show || f.kind == Figure::Kind::Ratio)
    text += fmt::format("metric = \"{}\"\n", to_string(f.metric));
  if (!f.clients.empty()) text += fmt::format("clients = {}\n", list(f.clients));
  if (!f.host_bound_ok.empty()) text += fmt::format("host_bound_ok = {}\n", list(f.host_bound_ok));
  if (f.at_least) text += fmt::format("at_least = {}\n", *f.at_least);
  if (f.at_most) text += fmt::format("at_most = {}\n", *f.at_most);
  text += fmt::format("within_percent = {}\ncpu_below_percent = {}\nquiet_host = {}\n", f.within_percent,
                      f.cpu_below_percent, f.quiet_host);
  for (const Versus& v : f.versus)
    text += fmt::format("[[figure.versus]]\nname = {}\nvalue = {}\n", toml_quoted(v.name), v.value);
  return text;
}

}  // namespace

Result<Experiment> load_experiment(const std::string& path) {
  const auto file = TomlFile::load(path);
  if (!file) return std::unexpected(file.error());
  Reader reader(path, file->root());
  Experiment experiment = reader.read();
  if (reader.error()) return std::unexpected(*reader.error());
  if (Status good = file->finish(); !good) return std::unexpected(good.error());
  return experiment;
}

Status save_experiment(const Experiment& e, const std::string& dir) {
  std::string text = fmt::format(
      "# What ran, complete: `seneschal lab run` on this file repeats it.\nname = {}\n"
      "title = {}\ndescription = {}\n",
      toml_quoted(e.name), toml_quoted(e.title), toml_quoted(e.description));
  std::map<std::string, std::string> written;  // content -> file name
  const auto place = [&](std::string_view stem, const std::string& content) -> Result<std::string> {
    if (const auto it = written.find(content); it != written.end()) return it->second;
    std::string name = fmt::format("{}-{}.toml", stem, written.size() + 1);
    if (Status good = write_file(dir + "/inputs/" + name, content); !good) return std::unexpected(good.error());
    return written[content] = "inputs/" + name;
  };
  for (const Series& s : e.series) {
    const auto topology = place("topology", to_toml(s.topology));
    if (!topology) return std::unexpected(topology.error());
    std::string costs = s.costs;
    if (s.runtime == RuntimeKind::Live) {
      costs.clear();  // real work has its own
    } else if (costs != kMeasuredCosts) {
      const auto content = read_file(s.costs);
      if (!content) return std::unexpected(content.error());
      const auto name = place("costs", *content);
      if (!name) return std::unexpected(name.error());
      costs = *name;
    }
    text += series_text(s, *topology, costs);
  }
  for (const Figure& f : e.figures) text += figure_text(f);
  for (const Reference& r : e.references)
    text += fmt::format("\n[[reference]]\nsource = {}\nlabel = {}\nmetric = \"{}\"\nclients = {}\nvalue = {}\n",
                        toml_quoted(r.source), toml_quoted(r.label), to_string(r.metric), r.clients, r.value);
  return write_file(dir + "/experiment.toml", text);
}

}  // namespace seneschal::lab
