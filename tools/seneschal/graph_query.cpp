// `seneschal graph mark, clear, status, blast, why, whatif, risk, regenerate, diff, export, report`: an incident,
// step by step.
#include "accountability/regenerate.hpp"
#include "accountability/trace.hpp"
#include "lab/files.hpp"
#include "replication/applications.hpp"
#include "tools/seneschal/graph_arguments.hpp"
#include "tools/seneschal/graph_deployment.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>

namespace seneschal::graph_tool {
namespace {

using namespace accountability;

void need(const Status& status) {
  if (!status) fail(status.error().message);
}

void print_counts(const Graph& graph, const Colours& colours) {
  const auto line = [&](const char* name, std::uint64_t n) {
    std::printf("  %-13s %12lu  %6.2f %%\n", name, n,
                graph.size() == 0 ? 0 : 100.0 * static_cast<double>(n) / static_cast<double>(graph.size()));
  };
  line("CORRUPT", colours.corrupt());
  line("SUSPECT", colours.suspect());
  line("NOT_AFFECTED", graph.size() - colours.corrupt() - colours.suspect());
}

Json counts_json(const Graph& graph, const Colours& colours) {
  return {{"updates", graph.size()},
          {"corrupt", colours.corrupt()},
          {"suspect", colours.suspect()},
          {"not_affected", graph.size() - colours.corrupt() - colours.suspect()}};
}

void print_json(const Json& json) {
  std::printf("%s\n", text_of(json).c_str());
}

void print_updates(const Incident& incident, std::span<const UpdateId> ids, bool json) {
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
  if (json) print_json(list);
}

/// Two commands that change the findings of one graph wait for each other.
class FindingsChange {
 public:
  /// From here on the findings are those on the disk.
  explicit FindingsChange(Incident& incident)
      : lock_(FileLock::take(incident.place.findings + "/findings.lock", true)) {
    if (!lock_) fail(lock_.error().message);
    auto findings = load_findings(incident.place.findings);
    if (!findings) fail(findings.error().message);
    incident.findings = std::move(*findings);
    incident.colours = mark(incident.store.graph(), incident.findings);
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

int save_and_show(Incident& incident, const Arguments& a) {
  need(save_findings(incident.place.findings, incident.findings));
  incident.colours = mark(incident.store.graph(), incident.findings);
  if (a.json)
    print_json(counts_json(incident.store.graph(), incident.colours));
  else
    print_counts(incident.store.graph(), incident.colours);
  return 0;
}

}  // namespace

int mark_client(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "Marks a client as malicious since a position in the order, or takes that back.",
            {"client", "since", "withdraw"});
  Incident incident = load_incident(a);
  const FindingsChange change(incident);
  if (a.withdraw) {
    const ClientId client = need_client(a, incident.store);
    const auto gone = std::erase_if(incident.findings.marks, [&](const Mark& m) {
      return m.client == client && (a.since.empty() || m.from == since_of(a, incident.store));
    });
    if (gone == 0) fail(fmt::format("client {} is not marked{}", client.value, a.since.empty() ? "" : " there"));
    warn_of_idle_clears(incident);
  } else {
    const Mark found = need_mark(a, incident.store);
    // What was cleared was looked at with the marks of then: what is suspect by this one, or by it and them together.
    std::vector<UpdateId> overtaken = idle_clears(incident);
    if (incident.findings.marks.insert(found).second) {
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
    }
    if (!a.json) std::printf("client %u is malicious since update %lu\n", found.client.value, found.from.value);
  }
  return save_and_show(incident, a);
}

int clear_update(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "Declares a suspect update good; what depends on it is computed again.",
                            {"update", "withdraw"});
  Incident incident = load_incident(a);
  const FindingsChange change(incident);
  if (a.withdraw) {  // also one that this server's graph does not have
    if (!a.has_update) throw UsageError("name an update");
    if (incident.findings.cleared.erase(UpdateId(a.update)) == 0)
      fail(fmt::format("update {} was not cleared", a.update));
  } else {
    const UpdateId id = need_update(a, incident.store.graph());
    const Colour colour = incident.colours.of(id);
    if (colour == Colour::Corrupt)
      fail(fmt::format("update {} is of a malicious client: withdraw the mark instead", id.value));
    if (colour == Colour::NotAffected) fail(fmt::format("update {} is not suspect", id.value));
    incident.findings.cleared.insert(id);
  }
  return save_and_show(incident, a);
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
    return 0;
  }
  const Graph& graph = incident.store.graph();
  if (!a.deployment.empty()) print_servers(a.deployment);
  std::printf("updates %lu to %lu, digest %s\nhead: %s\n", graph.base().value, graph.end().value - 1,
              to_hex(incident.store.digest().bytes).c_str(), incident.trust.c_str());
  for (const Mark& m : incident.findings.marks)
    std::printf("client %u is malicious since update %lu\n", m.client.value, m.from.value);
  for (const UpdateId id : incident.findings.cleared) std::printf("update %lu was cleared\n", id.value);
  warn_of_idle_clears(incident);
  print_counts(graph, incident.colours);
  return 0;
}

