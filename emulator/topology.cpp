#include "emulator/topology.hpp"

#include "base/check.hpp"
#include "emulator/link_toml.hpp"
#include "emulator/names.hpp"

#include <algorithm>

namespace seneschal::emulator {

namespace {

class TopologyReader {
 public:
  explicit TopologyReader(const TomlTable& root) : root_(root) {}

  Topology read() {
    topology_.name = read_name(root_, "name");
    topology_.description = root_.text("description", "");
    mesh_ = root_.boolean("mesh", true);
    topology_.lan = read_link(root_.table("lan"), Topology::default_lan());
    read_sites();
    read_default();
    read_links();
    check_connected();
    return std::move(topology_);
  }

 private:
  void read_sites() {
    const auto tables = root_.tables("site");
    if (tables.empty()) root_.fail("site", "no site is listed; expected at least one [[site]] with a name");
    if (tables.size() > kMaxSites) {
      tables[kMaxSites].fail("", "more than " + std::to_string(kMaxSites) + " sites; expected at most that many");
      return;
    }
    for (const TomlTable& table : tables) {
      const std::string name = read_name(table, "name");
      names_.push_back(name);
      if (topology_.site_index(name))
        table.fail("name", "the site '" + name + "' is listed twice; expected names to differ");
      topology_.sites.push_back({name});
    }
    topology_.links.resize(topology_.size() * topology_.size());
    lines_.resize(topology_.links.size(), 0);
  }

  void read_default() {
    const TomlTable table = root_.table("link_default");
    if (mesh_ && topology_.size() > 1 && !table.has("delay_ms"))
      table.fail("",
                 "mesh = true needs [link_default] with delay_ms; expected at least delay_ms = 50, or mesh = false");
    default_ = read_link(table, LinkConfig{});
    if (!mesh_) return;
    for (std::size_t from = 0; from < topology_.size(); ++from)
      for (std::size_t to = 0; to < topology_.size(); ++to)
        if (from != to) at(from, to) = default_;
  }

  void read_links() {
    for (const TomlTable& table : root_.tables("link")) {
      const auto from = read_site(table, "from");
      const auto to = read_site(table, "to");
      const bool one_way = table.boolean("one_way", false);
      const LinkConfig link = read_link(table, default_);
      if (!from || !to) continue;
      if (*from == *to) {
        table.fail("to", "the link leads from '" + names_[*to] + "' to itself; expected two sites (see [lan])");
        continue;
      }
      if (!mesh_ && !table.has("delay_ms") && default_.delay.count() == 0)
        table.fail("", "the key 'delay_ms' is missing, here and in [link_default]; expected the one-way delay");
      put(table, *from, *to, link);
      if (!one_way) put(table, *to, *from, link);
    }
  }

  std::optional<std::size_t> read_site(const TomlTable& table, std::string_view key) {
    const std::string name = table.text(key);
    const auto index = topology_.site_index(name);
    if (!index) {
      const auto nearest = did_you_mean(name, names_);
      table.fail(key, "'" + std::string(key) + "' names the unknown site '" + name +
                          "'; expected the name of a [[site]]" +
                          (nearest ? " (did you mean '" + *nearest + "'?)" : ""));
    }
    return index;
  }

  void put(const TomlTable& table, std::size_t from, std::size_t to, const LinkConfig& link) {
    int& line = lines_[from * topology_.size() + to];
    if (line != 0)
      table.fail("", "the link from '" + names_[from] + "' to '" + names_[to] + "' was already given in line " +
                         std::to_string(line) + "; expected each once (a link goes both ways unless one_way = true)");
    line = table.line();
    at(from, to) = link;
  }

  void check_connected() {
    if (topology_.sites.empty() || topology_.links.empty()) return;
    const std::size_t n = topology_.size();
    const auto delays = topology_.shortest_delays();
    for (std::size_t from = 0; from < n; ++from)
      for (std::size_t to = 0; to < n; ++to)
        if (delays[from * n + to] == Duration::max())
          root_.fail("link", "no path leads from '" + names_[from] + "' to '" + names_[to] +
                                 "'; expected links that connect all sites (add a [[link]], or set mesh = true)");
  }

  std::optional<LinkConfig>& at(std::size_t from, std::size_t to) {
    return topology_.links[from * topology_.size() + to];
  }

  const TomlTable root_;
  Topology topology_;
  bool mesh_ = true;
  LinkConfig default_;
  std::vector<std::string> names_;
  std::vector<int> lines_;  // where each ordered pair was given explicitly
};

Result<Topology> read_topology(Result<TomlFile> file) {
  if (!file) return std::unexpected(file.error());
  Topology topology = TopologyReader(file->root()).read();
  if (Status good = file->finish(); !good) return std::unexpected(good.error());
  return topology;
}

}  // namespace

const LinkConfig* Topology::link(std::size_t from, std::size_t to) const {
  CHECK(from < size() && to < size());
  const auto& found = links[from * size() + to];
  return found ? &*found : nullptr;
}

std::optional<std::size_t> Topology::site_index(std::string_view site_name) const {
  for (std::size_t i = 0; i < sites.size(); ++i)
    if (sites[i].name == site_name) return i;
  return std::nullopt;
}

std::vector<Duration> Topology::shortest_delays() const {
  const std::size_t n = size();
  std::vector<Duration> delays(n * n, Duration::max());
  for (std::size_t i = 0; i < n * n; ++i)
    if (links[i]) delays[i] = links[i]->delay;
  for (std::size_t i = 0; i < n; ++i) delays[i * n + i] = Duration(0);
  for (std::size_t via = 0; via < n; ++via)
    for (std::size_t from = 0; from < n; ++from)
      for (std::size_t to = 0; to < n; ++to) {
        const Duration first = delays[from * n + via];
        const Duration second = delays[via * n + to];
        if (first == Duration::max() || second == Duration::max()) continue;
        delays[from * n + to] = std::min(delays[from * n + to], first + second);
      }
  return delays;
}

LinkConfig Topology::default_lan() {
  LinkConfig lan;
  lan.delay = 50us;
  lan.bandwidth_bps = 1'000'000'000;
  return lan;
}

Topology Topology::uniform(std::size_t count, const LinkConfig& link, const LinkConfig& lan) {
  Topology topology;
  topology.name = "uniform";
  topology.lan = lan;
  for (std::size_t i = 0; i < count; ++i) topology.sites.push_back({"site" + std::to_string(i + 1)});
  topology.links.assign(count * count, link);
  for (std::size_t i = 0; i < count; ++i) topology.links[i * count + i].reset();
  return topology;
}

Result<Topology> load_topology(const std::string& path) {
  return read_topology(TomlFile::load(path));
}

Result<Topology> parse_topology(std::string_view text, std::string_view file_name) {
  return read_topology(TomlFile::parse(text, file_name));
}

}  // namespace seneschal::emulator
