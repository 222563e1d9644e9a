// `seneschal graph case packages`: the report's first case study on an apt mirror's lists. [TR IV-A]
#include "tools/seneschal/graph_packages.hpp"

#include "accountability/distribution.hpp"
#include "accountability/packages.hpp"
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
  std::uint64_t dependants = 0;
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

/// Every package, the most dangerous first.
std::vector<Ranked> rank(const PackageGraph& made, const Graph& graph) {
  const auto counts = dependants(graph, made.names.size());
  std::vector<Ranked> ranked;
  for (std::size_t i = kCycleClient.value + 1; i < counts.size(); ++i) ranked.push_back({made.names[i], counts[i]});
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

WhatIf what_if(const PackageGraph& made, const Graph& graph, const std::string& name, ClientId client,
               const std::string& release, Seq since) {
  const UpdateId first = graph.first_of(client, graph.at_seq(since));
  if (first == graph.end())
    return {fmt::format("No version of '{}' came with release {} or later: nothing would be touched.", name, release),
            {}};
  const Colours colours = mark(graph, {{{client, first}}, {}});
  std::set<ClientId> clients;
  for (UpdateId id = colours.next_touched(graph.base()); id < graph.end(); id = colours.next_touched(id.next()))
    if (graph.client(id) != kCycleClient && graph.client(id) != client) clients.insert(graph.client(id));
  constexpr std::size_t kMostNames = 200;
  std::string names;
  std::size_t listed = 0;
  for (const ClientId c : clients) {
    if (listed++ == kMostNames) {
      names += ", ...";
      break;
    }
    names += (names.empty() ? "" : ", ") + made.names[c.value];
  }
  return {
      fmt::format("If '{}' was corrupt since release {}: {} of its versions are, and {} other packages are suspect.",
                  name, release, colours.corrupt(), clients.size()),
      names};
}

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
  const std::vector<Ranked> ranked = rank(*made, store->graph());
  const Distribution distribution = distribution_of(ranked);

  const std::string facts =
      fmt::format(
          "{} releases, {} packages, {} updates of the graph; {} cycles of packages that need each other (largest: "
          "{}); "
          "{} needs that nothing in these lists meets",
          releases.size(), ranked.size(), made->updates, made->cycles, made->largest_cycle, made->unmet) +
      (made->too_wide == 0 ? std::string()
                           : fmt::format("; {} that need more than a formula can name and count as depending on "
                                         "everything before them",
                                         made->too_wide));
  const std::string spread = fmt::format(
      "{:.1f} % of the packages can touch no other, {:.1f} % less than 20, {:.1f} % more than 100, {:.1f} % more "
      "than "
      "15,000",
      distribution.at_most(0), distribution.less_than(20), distribution.more_than(100),
      distribution.more_than(15'000));
  fmt::print("{}\n{}\n", facts, spread);
  const std::string top = top_table(ranked);
  const std::string suspect = arguments.what_if.empty() ? ranked.front().name : arguments.what_if;
  const auto client = client_of_name(arguments.graph, suspect);
  if (!client) throw UsageError("--what-if: there is no package '" + suspect + "' in these lists");
  const WhatIf result = what_if(*made, store->graph(), suspect, *client, releases[since].name, Seq(since + 1));
  fmt::print("{}\n", result.told);

  const std::string folder = lab::absolute(arguments.graph);
  const std::string x = "packages that it can touch", y = "% of packages";
  const std::string body =
      "<p>" + html::escape(facts) + ".</p>" + compared(ranked, distribution, releases.size()) +
      "<h2>How many others a package can touch (the report's Fig. 4 a and b, and with a logarithmic axis)</h2>" +
      draw_cdfs(distribution, {{"cdf-a", x, y, 0, false}, {"cdf-b", x, y, 60, false}, {"cdf", x, y, 0, true}},
                folder) +
      "<p>" + html::escape(spread) + ".</p><h2>The most dangerous</h2>" + top + "<h2>What if</h2><p>" +
      html::escape(result.told) + "</p><p>" + html::escape(result.touched) + "</p>";
  write_page(folder, "packages.html", "Software packages", body);
  fmt::print("try: seneschal graph mark --graph {} --client {}\n", arguments.graph, suspect);
  return 0;
}

}  // namespace seneschal::graph_tool
