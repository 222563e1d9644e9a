// What depends on what, among packages.
#include "accountability/debian_version.hpp"
#include "accountability/packages.hpp"
#include "base/check.hpp"
#include "replication/kv.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace seneschal::accountability {
namespace {

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

/// A version of a package that this release brings.
struct Node {
  const Package* package = nullptr;
  std::uint32_t index = 0;             // of the package
  std::optional<std::size_t> before;   // the node of the version before, if this release brings that as well
  std::optional<std::uint32_t> known;  // else the row of the latest version so far
  bool newest = true;                  // what others need is the newest
};

class Publisher {
 public:
  Publisher(PackageGraph& graph, Implicit implicit, StoreWriter* to) : graph_(graph), implicit_(implicit), to_(to) {
    graph_.names = {""};
    graph_.lists = {{}};
  }

  Status publish(const Release& release, std::uint32_t number) {
    release_ = number;
    collect(release);
    needs_of_.assign(nodes_.size(), {});
    for (std::size_t i = 0; i < nodes_.size(); ++i) find_needs(i);
    values_.assign(nodes_.size(), {});
    std::vector<std::size_t> all(nodes_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    solve(all, true);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (nodes_[i].newest) latest_[nodes_[i].index] = *values_[i].row;
    return status_;
  }

 private:
  /// A need by what can meet it: nodes of this release, and rows of earlier ones.
  struct Need {
    std::vector<std::size_t> nodes;
    std::vector<std::uint32_t> rows;
    bool essential = false;  // not declared
    bool single() const { return nodes.size() + rows.size() == 1; }
  };
  struct Value {
    std::optional<std::uint32_t> row;  // nothing: taken for good
  };

  std::uint32_t index_of(const std::string& name) {
    const auto [it, fresh] = indices_.emplace(name, static_cast<std::uint32_t>(graph_.packages.size()));
    if (fresh) {
      graph_.packages.push_back(name);
      graph_.maintainers.push_back(0);
      graph_.essential.push_back(false);
      versions_.emplace_back();
      latest_.emplace_back();
      provides_.emplace_back();
    }
    return it->second;
  }

  std::uint32_t client_of(const Package& package) {
    const std::string& name = package.maintainer.empty() ? package.name : package.maintainer;
    const auto [it, first] = clients_.emplace(name, static_cast<std::uint32_t>(graph_.names.size()));
    if (first) graph_.names.push_back(name);
    return it->second;
  }

  /// The nodes of a release: of each package the versions that are newer than all before, in their order.
  void collect(const Release& release) {
    std::map<std::string_view, std::vector<const Package*>> by_name;
    for (const Package& package : release.packages) by_name[package.name].push_back(&package);
    nodes_.clear();
    node_of_.clear();
    for (auto& [name, versions] : by_name) {
      // Equal versions stay in the order of the list, in which the packages are. (Not stable_sort: libstdc++ 12
      // builds it on something that clang calls deprecated.)
      std::ranges::sort(versions, [](const Package* a, const Package* b) {
        const auto order = compare_debian_versions(a->version, b->version);
        return order != 0 ? order < 0 : a < b;
      });
      const std::uint32_t index = index_of(std::string(name));
      std::optional<std::size_t> before;
      for (const Package* package : versions) {
        std::string& newest = versions_[index];
        const auto order =
            newest.empty() ? std::strong_ordering::greater : compare_debian_versions(package->version, newest);
        if (order < 0) ++graph_.older;
        if (order <= 0) continue;
        newest = package->version;
        if (before) nodes_[*before].newest = false;
        nodes_.push_back({package, index, before, before ? std::nullopt : latest_[index], true});
        before = nodes_.size() - 1;
      }
      if (before) take_over(*before);
    }
  }

  /// What others find of a package from now on.
  void take_over(std::size_t node) {
    const auto& [package, index, before, known, newest] = nodes_[node];
    node_of_[index] = node;
    graph_.maintainers[index] = client_of(*package);
    if (graph_.essential[index] != package->essential) {
      graph_.essential[index] = package->essential;
      if (package->essential)
        essentials_.insert(index);
      else
        essentials_.erase(index);
    }
    for (const std::string& gone : provides_[index]) providers_[gone].erase(index);
    provides_[index] = package->provides;
    for (const std::string& provided : package->provides) providers_[provided].insert(index);
  }

  void add_candidate(std::uint32_t index, Need& need) const {
    if (const auto node = node_of_.find(index); node != node_of_.end())
      need.nodes.push_back(node->second);
    else if (latest_[index])
      need.rows.push_back(*latest_[index]);
  }

  void find_needs(std::size_t at) {
    const Node& node = nodes_[at];
    std::vector<Need>& needs = needs_of_[at];
    for (const auto& names : node.package->needs) {
      std::set<std::uint32_t> candidates;
      for (const std::string& name : names) {
        if (const auto it = indices_.find(name); it != indices_.end()) candidates.insert(it->second);
        if (const auto it = providers_.find(name); it != providers_.end())
          candidates.insert(it->second.begin(), it->second.end());
      }
      if (candidates.contains(node.index)) continue;  // it meets that itself
      Need need;
      for (const std::uint32_t index : candidates) add_candidate(index, need);
      if (need.nodes.empty() && need.rows.empty())
        ++graph_.unmet;
      else
        needs.push_back(std::move(need));
    }
    if (node.before) needs.push_back({{*node.before}, {}, false});
    if (node.known) needs.push_back({{}, {*node.known}, false});
    if (implicit_ == Implicit::Ignored) return;
    for (const std::uint32_t index : essentials_) {
      if (index == node.index) continue;
      Need need;
      need.essential = true;
      add_candidate(index, need);
      if (need.single()) needs.push_back(std::move(need));
    }
  }

  /// Components of some nodes by their needs; `single`: by those that only one can meet.
  std::vector<std::vector<std::size_t>> parts_of(const std::vector<std::size_t>& some, bool single) const {
    std::unordered_map<std::size_t, std::size_t> place;
    for (std::size_t i = 0; i < some.size(); ++i) place.emplace(some[i], i);
    std::vector<std::vector<std::size_t>> edges(some.size());
    for (std::size_t i = 0; i < some.size(); ++i)
      for (const Need& need : needs_of_[some[i]])
        if (!single || need.single())
          for (const std::size_t node : need.nodes)
            if (const auto to = place.find(node); to != place.end()) edges[i].push_back(to->second);
    auto parts = components(edges);
    for (auto& part : parts)
      for (std::size_t& node : part) node = some[node];
    return parts;
  }

  /// The least solution for some nodes, given the values of all others.
  ///
  /// In a cycle a group of nodes that all need each other, whatever alternatives there are, has one value. It is
  /// taken for good; the others of the cycle are solved so; from that follows the group's value; and with it the
  /// others are solved again. That is the least solution, because a value that was found bad stays bad.
  void solve(const std::vector<std::size_t>& some, bool counted) {
    for (const auto& part : parts_of(some, false)) {
      if (part.size() == 1) {
        values_[part[0]].row = add(part[0]);
        continue;
      }
      if (counted) {
        ++graph_.cycles;
        graph_.largest_cycle = std::max<std::uint64_t>(graph_.largest_cycle, part.size());
      }
      const auto groups = parts_of(part, true);
      const auto& group = *std::ranges::max_element(groups, {}, &std::vector<std::size_t>::size);
      std::vector<std::size_t> others;
      std::ranges::set_difference(part, group, std::back_inserter(others));
      for (const std::size_t node : part) values_[node] = {};
      solve(others, false);
      std::vector<std::uint32_t> ones;
      for (const std::size_t node : group) ones.push_back(add(node));
      for (std::size_t i = 0; i < group.size(); ++i)
        values_[group[i]].row = group.size() == 1 ? ones[i] : join(group[i], ones);
      solve_again(others);
    }
  }

  void solve_again(const std::vector<std::size_t>& others) {
    std::map<std::size_t, std::uint32_t> before;
    for (const std::size_t node : others) {
      before.emplace(node, *values_[node].row);
      values_[node] = {};
    }
    std::swap(before, earlier_);
    solve(others, false);
    std::swap(before, earlier_);
  }

  /// An update of this node with the values that there are: what is taken for good is left out, and so is a need that
  /// something like that meets.
  std::uint32_t add(std::size_t at) {
    std::vector<Token> tokens;
    std::vector<std::uint32_t> essentials;
    std::size_t all = 0, names = 0;
    for (const Need& need : needs_of_[at]) {
      std::set<std::uint32_t> any(need.rows.begin(), need.rows.end());
      bool good = false;
      for (const std::size_t node : need.nodes) {
        good = good || !values_[node].row;
        if (values_[node].row) any.insert(*values_[node].row);
      }
      if (good) continue;
      if (need.essential) {
        essentials.push_back(*any.begin());
        continue;
      }
      for (const std::uint32_t row : any) tokens.push_back({Token::Kind::Leaf, row});
      if (any.size() > 1) tokens.push_back({Token::Kind::Or, any.size()});
      names += any.size();
      ++all;
    }
    if (const auto earlier = earlier_.find(at); earlier != earlier_.end()) {
      tokens.push_back({Token::Kind::Leaf, earlier->second});
      ++names;
      ++all;
    }
    if (all > 1) tokens.push_back({Token::Kind::And, all});
    if (names + essentials.size() > kMaxLeaves || tokens.size() + essentials.size() + 1 > kMaxTokens) {
      ++graph_.too_wide;
      tokens = {{Token::Kind::Everything, 0}};
      essentials.clear();
    }
    return write(at, tokens, essentials);
  }

  /// Another update of this node, which fails if one of `rows` does.
  std::uint32_t join(std::size_t at, const std::vector<std::uint32_t>& rows) {
    std::vector<Token> tokens;
    for (const std::uint32_t row : rows) tokens.push_back({Token::Kind::Leaf, row});
    if (rows.size() > 1) tokens.push_back({Token::Kind::And, rows.size()});
    if (rows.size() > kMaxLeaves) {
      ++graph_.too_wide;
      tokens = {{Token::Kind::Everything, 0}};
    }
    return write(at, tokens, {});
  }

  std::uint32_t write(std::size_t at, const std::vector<Token>& tokens,
                      const std::vector<std::uint32_t>& essentials) {
    const Node& node = nodes_[at];
    const auto row = static_cast<std::uint32_t>(graph_.rows.size());
    if (graph_.lists.back() != essentials && !essentials.empty()) graph_.lists.push_back(essentials);
    graph_.rows.push_back({node.index, release_, static_cast<std::uint32_t>(graph_.tokens.size()),
                           static_cast<std::uint32_t>(graph_.tokens.size() + tokens.size()),
                           essentials.empty() ? 0 : static_cast<std::uint32_t>(graph_.lists.size() - 1)});
    graph_.tokens.insert(graph_.tokens.end(), tokens.begin(), tokens.end());
    if (to_ != nullptr) write_update(node, tokens, essentials, row);
    return row;
  }

  void write_update(const Node& node, std::vector<Token> tokens, const std::vector<std::uint32_t>& essentials,
                    std::uint32_t row) {
    for (Token& token : tokens)
      if (token.kind == Token::Kind::Leaf) ++token.value;
    for (const std::uint32_t essential : essentials) tokens.push_back({Token::Kind::Leaf, essential + 1});
    const std::size_t all = essentials.size() + (graph_.rows[row].first == graph_.rows[row].end ? 0 : 1);
    if (all > 1) tokens.push_back({Token::Kind::And, all});
    auto formula = Formula::from_tokens(std::move(tokens));
    CHECK(formula.has_value());  // `add` and `join` keep to the bounds
    const Package& package = *node.package;
    const Bytes operation = replication::kv::put("package/" + package.name.substr(0, 200), as_span(package.version));
    const std::vector<Bytes> writes = {to_bytes("package/" + package.name.substr(0, 200))};
    NewUpdate update;
    update.client = ClientId(client_of(package));
    update.seq = Seq(release_ + 1);
    update.formula = std::move(*formula);
    update.operation = operation;
    update.writes = writes;
    const auto id = to_->add(update);
    if (!id && status_) status_ = failure(package.name + ": " + std::string(to_string(id.error())));
    CHECK(!id || id->value == row + 1);
    if (id && id->value % kBlockUpdates == 0 && status_) status_ = to_->flush();
  }

  PackageGraph& graph_;
  Implicit implicit_;
  StoreWriter* to_;
  Status status_;
  std::uint32_t release_ = 0;
  // By package.
  std::vector<std::string> versions_;                 // the newest so far
  std::vector<std::optional<std::uint32_t>> latest_;  // its row
  std::vector<std::vector<std::string>> provides_;
  std::unordered_map<std::string, std::uint32_t> indices_;  // never walked
  std::unordered_map<std::string, std::uint32_t> clients_;  // never walked
  std::map<std::string, std::set<std::uint32_t>> providers_;
  std::set<std::uint32_t> essentials_;
  // Of this release.
  std::vector<Node> nodes_;
  std::unordered_map<std::uint32_t, std::size_t> node_of_;  // the newest one of each package; never walked
  std::vector<std::vector<Need>> needs_of_;
  std::vector<Value> values_;
  std::map<std::size_t, std::uint32_t> earlier_;  // rows of nodes that are solved again
};

}  // namespace

Result<PackageGraph> read_dependencies(const std::vector<Release>& releases, Implicit implicit, StoreWriter* to) {
  PackageGraph graph;
  Publisher publisher(graph, implicit, to);
  for (std::size_t i = 0; i < releases.size(); ++i)
    if (Status done = publisher.publish(releases[i], static_cast<std::uint32_t>(i)); !done)
      return std::unexpected(done.error());
  return graph;
}

}  // namespace seneschal::accountability
