// `seneschal graph mark, clear, status, blast, why, whatif, risk`: what operators say, and what follows from it.
#include "accountability/trace.hpp"
#include "tools/seneschal/flags.hpp"
#include "tools/seneschal/graph_arguments.hpp"
#include "tools/seneschal/graph_deployment.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace seneschal::graph_tool {
namespace {

using namespace accountability;

void print_counts(const Graph& graph, const Colours& colours) {
  for (const auto& [name, n] : counts_of(graph, colours))
    std::printf("  %-13s %12lu  %6.2f %%\n", name.c_str(), n,
                graph.size() == 0 ? 0 : 100.0 * static_cast<double>(n) / static_cast<double>(graph.size()));
  if (const auto begin = colours.unknown_before())
    std::printf(
        "unknown before update %lu: a client is malicious since before the graph begins; ask a server whose "
        "graph begins earlier\n",
        begin->value);
}

Json counts_json(const Graph& graph, const Colours& colours) {
  Json json = {{"updates", graph.size()}, {"corrupt", colours.corrupt()}, {"suspect", colours.suspect()}};
  add_rest(json, graph, colours);
  return json;
}

void print_updates(const Incident& incident, std::span<const UpdateId> ids, bool json, bool cut = false,
                   const char* option = "--most") {
  Json list = Json::array();
  if (!json) std::printf("  %12s  %8s  %10s  %-12s  %s\n", "UPDATE", "CLIENT", "SEQ", "CLASS", "DEPENDS ON");
  for (const UpdateId id : ids) {
    Json one = describe(incident, id);
    if (json)
      list.push_back(std::move(one));
    else
      std::printf("  %12lu  %8u  %10lu  %-12s  %s\n", id.value, one["client"].get<unsigned>(),
                  one["seq"].get<std::uint64_t>(), one["class"].get<std::string>().c_str(),
                  one["depends_on"].get<std::string>().substr(0, 60).c_str());
  }
  if (cut) tell_cut(json ? &list : nullptr, ids.size(), option);
  if (json) print_json(list);
}

/// Two commands that change the findings of one graph wait for each other.
class FindingsChange {
 public:
  /// From here on the findings are those on the disk.
  explicit FindingsChange(Incident& incident)
      : lock_(FileLock::take(incident.place.findings + "/findings.lock", true)) {
    if (!lock_) fail(lock_.error().message);
    auto said = load_findings(incident.place.findings);
    if (!said) fail(said.error().message);
    incident.said = std::move(*said);
    incident.judge();
  }
  /// Signed by the operator.
  void say(Incident& incident, const Arguments& a, Finding finding) const {
    finding.author = a.author;
    finding.reason = a.reason;
    finding.time = time_now();
    const crypto::PrivateKey key = operator_key(a.key.empty() ? incident.place.findings + "/operator.pem" : a.key);
    need(add_finding(incident.place.findings, incident.said, std::move(finding), key));
    incident.judge();
  }

 private:
  Result<FileLock> lock_;
};

/// Of the cleared updates of this graph: those that `marks` would make suspect if nothing were cleared, or the
/// others.
std::vector<UpdateId> clears(const Incident& incident, const std::set<Mark>& marks, bool suspect) {
  std::vector<UpdateId> found;
  if (incident.findings.cleared.empty()) return found;
  const Colours without = mark(incident.store.graph(), {marks, {}});
  for (const UpdateId id : incident.findings.cleared)
    if (incident.store.graph().has(id) && without.touched(id) == suspect) found.push_back(id);
  return found;
}

/// Cleared updates that nothing would make suspect now: if something does one day, nobody has looked at that.
std::vector<UpdateId> idle_clears(const Incident& incident) {
  return clears(incident, incident.findings.marks, false);
}

void warn_of_idle_clears(const Incident& incident) {
  for (const UpdateId id : idle_clears(incident))
    std::fprintf(stderr,
                 "warning: update %lu stays cleared, and nothing would make it suspect: take that back with "
                 "'clear --withdraw %lu', or it will count as good whatever is found later\n",
                 id.value, id.value);
}

int show_counts(const Incident& incident, const Arguments& a) {
  if (a.json)
    print_json(counts_json(incident.store.graph(), incident.colours));
  else
    print_counts(incident.store.graph(), incident.colours);
  return exit_code(incident);
}

}  // namespace

