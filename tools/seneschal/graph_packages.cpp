// `seneschal graph case packages`: the report's first case study on an apt mirror's lists. [TR IV-A]
#include "tools/seneschal/graph_packages.hpp"

#include "accountability/distribution.hpp"
#include "accountability/packages.hpp"
#include "accountability/trace.hpp"
#include "lab/files.hpp"
#include "lab/html.hpp"
#include "tools/seneschal/graph_case_page.hpp"
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_incident.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

constexpr std::size_t kTop = 20;

struct Ranked {
  std::string name;
  std::uint64_t dependants = 0;     // as they declare it
  std::uint64_t with_implicit = 0;  // and those that need no declaration
  bool essential = false;
};

std::vector<Release> read_lists(const std::vector<std::string>& lists) {
  if (lists.empty()) throw UsageError("name the lists in order, each as --list RELEASE=PATH of a Packages file");
  std::vector<Release> releases;
  for (const std::string& list : lists) {
    const std::size_t equals = list.find('=');
    if (equals == std::string::npos || equals == 0) throw UsageError("'" + list + "' is not RELEASE=PATH");
    const std::string path = list.substr(equals + 1);
    const auto text = lab::read_file(path);
    if (!text) throw UsageError(text.error().message);
    auto packages = parse_packages(*text, path);
    if (!packages) throw UsageError(packages.error().message);
    releases.push_back({list.substr(0, equals), std::move(*packages)});
  }
  return releases;
}

std::size_t release_of(const std::vector<Release>& releases, const std::string& name) {
  if (name.empty()) return 0;
  const auto found = std::ranges::find(releases, name, &Release::name);
  if (found == releases.end()) throw UsageError("--since: there is no release '" + name + "'");
  return static_cast<std::size_t>(found - releases.begin());
}

/// Every package, the most dangerous first; an essential one by what is declared, like the others.
std::vector<Ranked> rank(const PackageGraph& declared, const PackageGraph& all) {
  const auto counts = dependants(declared), with_implicit = dependants(all);  // the same packages in the same order
  std::vector<Ranked> ranked;
  for (std::uint32_t i = 0; i < counts.size(); ++i)
    ranked.push_back({declared.packages[i], counts[i], with_implicit[i], bool{declared.essential[i]}});
  std::ranges::sort(ranked, [](const Ranked& a, const Ranked& b) {
    return std::tie(b.dependants, a.name) < std::tie(a.dependants, b.name);
  });
  return ranked;
}

Distribution distribution_of(const std::vector<Ranked>& ranked) {
  std::vector<std::uint64_t> counts;
  for (const Ranked& r : ranked) counts.push_back(r.dependants);
  return Distribution(std::move(counts));
}

/// What follows if one package was corrupt since a release.
struct WhatIf {
  std::string told;
  std::string touched;  // names, the first 200
};

WhatIf what_if(const PackageGraph& declared, const PackageGraph& all, const std::string& name,
               const std::vector<Release>& releases, std::size_t since) {
  const std::uint32_t package = *declared.find(name);
  const bool there = std::ranges::any_of(
      declared.rows, [&](const PackageGraph::Row& row) { return row.package == package && row.release >= since; });
  if (!there)
    return {fmt::format("No version of '{}' came with release {} or later: nothing would be touched.", name,
                        releases[since].name),
            {}};
  const auto touched = touched_by(declared, package, static_cast<std::uint32_t>(since));
  constexpr std::size_t kMostNames = 200;
  std::string names;
  for (std::size_t i = 0; i < touched.size() && i <= kMostNames; ++i)
    names += (i == 0 ? "" : ", ") + (i == kMostNames ? std::string("...") : declared.packages[touched[i]]);
  std::string told = fmt::format("If '{}' was corrupt since release {}: {} other packages that need it are suspect",
                                 name, releases[since].name, touched.size());
  const auto implicit = touched_by(all, package, static_cast<std::uint32_t>(since)).size();
  if (implicit != touched.size())
    told += fmt::format(", and with those that use Essential packages without saying so {}", implicit);
  return {told + ".", names};
}

/// What all of this rests on.
constexpr std::string_view kAssumed =
    "NOT_AFFECTED assumes that the lists name all that a package needs when it runs (Depends, Pre-Depends, and every "
    "Essential package), that one alternative which is good is enough, and that the newest version is installed: "
    "version constraints are not compared. Recommends, Suggests, what a package was built with or contains a copy "
    "of, and "
    "the machines that it passed through are not in the lists.";