int show_blast(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "What would be suspect if one update alone were bad.", {"update", "most", "top"});
  const Incident incident = load_incident(a);
  ReverseIndex index(incident.store.graph());
  const auto reached = blast(incident.store.graph(), index, need_update(a, incident.store.graph()), a.most);
  if (!a.json)
    std::printf("%zu updates%s\n", reached.size(), reached.size() == a.most ? " (there may be more: --most)" : "");
  print_updates(incident,
                std::span(reached).first(a.json ? reached.size() : std::min<std::size_t>(reached.size(), a.top)),
                a.json);
  return 0;
}

int show_why(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "A shortest chain of dependencies from a corrupt update to this one.", {"update"});
  const Incident incident = load_incident(a);
  const UpdateId id = need_update(a, incident.store.graph());
  const auto chain = why(incident.store.graph(), incident.colours, id);
  if (chain.empty() && !a.json)
    std::printf("update %lu is not affected\n", id.value);
  else
    print_updates(incident, chain, a.json);
  return 0;
}

namespace {
Redundant redundant_clients(const std::string& text) {
  Redundant clients;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::uint32_t member = 0;
    const auto [stop, error] = std::from_chars(at, end, member);
    const bool more = stop != end && *stop == ',' && stop + 1 != end;
    if (error != std::errc{} || (stop != end && !more)) throw UsageError("--redundant takes clients such as 3,4");
    clients.insert(ClientId(member));
    at = more ? stop + 1 : stop;
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
  findings.marks.insert(need_mark(a, incident.store));
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
  return 0;
}

int show_risk(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "Who, or which update, would touch most others.", {"top", "by", "candidates"});
  const Incident incident = load_incident(a);
  const Graph& graph = incident.store.graph();
  if (graph.size() > kMaxRiskUpdates) fail("too many updates for this; drop old epochs first");
  if (a.by != "client" && a.by != "update") throw UsageError("--by takes client or update");
  const auto worst = a.by == "client" ? riskiest_clients(graph, a.top) : riskiest_updates(graph, a.top, a.candidates);
  Json list = Json::array();
  if (!a.json) std::printf("  %8s  %12s  %12s\n", "CLIENT", "UPDATE", "WOULD TOUCH");
  for (const Risk& risk : worst) {
    if (!a.json)
      std::printf("  %8u  %12s  %12lu\n", risk.client.value,
                  risk.update.value == 0 ? "all" : std::to_string(risk.update.value).c_str(), risk.suspects);
    Json one = {{"client", risk.client.value}, {"suspects", risk.suspects}};
    if (risk.update.value != 0) one["update"] = risk.update.value;
    list.push_back(std::move(one));
  }
  if (a.json) print_json(list);
  if (a.by == "update" && graph.size() > a.candidates)
    std::fprintf(stderr, "note: among the %lu updates that most others name directly (--candidates)\n", a.candidates);
  return 0;
}

namespace {

/// The one that executed the operations. Another one would make something of them, too.
std::string application_of(const Incident& incident, const Arguments& a) {
  const auto& head = incident.store.head();
  const std::string signed_one(head ? as_text(head->application.value) : std::string_view());
  if (!a.application.empty() && !signed_one.empty() && a.application != signed_one)
    fail(fmt::format("--application {}: the operations of this graph are those of '{}'", a.application, signed_one));
  if (!signed_one.empty()) return signed_one;
  if (a.application.empty()) fail("the graph does not tell of which application it is; name it with --application");
  return a.application;
}

/// "12, 15, 16 and 40 more".
std::string listed(const std::vector<UpdateId>& ids, std::uint64_t all) {
  std::string text;
  for (const UpdateId id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id.value);
  return ids.size() < all ? text + " and " + std::to_string(all - ids.size()) + " more" : text;
}

Regenerated state_of(const Incident& incident, Keep keep, const Arguments& a) {
  const UpdateId base = incident.store.graph().base();
  for (const Mark& m : incident.findings.marks)
    if (keep != Keep::Everything && m.from < base)
      fail(
          fmt::format("client {} is malicious since update {}, and the graph begins with the state before update {}: "
                      "no clean state can be made from a state that may hold what it wrote",
                      m.client.value, m.from.value, base.value));
  auto application = replication::make_application(application_of(incident, a));
  if (!application) fail(application.error().message);
  auto state = regenerate(incident.store, incident.colours, keep, std::move(*application));
  if (!state) fail(state.error().message);
  return std::move(*state);
}

Keep keep_of(const Arguments& a) {
  if (a.clean == a.with_suspects) throw UsageError("say --clean or --with-suspects");
  return a.clean ? Keep::Clean : Keep::CleanAndSuspect;
}

std::string shortened(const std::string& text) {
  return text.size() > 40 ? text.substr(0, 37) + "..." : text;
}

}  // namespace

