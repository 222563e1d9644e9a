#include "tools/seneschal/graph_story.hpp"

#include "lab/files.hpp"
#include "lab/html.hpp"
#include "tools/seneschal/graph_case_page.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fmt/format.h>
#include <chrono>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

/// Asked about for the distribution; more would take longer than a user waits at 3.6 million updates.
constexpr std::size_t kMostAsked = 50'000;
constexpr std::size_t kMostDrawn = 60;

std::unique_ptr<StoreWriter> new_graph(const std::string& folder) {
  StoreOptions options;
  options.payloads = true;
  options.application = "kv";
  auto writer = StoreWriter::open(folder, options, {});
  if (!writer) fail(writer.error().message);
  if ((*writer)->next().value != 1) throw UsageError(folder + ": there is a graph already");
  return std::move(*writer);
}

/// The graph with the liar marked from the lie on.
struct Told {
  CaseStory story;
  Incident incident;
  double mark_ms = 0;
};

Told told(const std::string& folder, CaseStory story) {
  const UpdateId lie = story.steps.front().id;
  Incident incident = load_incident(GraphPlace{folder, folder, {}, {}, {}, {}, {}});
  incident.said.findings = {{{story.liar, lie, {}}}, {}};
  const auto begin = std::chrono::steady_clock::now();
  incident.judge();
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  return {std::move(story), std::move(incident), ms};
}

std::string class_of(const Told& t, std::string_view key) {
  return std::string(accountability::to_string(t.incident.colours.of(t.story.of(key).id)));
}

std::string counts_of(const Told& t) {
  const Colours& colours = t.incident.colours;
  const std::uint64_t all = t.incident.store.graph().size();
  return fmt::format("{} corrupt, {} suspect, {} certainly not affected", colours.corrupt(), colours.suspect(),
                     all - colours.corrupt() - colours.suspect());
}

/// Suspects that the story does not tell of: those that nobody would find by asking around.
std::string others_of(const Told& t) {
  const Graph& graph = t.incident.store.graph();
  std::set<UpdateId> known;
  for (const CaseStory::Step& step : t.story.steps) known.insert(step.id);
  constexpr std::size_t kMost = 50;
  std::string list;
  std::size_t others = 0;
  const Colours& colours = t.incident.colours;
  for (UpdateId id = colours.next_touched(graph.base()); id < graph.end(); id = colours.next_touched(id.next())) {
    if (known.contains(id) || ++others > kMost) continue;
    list += fmt::format("{}{} (client {}, on {})", list.empty() ? "" : ", ", id.value, graph.client(id).value,
                        graph.formula(id).text());
  }
  return fmt::format("<p>Suspect besides: {} updates{}{}{}</p>", others, others == 0 ? "." : ": ", html::escape(list),
                     others > kMost ? ", ..." : "");
}

/// What both pages show below the report's words.
std::string rest_of_page(const Told& t, const std::string& folder, const std::string& unit) {
  const Graph& graph = t.incident.store.graph();
  const Distribution dependants = dependants_of_updates(graph, kMostAsked, 1);
  const std::string spread = fmt::format(
      "Of {} {}s {:.1f} % can touch no other, {:.1f} % less than 20, {:.2f} % more than 100; the most is {}.",
      dependants.size(), unit, dependants.at_most(0), dependants.less_than(20), dependants.more_than(100),
      dependants.largest());
  fmt::print("{}\n", spread);
  const std::string drawings =
      draw_cdfs(dependants, {{"cdf", "dependants", fmt::format("% of {}s", unit), 0, true}}, folder);
  return "<h2>The story</h2>" + story_table(t.incident, t.story) + others_of(t) +
         "<p>Red: corrupt. Orange: suspect. Green: not affected. An arrow leads to what an update depends on.</p>" +
         drawing(t.incident, surroundings(t.incident, kMostDrawn).ids) + "<h2>How many others one " + unit +
         " can touch</h2><p>" + html::escape(spread) + "</p>" + drawings;
}

void tell_next(const std::string& folder, const CaseStory& story) {
  fmt::print("try: seneschal graph mark --graph {} --client {}\n", folder, story.liar.value);
}

}  // namespace