/// The report's words on its own lists, and the same of these. Its nodes are capabilities of 15 RedHat releases.
std::string compared(const std::vector<Ranked>& ranked, const Distribution& d, std::size_t releases) {
  std::string worst;
  for (std::size_t i = 0; i < std::min<std::size_t>(4, ranked.size()); ++i)
    worst += fmt::format("{}{} ({})", worst.empty() ? "" : ", ", ranked[i].name, ranked[i].dependants);
  return table_of({
      {"What is counted", "52,984 capabilities of 15 RedHat releases",
       fmt::format("{} packages of {} releases", ranked.size(), releases)},
      {"Less than 20 dependants", "about 65 %", fmt::format("{:.1f} %", d.less_than(20))},
      {"More than 100 dependants", "20 %", fmt::format("{:.1f} %", d.more_than(100))},
      {"More than 15,000 dependants", "about 10 %", fmt::format("{:.2f} %", d.more_than(15'000))},
      {"The most dependants", "/sbin/ldconfig (49,441), setup (48,915), filesystem (48,901), libc.so.5 (48,288)",
       worst},
  });
}

std::string top_table(const std::vector<Ranked>& ranked) {
  html::Table top({"Package", ">Can touch", ">% of all"});
  fmt::print("{:>10}  {}\n", "CAN TOUCH", "PACKAGE");
  for (std::size_t i = 0; i < std::min(kTop, ranked.size()); ++i) {
    fmt::print("{:>10}  {}\n", ranked[i].dependants, ranked[i].name);
    top.row().cell(ranked[i].name).cell(std::to_string(ranked[i].dependants));
    top.cell(fmt::format("{:.1f}",
                         100.0 * static_cast<double>(ranked[i].dependants) / static_cast<double>(ranked.size())));
  }
  return top.text();
}

/// Packages that all others may use without saying so.
std::string essential_table(const std::vector<Ranked>& ranked) {
  html::Table table({"Essential package", ">Declared dependants", ">With implicit ones"});
  bool any = false;
  for (const Ranked& r : ranked) {
    if (!r.essential) continue;
    if (!std::exchange(any, true)) fmt::print("{:>10}  {:>10}  {}\n", "DECLARED", "IMPLICIT", "ESSENTIAL PACKAGE");
    fmt::print("{:>10}  {:>10}  {}\n", r.dependants, r.with_implicit, r.name);
    table.row().cell(r.name).cell(std::to_string(r.dependants)).cell(std::to_string(r.with_implicit));
  }
  return !any ? std::string() : "<h2>Essential packages</h2>" + table.text();
}

/// Clients are maintainers: what each of them could touch. [TR IV-A]
std::string maintainer_table(const PackageGraph& made, const Graph& graph) {
  html::Table table({"Maintainer", ">Updates that would be suspect"});
  fmt::print("{:>10}  {}\n", "CAN TOUCH", "MAINTAINER (updates)");
  for (const Risk& risk : riskiest_clients(graph, kTop / 2)) {
    fmt::print("{:>10}  {}\n", risk.suspects, made.names[risk.client.value]);
    table.row().cell(made.names[risk.client.value]).cell(std::to_string(risk.suspects));
  }
  return table.text();
}

}  // namespace

int make_packages(const PackagesArguments& arguments) {
  const std::vector<Release> releases = read_lists(arguments.lists);
  const std::size_t since = release_of(releases, arguments.since);
  StoreOptions options;
  options.payloads = true;
  options.application = "kv";
  auto writer = StoreWriter::open(arguments.graph, options, {});
  if (!writer) fail(writer.error().message);
  if ((*writer)->next().value != 1) throw UsageError(arguments.graph + ": there is a graph already");
  const auto made = generate(releases, **writer, arguments.graph);
  if (!made) fail(made.error().message);
  auto store = Store::open(arguments.graph);
  if (!store) fail(store.error().message);
  const auto declared = read_dependencies(releases, Implicit::Ignored, nullptr);
  if (!declared) fail(declared.error().message);
  const std::vector<Ranked> ranked = rank(*declared, *made);
  const Distribution distribution = distribution_of(ranked);

  std::string facts = fmt::format(
      "{} releases, {} packages of {} maintainers, {} updates of the graph; {} cycles of packages that need each "
      "other "
      "(largest: {}); {} needs that nothing in these lists meets",
      releases.size(), ranked.size(), made->names.size() - 1, made->rows.size(), declared->cycles,
      declared->largest_cycle, declared->unmet);
  if (declared->older > 0)
    facts +=
        fmt::format("; {} versions that are older than one of an earlier list, and so no updates", declared->older);
  if (made->too_wide > 0)
    facts +=
        fmt::format("; {} that need more than a formula can name and count as depending on everything before them",
                    made->too_wide);
  const std::string spread = fmt::format(
      "{:.1f} % of the packages can touch no other, {:.1f} % less than 20, {:.1f} % more than 100, {:.1f} % more "
      "than "
      "15,000",
      distribution.at_most(0), distribution.less_than(20), distribution.more_than(100),
      distribution.more_than(15'000));
  fmt::print("{}\n{}\n", facts, spread);
  const std::string top = top_table(ranked);
  const std::string essentials = essential_table(ranked), maintainers = maintainer_table(*made, store->graph());
  const std::string suspect = arguments.what_if.empty() ? ranked.front().name : arguments.what_if;
  const auto package = declared->find(suspect);
  if (!package) throw UsageError("--what-if: there is no package '" + suspect + "' in these lists");
  const WhatIf result = what_if(*declared, *made, suspect, releases, since);
  fmt::print("{}\n{}\n", result.told, kAssumed);

  const std::string folder = lab::absolute(arguments.graph);
  const std::string x = "packages that it can touch", y = "% of packages";
  const std::string body =
      "<p>" + html::escape(facts) + ".</p>" + compared(ranked, distribution, releases.size()) +
      "<h2>How many others a package can touch (the report's Fig. 4 a and b, and with a logarithmic axis)</h2>" +
      draw_cdfs(distribution, {{"cdf-a", x, y, 0, false}, {"cdf-b", x, y, 60, false}, {"cdf", x, y, 0, true}},
                folder) +
      "<p>" + html::escape(spread) + ".</p><h2>The most dangerous</h2>" + top + essentials +
      "<h2>The most dangerous maintainers</h2>" + maintainers + "<h2>What if</h2><p>" + html::escape(result.told) +
      "</p><p>" + html::escape(result.touched) + "</p><p>" + html::escape(std::string(kAssumed)) + "</p>";
  write_page(folder, "packages.html", "Software packages", body);
  fmt::print("try: seneschal graph mark --graph {} --client \"{}\"\n", arguments.graph,
             declared->names[declared->maintainers[*package]]);
  return 0;
}

}  // namespace seneschal::graph_tool