int mark_client(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "Marks a client as malicious since a position in the order, or takes that back.",
            {"client", "since", "withdraw", "author", "reason", "key"});
  Incident incident = load_incident(a);
  const FindingsChange change(incident);
  if (a.withdraw) {
    const ClientId client = need_client(a, incident.store);
    const std::set<Mark> marks = incident.findings.marks;
    bool any = false;
    for (const Mark& m : marks) {
      if (m.client != client || !(a.since.empty() || is_since(m, since_of(a, incident), incident.store))) continue;
      change.say(incident, a, {.kind = Finding::Kind::Unmark, .mark = m});
      any = true;
    }
    if (!any) fail(fmt::format("client {} is not marked{}", client.value, a.since.empty() ? "" : " there"));
    warn_of_idle_clears(incident);
  } else {
    const Mark found = need_mark(a, incident);
    // What was cleared was looked at with the marks of then: what is suspect by this one, or by it and them together.
    std::vector<UpdateId> overtaken = idle_clears(incident);
    if (!incident.findings.marks.contains(found)) {
      change.say(incident, a, {.kind = Finding::Kind::Mark, .mark = found});
      std::erase_if(overtaken,
                    [still = idle_clears(incident)](UpdateId id) { return std::ranges::binary_search(still, id); });
      for (const UpdateId id : clears(incident, {found}, true)) overtaken.push_back(id);
      std::ranges::sort(overtaken);
      const auto [first, last] = std::ranges::unique(overtaken);
      overtaken.erase(first, last);
      for (const UpdateId id : overtaken)
        std::fprintf(stderr,
                     "warning: update %lu was cleared before this was known, and depends on that client: it still "
                     "counts as good; 'clear --withdraw %lu' makes it suspect\n",
                     id.value, id.value);
    } else {
      std::fprintf(stderr,
                   "note: client %u is marked like that already; nothing was written, no reason and no author "
                   "either: 'unmark' and 'mark' again to change them\n",
                   found.client.value);
    }
    if (!a.json) std::printf("%s\n", told(found, incident.store.graph()).c_str());
  }
  return show_counts(incident, a);
}

int clear_update(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "Declares a suspect update good; what depends on it is computed again.",
                            {"update", "withdraw", "author", "reason", "key"});
  Incident incident = load_incident(a);
  const FindingsChange change(incident);
  if (a.withdraw) {  // also one that this server's graph does not have
    if (!a.has_update) throw UsageError("name an update");
    if (!incident.findings.cleared.contains(UpdateId(a.update)))
      fail(fmt::format("update {} was not cleared", a.update));
    change.say(incident, a, {.kind = Finding::Kind::Unclear, .update = UpdateId(a.update)});
  } else {
    const UpdateId id = need_update(a, incident.store.graph());
    const Colour colour = incident.colours.of(id);
    if (colour == Colour::Corrupt)
      fail(fmt::format("update {} is of a malicious client: withdraw the mark instead", id.value));
    if (colour == Colour::Unknown)
      throw UnknownError(fmt::format("update {} is not known to be suspect: unknown before update {}", id.value,
                                     incident.store.graph().base().value));
    if (colour == Colour::NotAffected) fail(fmt::format("update {} is not suspect", id.value));
    change.say(incident, a, {.kind = Finding::Kind::Clear, .update = id});
  }
  return show_counts(incident, a);
}

int show_status(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "What the graph holds, who is marked, and what that touches.", {});
  const Incident incident = load_incident(a);
  if (a.json) {
    Json json = incident_json(incident);
    json.erase("evidence");
    json.erase("evidence_complete");
    json["idle_clears"] = Json::array();
    for (const UpdateId id : idle_clears(incident)) json["idle_clears"].push_back(id.value);
    if (!a.deployment.empty()) json["servers"] = servers_json(a.deployment);
    print_json(json);
    return exit_code(incident);
  }
  const Graph& graph = incident.store.graph();
  if (!a.deployment.empty()) print_servers(a.deployment);
  std::printf("updates %lu to %lu, digest %s\nhead: %s\n", graph.base().value, graph.end().value - 1,
              to_hex(incident.store.digest().bytes).c_str(), incident.trust.c_str());
  for (const std::string& what : incident.not_checked) std::printf("not checked: %s\n", what.c_str());
  const auto by = [](const Finding* finding) { return finding == nullptr ? std::string() : to_string(*finding); };
  for (const Mark& m : incident.findings.marks)
    std::printf("%s (%s)\n", told(m, graph).c_str(), by(finding_of(incident.said, m)).c_str());
  for (const UpdateId id : incident.findings.cleared)
    std::printf("update %lu was cleared (%s)\n", id.value, by(finding_of(incident.said, id)).c_str());
  warn_of_idle_clears(incident);
  print_counts(graph, incident.colours);
  return exit_code(incident);
}

int show_blast(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "What would be suspect if one update alone were bad.", {"update", "most", "top"});
  const Incident incident = load_incident(a);
  ReverseIndex index(incident.store.graph());
  // One more than is shown tells whether there are more.
  auto reached = blast(incident.store.graph(), index, need_update(a, incident.store.graph()), a.most + 1);
  const bool most = reached.size() > a.most;
  if (most) reached.resize(a.most);
  if (!a.json) std::printf("%zu updates%s\n", reached.size(), most ? " or more (--most)" : "");
  const std::size_t shown = a.json ? reached.size() : std::min<std::size_t>(reached.size(), a.top);
  print_updates(incident, std::span(reached).first(shown), a.json, most || shown < reached.size(),
                shown < reached.size() ? "--top" : "--most");
  return exit_code(incident);
}

