#include "accountability/packages.hpp"

#include "accountability/debian_version.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <map>
#include <set>

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
  if (field == "Maintainer") package.maintainer = value;
  if (field == "Essential") package.essential = value == "yes";
  if (field == "Provides") split(value, ',', [&](std::string_view part) { package.provides.push_back(bare(part)); });
  if (field != "Depends" && field != "Pre-Depends") return;
  split(value, ',', [&](std::string_view need) {
    std::vector<std::string> names;
    split(need, '|', [&](std::string_view one) { names.push_back(bare(one)); });
    if (!names.empty()) package.needs.push_back(std::move(names));
  });
}

}  // namespace

std::optional<std::uint32_t> PackageGraph::find(const std::string& package) const {
  const auto it = std::ranges::find(packages, package);
  return it == packages.end() ? std::nullopt : std::optional(static_cast<std::uint32_t>(it - packages.begin()));
}

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
    if (!is_debian_version(package.version))
      return failure(name + ":" + std::to_string(number) + ": package '" + package.name + "' has version '" +
                     package.version + "'; expected [EPOCH:]VERSION of letters, digits and .+-~");
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
  auto graph = read_dependencies(releases, Implicit::Essential, &to);
  if (!graph) return graph;
  if (Status done = to.seal(); !done) return std::unexpected(done.error());
  std::string text;
  for (std::size_t i = 1; i < graph->names.size(); ++i) text += std::to_string(i) + " " + graph->names[i] + "\n";
  if (Status done = replace_file(folder + "/names.txt", as_span(text)); !done) return std::unexpected(done.error());
  return graph;
}

std::map<ClientId, std::string> client_names(const std::string& folder) {
  std::map<ClientId, std::string> names;
  std::ifstream file(folder + "/names.txt");
  std::uint32_t number = 0;
  for (std::string name; file >> number && std::getline(file >> std::ws, name);)
    if (number < kMaxClient) names.emplace(ClientId(number), name);
  return names;
}

std::vector<std::pair<ClientId, std::string>> clients_of_name(const std::string& folder, const std::string& text) {
  std::vector<std::pair<ClientId, std::string>> found;
  for (const auto& [client, name] : client_names(folder)) {
    if (name == text) return {{client, name}};
    if (name.starts_with(text + " <") || name.ends_with(" <" + text + ">")) found.emplace_back(client, name);
  }
  return found;
}

namespace {

/// Which of up to 64 packages touch each row, a bit each.
class Evaluation {
 public:
  explicit Evaluation(const PackageGraph& graph)
      : graph_(graph), bad_(graph.rows.size()), joined_(graph.lists.size()), known_(graph.lists.size()) {}

  /// `seeds(row)`: the packages that the row is itself a bad update of.
  template <class Seeds>
  const std::vector<std::uint64_t>& run(const Seeds& seeds) {
    known_.assign(known_.size(), false);
    std::uint64_t any_before = 0;
    for (std::size_t i = 0; i < graph_.rows.size(); ++i) {
      const PackageGraph::Row& row = graph_.rows[i];
      bad_[i] = formula(row, any_before) | essentials(row.essentials) | seeds(row);
      any_before |= bad_[i];
    }
    return bad_;
  }

 private:
  std::uint64_t formula(const PackageGraph::Row& row, std::uint64_t any_before) {
    stack_.clear();
    for (std::uint32_t t = row.first; t < row.end; ++t) {
      const Token& token = graph_.tokens[t];
      if (token.kind == Token::Kind::Leaf) {
        stack_.push_back(bad_[token.value]);
      } else if (token.kind == Token::Kind::Everything) {
        stack_.push_back(any_before);
      } else {
        std::uint64_t joined = stack_.back();
        for (std::uint64_t n = 1; n < token.value; ++n) {
          stack_.pop_back();
          joined = token.kind == Token::Kind::And ? joined | stack_.back() : joined & stack_.back();
        }
        stack_.back() = joined;
      }
    }
    return stack_.empty() ? 0 : stack_.back();
  }

  /// All of a list come before who depends on it: it is joined once.
  std::uint64_t essentials(std::uint32_t list) {
    if (!known_[list]) {
      joined_[list] = 0;
      for (const std::uint32_t row : graph_.lists[list]) joined_[list] |= bad_[row];
      known_[list] = true;
    }
    return joined_[list];
  }

  const PackageGraph& graph_;
  std::vector<std::uint64_t> bad_, joined_, stack_;
  std::vector<bool> known_;
};

}  // namespace

std::vector<std::uint64_t> dependants(const PackageGraph& graph) {
  const std::size_t packages = graph.packages.size();
  std::vector<std::uint64_t> counts(packages, 0), touched(packages);
  Evaluation evaluation(graph);
  for (std::size_t base = 0; base < packages; base += 64) {
    const auto& bad = evaluation.run([base](const PackageGraph::Row& row) {
      return row.package >= base && row.package < base + 64 ? std::uint64_t{1} << (row.package - base) : 0;
    });
    std::ranges::fill(touched, 0);
    for (std::size_t i = 0; i < graph.rows.size(); ++i) touched[graph.rows[i].package] |= bad[i];
    for (std::size_t package = 0; package < packages; ++package)
      for (std::uint64_t mask = touched[package]; mask != 0; mask &= mask - 1) {
        const auto by = base + static_cast<std::size_t>(std::countr_zero(mask));
        if (by != package) ++counts[by];
      }
  }
  return counts;
}

std::vector<std::uint32_t> touched_by(const PackageGraph& graph, std::uint32_t package, std::uint32_t since_release) {
  Evaluation evaluation(graph);
  const auto& bad = evaluation.run([&](const PackageGraph::Row& row) -> std::uint64_t {
    return row.package == package && row.release >= since_release ? 1 : 0;
  });
  std::set<std::uint32_t> found;
  for (std::size_t i = 0; i < bad.size(); ++i)
    if (bad[i] != 0 && graph.rows[i].package != package) found.insert(graph.rows[i].package);
  return {found.begin(), found.end()};
}

}  // namespace seneschal::accountability
