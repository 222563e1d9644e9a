#include "accountability/packages.hpp"

#include "crypto/digest.hpp"
#include "replication/kv.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <unordered_map>

namespace seneschal::accountability {
namespace {

constexpr std::size_t kMostPackages = kMaxClient - 2;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

/// Calls `use` with each part of a list.
template <class F>
void split(std::string_view text, char at, F&& use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (const auto part = trimmed(text.substr(0, end)); !part.empty()) use(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// "libc6:any (>= 2.36)" names libc6.
std::string bare(std::string_view relation) {
  return std::string(trimmed(relation.substr(0, relation.find_first_of(" (:["))));
}

void take_field(std::string_view field, std::string_view value, Package& package) {
  if (field == "Package") package.name = value;
  if (field == "Version") package.version = value;
  if (field == "Provides") split(value, ',', [&](std::string_view part) { package.provides.push_back(bare(part)); });
  if (field != "Depends" && field != "Pre-Depends") return;
  split(value, ',', [&](std::string_view need) {
    std::vector<std::string> names;
    split(need, '|', [&](std::string_view one) { names.push_back(bare(one)); });
    if (!names.empty()) package.needs.push_back(std::move(names));
  });
}

/// Strongly connected components, each after all that it needs (Tarjan's algorithm, without recursion).
std::vector<std::vector<std::size_t>> components(const std::vector<std::vector<std::size_t>>& edges) {
  constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<std::size_t> number(edges.size(), kNone), low(edges.size(), 0), path;
  std::vector<bool> on_path(edges.size(), false);
  std::vector<std::pair<std::size_t, std::size_t>> calls;  // node, next edge
  std::vector<std::vector<std::size_t>> found;
  std::size_t next = 0;
  const auto enter = [&](std::size_t node) {
    number[node] = low[node] = next++;
    path.push_back(node);
    on_path[node] = true;
    calls.emplace_back(node, 0);
  };
  for (std::size_t root = 0; root < edges.size(); ++root) {
    if (number[root] != kNone) continue;
    enter(root);
    while (!calls.empty()) {
      const std::size_t node = calls.back().first;
      if (calls.back().second < edges[node].size()) {
        const std::size_t to = edges[node][calls.back().second++];
        if (number[to] == kNone)
          enter(to);
        else if (on_path[to])
          low[node] = std::min(low[node], number[to]);
        continue;
      }
      calls.pop_back();
      if (!calls.empty()) low[calls.back().first] = std::min(low[calls.back().first], low[node]);
      if (low[node] != number[node]) continue;
      std::vector<std::size_t>& component = found.emplace_back();
      while (on_path[node]) {
        component.push_back(path.back());
        on_path[path.back()] = false;
        path.pop_back();
      }
      std::ranges::sort(component);
    }
  }
  return found;
}

class Publisher {
 public:
  Publisher(StoreWriter& to, PackageGraph& graph) : to_(to), graph_(graph) { graph_.names = {"", "(cycle)"}; }

  Status publish(const Release& release, Seq seq) {
    seq_ = seq;
    std::map<std::string, const Package*> fresh;  // the last paragraph of a name counts
    for (const Package& package : release.packages)
      if (const auto known = known_.find(package.name);
          known == known_.end() || known->second.version != package.version)
        fresh[package.name] = &package;
    std::vector<const Package*> nodes;
    std::map<std::string_view, std::size_t> index;
    for (const auto& [name, package] : fresh) {
      index[name] = nodes.size();
      nodes.push_back(package);
      for (const std::string& provided : package->provides) providers_[provided].insert(name);
    }
    std::vector<std::vector<std::size_t>> edges(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
      for (const auto& need : nodes[i]->needs)
        each_candidate(need, [&](const std::string& name) {
          if (const auto it = index.find(name); it != index.end() && it->second != i) edges[i].push_back(it->second);
        });
    for (const auto& component : components(edges)) {
      std::set<std::string_view> inside;
      for (const std::size_t i : component) inside.insert(nodes[i]->name);
      if (component.size() == 1)
        add(*nodes[component[0]], client_of(nodes[component[0]]->name), formula_of(*nodes[component[0]], inside));
      else
        publish_cycle(nodes, component, inside);
      for (const std::size_t i : component) {
        Known& known = known_[nodes[i]->name];
        known.version = nodes[i]->version;
        known.latest = placed_.at(nodes[i]->name);
      }
    }
    return status_;
  }

 private:
  struct Known {
    std::string version;
    UpdateId latest;
  };

  template <class F>
  void each_candidate(const std::vector<std::string>& need, F&& use) const {
    for (const std::string& name : need) {
      use(name);
      if (const auto it = providers_.find(name); it != providers_.end())
        for (const std::string& provider : it->second) use(provider);
    }
  }

  ClientId client_of(const std::string& name) {
    const auto [it, first] = clients_.emplace(name, ClientId(static_cast<std::uint32_t>(graph_.names.size())));
    if (first) graph_.names.push_back(name);
    return it->second;
  }

  /// AND over needs, OR over who can meet each. A need that something inside the component can meet is left to the
  /// component: a package cannot stand without itself.
  Formula formula_of(const Package& package, const std::set<std::string_view>& inside) {
    std::vector<Token> tokens;
    std::size_t all = 0;
    for (const auto& need : package.needs) {
      std::set<UpdateId> any;
      bool own = false;
      each_candidate(need, [&](const std::string& name) {
        own = own || inside.contains(name);
        if (const auto it = known_.find(name); it != known_.end() && it->second.latest.value != 0)
          any.insert(it->second.latest);
      });
      if (own) continue;
      if (any.empty()) {
        ++graph_.unmet;
        continue;
      }
      for (const UpdateId id : any) tokens.push_back({Token::Kind::Leaf, id.value});
      if (any.size() > 1) tokens.push_back({Token::Kind::Or, any.size()});
      ++all;
    }
    if (all > 1) tokens.push_back({Token::Kind::And, all});
    auto formula = Formula::from_tokens(std::move(tokens));
    return formula ? std::move(*formula) : too_wide();
  }

  /// What names more than a formula holds depends on everything before: more may be suspect by it, never less.
  Formula too_wide() {
    ++graph_.too_wide;
    return Formula::everything();
  }

  /// First what each needs from outside, then one update that joins all, then each again, depending on that.
  void publish_cycle(const std::vector<const Package*>& nodes, const std::vector<std::size_t>& component,
                     const std::set<std::string_view>& inside) {
    ++graph_.cycles;
    graph_.largest_cycle = std::max<std::uint64_t>(graph_.largest_cycle, component.size());
    std::vector<UpdateId> parts;
    for (const std::size_t i : component)
      parts.push_back(add(*nodes[i], client_of(nodes[i]->name), formula_of(*nodes[i], inside)));
    Package joint;
    joint.name = "(cycle)";
    joint.version = nodes[component[0]]->name;
    const UpdateId join = add(joint, kCycleClient, parts.size() > kMaxLeaves ? too_wide() : Formula::all(parts));
    for (const std::size_t i : component) add(*nodes[i], client_of(nodes[i]->name), Formula::all({&join, 1}));
  }

  UpdateId add(const Package& package, ClientId client, const Formula& formula) {
    const Bytes operation = replication::kv::put("package/" + package.name.substr(0, 200), as_span(package.version));
    NewUpdate update;
    update.client = client;
    update.seq = seq_;
    update.formula = formula;
    update.operation = operation;
    const auto id = to_.add(update);
    if (!id && status_) status_ = failure(package.name + ": " + std::string(to_string(id.error())));
    if (id && id->value % kBlockUpdates == 0 && status_) status_ = to_.flush();
    const UpdateId placed = id.value_or(UpdateId(0));
    placed_[package.name] = placed;
    return placed;
  }

  StoreWriter& to_;
  PackageGraph& graph_;
  Seq seq_;
  Status status_;
  std::map<std::string, Known> known_;
  std::map<std::string, UpdateId> placed_;
  std::map<std::string, std::set<std::string>> providers_;
  std::unordered_map<std::string, ClientId> clients_;  // never walked
};

}  // namespace

Result<std::vector<Package>> parse_packages(std::string_view text, const std::string& name) {
  std::vector<Package> packages;
  Package package;
  std::string field, value;
  std::size_t number = 0;
  bool open = false;
  const auto end_field = [&] {
    take_field(field, trimmed(value), package);
    field.clear();
  };
  const auto end_package = [&]() -> Status {
    end_field();
    if (!open) return {};
    if (package.name.empty() || package.version.empty())
      return failure(name + ":" + std::to_string(number) + ": a paragraph without 'Package' or 'Version' ends here");
    if (packages.size() >= kMostPackages) return failure(name + ": too many packages");
    packages.push_back(std::exchange(package, {}));
    open = false;
    return {};
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (trimmed(line).empty()) {
      if (Status good = end_package(); !good) return std::unexpected(good.error());
    } else if (line.front() == ' ' || line.front() == '\t') {
      if (field.empty())
        return failure(name + ":" + std::to_string(number) + ": goes on with a field that never began");
      value += ' ';
      value += line;
    } else {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || line.find('\0') != std::string_view::npos)
        return failure(name + ":" + std::to_string(number) +
                       ": expected 'Field: value', as in an uncompressed Packages file (for a compressed one: "
                       "/usr/lib/apt/apt-helper cat-file FILE)");
      end_field();
      open = true;
      field = line.substr(0, colon);
      value = line.substr(colon + 1);
    }
  }
  if (Status good = end_package(); !good) return std::unexpected(good.error());
  if (packages.empty()) return failure(name + ": no packages in it");
  return packages;
}

Result<PackageGraph> generate(const std::vector<Release>& releases, StoreWriter& to, const std::string& folder) {
  PackageGraph graph;
  Publisher publisher(to, graph);
  for (std::size_t i = 0; i < releases.size(); ++i)
    if (Status done = publisher.publish(releases[i], Seq(i + 1)); !done) return std::unexpected(done.error());
  if (Status done = to.seal(); !done) return std::unexpected(done.error());
  graph.updates = to.next().value - 1;
  std::string text;
  for (std::size_t i = 1; i < graph.names.size(); ++i) text += std::to_string(i) + " " + graph.names[i] + "\n";
  if (Status done = replace_file(folder + "/names.txt", as_span(text)); !done) return std::unexpected(done.error());
  return graph;
}

std::optional<ClientId> client_of_name(const std::string& folder, const std::string& name) {
  std::ifstream file(folder + "/names.txt");
  std::uint32_t number = 0;
  std::string known;
  while (file >> number >> known)
    if (known == name && number < kMaxClient) return ClientId(number);
  return std::nullopt;
}

std::vector<std::uint64_t> dependants(const Graph& graph, std::size_t clients) {
  // Formulas are read once and then evaluated for 64 packages at a time: a bit says that this one would be touched.
  struct Row {
    std::uint32_t client, first, end;
  };
  std::vector<Row> rows;
  std::vector<Token> tokens;
  const std::uint64_t origin = graph.base().value;
  graph.each(graph.base(), [&](UpdateId, ClientId client, const Formula& formula) {
    const auto first = static_cast<std::uint32_t>(tokens.size());
    for (Token token : formula.tokens()) {
      if (token.kind == Token::Kind::Leaf) token.value -= origin;
      tokens.push_back(token);
    }
    rows.push_back({client.value, first, static_cast<std::uint32_t>(tokens.size())});
    return true;
  });
  std::vector<std::uint64_t> counts(clients, 0), bad(rows.size()), touched(clients), stack;
  for (std::size_t base = kCycleClient.value + 1; base < clients; base += 64) {
    std::ranges::fill(touched, 0);
    std::uint64_t any_before = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      stack.clear();
      for (std::uint32_t t = rows[i].first; t < rows[i].end; ++t) {
        if (tokens[t].kind == Token::Kind::Leaf) {
          stack.push_back(tokens[t].value < i ? bad[tokens[t].value] : 0);
          continue;
        }
        if (tokens[t].kind == Token::Kind::Everything) {
          stack.push_back(any_before);
          continue;
        }
        std::uint64_t joined = stack.back();
        for (std::uint64_t n = 1; n < tokens[t].value; ++n) {
          stack.pop_back();
          joined = tokens[t].kind == Token::Kind::And ? joined | stack.back() : joined & stack.back();
        }
        stack.back() = joined;
      }
      bad[i] = stack.empty() ? 0 : stack.back();
      if (rows[i].client >= base && rows[i].client < base + 64) bad[i] |= std::uint64_t{1} << (rows[i].client - base);
      any_before |= bad[i];
      if (rows[i].client < clients) touched[rows[i].client] |= bad[i];
    }
    for (std::size_t client = kCycleClient.value + 1; client < clients; ++client)
      for (std::uint64_t mask = touched[client]; mask != 0; mask &= mask - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(mask));
        if (base + bit < clients && base + bit != client) ++counts[base + bit];
      }
  }
  return counts;
}

}  // namespace seneschal::accountability