int show_why(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "A shortest chain of dependencies from a corrupt update to this one.", {"update"});
  const Incident incident = load_incident(a);
  const UpdateId id = need_update(a, incident.store.graph());
  const auto chain = why(incident.store.graph(), incident.colours, id);
  const auto begin = incident.colours.unknown_before();
  if (chain.empty() && begin)
    throw UnknownError(
        fmt::format("update {}: unknown before update {}: a client is malicious since before the graph "
                    "begins",
                    id.value, begin->value));
  if (chain.empty() && !a.json)
    std::printf("update %lu is not affected\n", id.value);
  else
    print_updates(incident, chain, a.json);
  return exit_code(incident);
}

namespace {
Redundant redundant_clients(const std::string& text) {
  Redundant clients;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* const stop = std::find(at, end, ',');
    const auto member = tools::whole_number({at, stop}, 0, kMaxClient - 1);
    if (!member || stop + 1 == end)
      tools::refuse_value("redundant", text,
                          fmt::format("clients' numbers such as 3,4, each from 0 to {}", kMaxClient - 1));
    clients.insert(ClientId(static_cast<std::uint32_t>(*member)));
    at = stop == end ? end : stop + 1;
  }
  return clients;
}
}  // namespace

int show_whatif(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "What would be touched if a client were malicious; what redundant sources would save.",
            {"client", "since", "redundant"});
  const Redundant redundant = redundant_clients(a.redundant);
  const Incident incident = load_incident(a);
  const Graph& graph = incident.store.graph();
  if (redundant.size() == 1) throw UsageError("--redundant takes at least two clients: nobody stands in for itself");
  for (const ClientId member : redundant)
    if (graph.first_of(member, graph.base()) == graph.end())
      fail(fmt::format("--redundant: client {} made no update, so it stands in for nobody", member.value));
  Findings findings = incident.findings;
  findings.marks.insert(need_mark(a, incident));
  const Colours colours = mark(graph, findings);
  Json json = counts_json(graph, colours);
  if (!a.json) print_counts(graph, colours);
  if (!redundant.empty()) {
    const Colours with = mark_with_redundancy(graph, findings, redundant);
    json["with_redundancy"] = counts_json(graph, with);
    if (!a.json) {
      std::printf("with clients %s standing in for each other:\n", a.redundant.c_str());
      print_counts(graph, with);
    }
  }
  if (a.json) print_json(json);
  return exit_code(incident, colours);
}

int show_risk(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "Who, or which update, would touch most others.", {"top", "by", "candidates"});
  const Incident incident = load_incident(a);
  const Graph& graph = incident.store.graph();
  if (graph.size() > kMaxRiskUpdates) fail("too many updates for this; drop old epochs first");
  if (a.by != "client" && a.by != "update") throw UsageError("--by takes client or update");
  auto worst =
      a.by == "client" ? riskiest_clients(graph, a.top + 1) : riskiest_updates(graph, a.top + 1, a.candidates);
  const bool more = worst.size() > a.top;
  if (more) worst.resize(a.top);
  Json list = Json::array();
  if (!a.json)
    std::printf("  %8s  %12s  %12s%s\n", "CLIENT", "UPDATE", "WOULD TOUCH", incident.clients.empty() ? "" : "  NAME");
  for (const Risk& risk : worst) {
    if (!a.json)
      std::printf("  %8u  %12s  %12lu  %s\n", risk.client.value,
                  risk.update.value == 0 ? "all" : std::to_string(risk.update.value).c_str(), risk.suspects,
                  incident.clients.contains(risk.client) ? incident.clients.at(risk.client).c_str() : "");
    Json one = {{"client", risk.client.value}, {"suspects", risk.suspects}};
    if (risk.update.value != 0) one["update"] = risk.update.value;
    if (incident.clients.contains(risk.client)) one["client_name"] = incident.clients.at(risk.client);
    list.push_back(std::move(one));
  }
  if (more) tell_cut(a.json ? &list : nullptr, worst.size(), "--top");
  if (a.json) print_json(list);
  if (a.by == "update" && graph.size() > a.candidates)
    std::fprintf(stderr, "note: among the %lu updates that most others name directly (--candidates)\n", a.candidates);
  // A client as a whole is malicious from its first update on, and that may lie before the graph begins.
  const bool partly = a.by == "client" && graph.base().value > 1;
  if (partly)
    std::fprintf(
        stderr,
        "warning: at least so many: unknown before update %lu, where the graph begins; '--by update' is exact "
        "for the updates that are in it\n",
        graph.base().value);
  return partly ? kUnknown : exit_code(incident);
}

}  // namespace seneschal::graph_tool