int make_picture(const std::string& folder, const Picture& picture) {
  auto writer = new_graph(folder);
  auto story = generate(picture, *writer);
  if (!story) throw UsageError(story.error().message);
  writer.reset();
  const Told t = told(folder, std::move(*story));
  const std::uint64_t updates = t.incident.store.graph().size();
  fmt::print("{} updates; client {} reports an enemy where it is not: update {}\n", updates, t.story.liar.value,
             t.story.of("enemy/1").id.value);
  fmt::print("  the convoy's path {}, the meeting point {} and the attack plan {} rest on it\n{}\n",
             t.story.of("convoy/path").id.value, t.story.of("unit/17/meeting").id.value,
             t.story.of("commando/plan").id.value, counts_of(t));
  const std::vector<Compared> words = {
      {"Updates", "about 5,000 units with an update a minute, 12 hours: about 3,600,000",
       fmt::format("{} units, {} minutes: {}", picture.units, picture.minutes, updates)},
      {"Plan of the logistics convoy", "marked: it avoids an enemy who is not there", class_of(t, "convoy/path")},
      {"Meeting point of the supplied unit", "marked: it lies on the convoy's path", class_of(t, "unit/17/meeting")},
      {"Plan of the commando unit", "marked: it attacks where nobody is", class_of(t, "commando/plan")},
      {"Everything", "", counts_of(t)},
      {"Time for the answer", "seconds", fmt::format("{:.1f} ms for the marking", t.mark_ms)}};
  const std::string body =
      "<p>A compromised computer of an intelligence officer reports an enemy unit three kilometres from where it is. "
      "A convoy, the unit that it supplies, and a commando plan accordingly (the report, section IV-B).</p>" +
      table_of(words) + rest_of_page(t, lab::absolute(folder), "update");
  write_page(folder, "picture.html", "Common operation picture", body);
  tell_next(folder, t.story);
  return 0;
}

int make_threads(const std::string& folder, const Threads& threads) {
  auto writer = new_graph(folder);
  auto story = generate(threads, *writer);
  if (!story) throw UsageError(story.error().message);
  writer.reset();
  const Told t = told(folder, std::move(*story));
  const std::uint64_t messages = t.incident.store.graph().size();
  fmt::print("{} messages; client {} reports cases that there are not: update {}\n", messages, t.story.liar.value,
             t.story.of("cases/springfield").id.value);
  fmt::print("  the vaccine's shipment {} and the advisory {} rest on it; the airport {} has a second source\n{}\n",
             t.story.of("vaccine/shipment").id.value, t.story.of("advisory/7").id.value,
             t.story.of("airport/shelbyville").id.value, counts_of(t));
  const std::vector<Compared> words = {
      {"Who writes", "several hundred clinical experts and leaders", fmt::format("{} members", threads.members)},
      {"How much", "several thousand messages a day in an emergency",
       fmt::format("{} a day, {} in all", threads.per_day, messages)},
      {"The lie", "a stolen password; cases reported in the wrong place", class_of(t, "cases/springfield")},
      {"Further updates based on it", "must be found and looked at again",
       fmt::format("shipment {}, advisory {}", class_of(t, "vaccine/shipment"), class_of(t, "advisory/7"))},
      {"What has a second source", "an OR of which one branch is clean stays clean (III-C)",
       fmt::format("airport {}", class_of(t, "airport/shelbyville"))},
      {"Everything", "", counts_of(t)},
      {"Time for the answer", "considerably smaller than the operation picture",
       fmt::format("{:.2f} ms for the marking", t.mark_ms)}};
  const std::string body =
      "<p>Clinicians tell each other of cases; messages answer earlier ones. Somebody has stolen a contributor's "
      "password and reports smallpox where there is none (the report, section IV-C).</p>" +
      table_of(words) + rest_of_page(t, lab::absolute(folder), "message");
  write_page(folder, "threads.html", "Biodefense network", body);
  tell_next(folder, t.story);
  return 0;
}

}  // namespace seneschal::graph_tool