int regenerate_state(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "Makes the state without corrupt updates, and with or without suspect ones.",
                            {"clean", "with-suspects", "out", "application"});
  const Incident incident = load_incident(a);
  if (a.out.empty()) throw UsageError("say where to write the state with --out");
  const Regenerated state = state_of(incident, keep_of(a), a);
  const Bytes bytes = state.application->snapshot();
  need(replace_file(a.out, bytes));
  const std::string digest = to_hex(state.application->digest().bytes);
  Json left_out = Json::array();
  for (const UpdateId id : state.first_left_out) left_out.push_back(id.value);
  if (a.json) {
    print_json({{"from_update", state.from.value},
                {"executed", state.executed},
                {"left_out", state.left_out},
                {"first_left_out", std::move(left_out)},
                {"state_digest", digest},
                {"bytes", bytes.size()}});
    return 0;
  }
  std::printf("from update %lu: %lu executed, %lu left out; state %s, %zu bytes in %s\n", state.from.value,
              state.executed, state.left_out, digest.c_str(), bytes.size(), a.out.c_str());
  if (state.left_out > 0) std::printf("left out: %s\n", listed(state.first_left_out, state.left_out).c_str());
  return 0;
}

int show_diff(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "What differs between the present state and a regenerated one.",
                            {"clean", "with-suspects", "application", "most"});
  const Incident incident = load_incident(a);
  const Regenerated now = state_of(incident, Keep::Everything, a), then = state_of(incident, keep_of(a), a);
  Json list = Json::array();
  if (!a.json) std::printf("  %-30s  %-40s  %s\n", "KEY", "NOW", "REGENERATED");
  const auto shown = [](const std::optional<Difference::Value>& value) {
    return value ? shortened(value->text) : std::string("-");
  };
  for (const Difference& d : differences(*now.application, *then.application, a.most)) {
    if (!a.json)
      std::printf("  %-30s  %-40s  %s\n", shortened(d.part).c_str(), shown(d.before).c_str(), shown(d.after).c_str());
    Json one = {{"part", d.part}, {"key_hex", to_hex(d.key)}};
    if (d.before) one["now"] = d.before->text, one["now_hex"] = to_hex(d.before->bytes);
    if (d.after) one["regenerated"] = d.after->text, one["regenerated_hex"] = to_hex(d.after->bytes);
    list.push_back(std::move(one));
  }
  if (a.json) print_json(list);
  return 0;
}

int export_graph(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "The updates around the corrupt ones, for other programs.", {"dot", "prov", "out", "most"});
  const Incident incident = load_incident(a);
  if (a.dot + a.prov + a.json != 1) throw UsageError("say one of --dot, --json, --prov");
  const auto ids = surroundings(incident, a.most);
  std::string text;
  if (a.dot)
    text = to_dot(incident, ids);
  else if (a.prov)
    text = text_of(to_prov(incident, ids), 1) + "\n";
  else {
    Json list = Json::array();
    for (const UpdateId id : ids) list.push_back(describe(incident, id));
    text = text_of(list, 1) + "\n";
  }
  if (a.out.empty()) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  need(replace_file(a.out, as_span(text)));
  std::printf("%zu updates in %s\n", ids.size(), a.out.c_str());
  return 0;
}

int write_report(int argc, char** argv) {
  const Arguments a = parse(argc, argv, "The incident: OUT.json, signed, and OUT.html to read.", {"out", "key"});
  const Incident incident = load_incident(a);
  const std::string out = a.out.empty() ? incident.place.findings + "/incident" : a.out;
  const Json report = signed_report(incident, a.key.empty() ? incident.place.findings + "/operator.pem" : a.key);
  need(replace_file(out + ".json", as_span(text_of(report, 1) + "\n")));
  need(replace_file(out + ".html", as_span(incident_html(incident, report))));
  if (a.json)
    print_json(report);
  else
    std::printf("%s.json and %s.html\n", out.c_str(), out.c_str());
  return 0;
}

}  // namespace seneschal::graph_tool
