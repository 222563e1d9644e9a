// `seneschal graph case packages`: the report's first case study on an apt mirror's lists. [TR IV-A]
#include "tools/seneschal/graph_packages.hpp"

#include "accountability/packages.hpp"
#include "lab/files.hpp"
#include "lab/html.hpp"
#include "lab/plots.hpp"
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

/// Share of packages with at most so many dependants.
std::vector<std::pair<std::uint64_t, double>> cdf_of(const std::vector<Ranked>& ranked) {
  std::vector<std::pair<std::uint64_t, double>> cdf;
  for (std::size_t i = ranked.size(); i-- > 0;) {  // ascending by dependants
    const double share = 100.0 * static_cast<double>(ranked.size() - i) / static_cast<double>(ranked.size());
    if (!cdf.empty() && cdf.back().first == ranked[i].dependants)
      cdf.back().second = share;
    else
      cdf.emplace_back(ranked[i].dependants, share);
  }
  return cdf;
}

double share_up_to(const std::vector<std::pair<std::uint64_t, double>>& cdf, std::uint64_t n) {
  double share = 0;
  for (const auto& [dependants, percent] : cdf)
    if (dependants <= n) share = percent;
  return share;
}

std::string cdf_plot(const std::vector<std::pair<std::uint64_t, double>>& cdf, const std::string& output) {
  std::string script = fmt::format(
      "set terminal svg size 640,420 dynamic enhanced font 'Helvetica,15' background 'white'\nset output '{}'\n"
      "set xlabel 'packages that it can touch (none is drawn at 0.5)'\nset ylabel '% of packages'\nset logscale x\n"
      "set yrange [0:100]\nset key off\nset grid ytics lc rgb '#dddddd' lw 1 lt 1\nset border 3\nset tics nomirror\n"
      "$d << EOD\n",
      output);
  for (const auto& [dependants, percent] : cdf)
    script += fmt::format("{} {}\n", dependants == 0 ? 0.5 : static_cast<double>(dependants), percent);
  return script + "EOD\nplot $d using 1:2 with steps lc rgb '#1b6ca8' lw 2\n";
}

}  // namespace

int make_packages(const PackagesArguments& arguments) {
  const std::vector<Release> releases = read_lists(arguments.lists);
  std::size_t since = 0;
  while (!arguments.since.empty() && since < releases.size() && releases[since].name != arguments.since) ++since;
  if (since == releases.size()) throw UsageError("--since: there is no release '" + arguments.since + "'");
  StoreOptions options;
  options.digests = options.payloads = true;
  auto writer = StoreWriter::open(arguments.graph, options, {});
  if (!writer) fail(writer.error().message);
  if ((*writer)->next().value != 1) throw UsageError(arguments.graph + ": there is a graph already");
  const auto made = generate(releases, **writer, arguments.graph);
  if (!made) fail(made.error().message);
  auto store = Store::open(arguments.graph);
  if (!store) fail(store.error().message);
  const Graph& graph = store->graph();
  const auto counts = dependants(graph, made->names.size());
  std::vector<Ranked> ranked;
  for (std::size_t i = kCycleClient.value + 1; i < counts.size(); ++i) ranked.push_back({made->names[i], counts[i]});
  std::ranges::sort(ranked, [](const Ranked& a, const Ranked& b) {
    return std::tie(b.dependants, a.name) < std::tie(a.dependants, b.name);
  });
  const auto cdf = cdf_of(ranked);

  const std::string suspect_name = arguments.what_if.empty() ? ranked.front().name : arguments.what_if;
  const auto client = client_of_name(arguments.graph, suspect_name);
  if (!client) throw UsageError("--what-if: there is no package '" + suspect_name + "' in these lists");
  const UpdateId first = graph.first_of(*client, graph.at_seq(Seq(since + 1)));
  const bool any = first != graph.end();
  Colours colours(graph.origin(), graph.end());
  if (any) colours = mark(graph, {{{*client, first}}, {}});
  std::vector<std::string> touched;
  {
    std::set<ClientId> clients;
    for (UpdateId id = colours.next_touched(graph.base()); id < graph.end(); id = colours.next_touched(id.next()))
      if (graph.client(id) != kCycleClient && graph.client(id) != *client) clients.insert(graph.client(id));
    for (const ClientId c : clients) touched.push_back(made->names[c.value]);
  }

  const std::string facts = fmt::format(
      "{} releases, {} packages, {} updates of the graph; {} cycles of packages that need each other (largest: {}); "
      "{} "
      "needs that nothing in these lists meets",
      releases.size(), ranked.size(), made->updates, made->cycles, made->largest_cycle, made->unmet);
  const std::string spread = fmt::format(
      "{:.1f} % of the packages can touch no other, {:.1f} % at most 10, {:.1f} % at most 100, {:.1f} % at most "
      "1,000",
      share_up_to(cdf, 0), share_up_to(cdf, 10), share_up_to(cdf, 100), share_up_to(cdf, 1000));
  const std::string incident =
      any ? fmt::format(
                "If '{}' was corrupt since release {}: {} of its versions are, and {} other packages are suspect.",
                suspect_name, releases[since].name, colours.corrupt(), touched.size())
          : fmt::format("No version of '{}' came with release {} or later: nothing would be touched.", suspect_name,
                        releases[since].name);
  fmt::print("{}\n{}\n{:>10}  {}\n", facts, spread, "CAN TOUCH", "PACKAGE");
  html::Table top({"Package", ">Can touch", ">% of all"});
  for (std::size_t i = 0; i < std::min(kTop, ranked.size()); ++i) {
    fmt::print("{:>10}  {}\n", ranked[i].dependants, ranked[i].name);
    top.row().cell(ranked[i].name).cell(std::to_string(ranked[i].dependants));
    top.cell(fmt::format("{:.1f}",
                         100.0 * static_cast<double>(ranked[i].dependants) / static_cast<double>(ranked.size())));
  }
  fmt::print("{}\n", incident);

  const std::string folder = lab::absolute(arguments.graph);
  const std::vector<lab::Plot> plots = {{"cdf", "Dependants", cdf_plot(cdf, folder + "/cdf.svg")}};
  std::string drawing;
  if (Status drawn = lab::draw(plots, folder); !drawn)
    std::fprintf(stderr, "warning: %s\n", drawn.error().message.c_str());
  else if (auto svg = lab::read_file(folder + "/cdf.svg"))
    drawing = svg->substr(std::min(svg->find("<svg"), svg->size()));
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(touched.size(), 200); ++i)
    names += (names.empty() ? "" : ", ") + touched[i];
  if (touched.size() > 200) names += ", ...";
  const std::string body = "<p>" + html::escape(facts) + ".</p><h2>How many others a package can touch</h2>" +
                           drawing + "<p>" + html::escape(spread) + ".</p><h2>The most dangerous</h2>" + top.text() +
                           "<h2>What if</h2><p>" + html::escape(incident) + "</p><p>" + html::escape(names) + "</p>";
  if (Status done = replace_file(folder + "/packages.html", as_span(html::page("Software packages", body))); !done)
    fail(done.error().message);
  fmt::print("page: {}/packages.html\ntry: seneschal graph mark --graph {} --client {}\n", arguments.graph,
             arguments.graph, suspect_name);
  return 0;
}

}  // namespace seneschal::graph_tool
