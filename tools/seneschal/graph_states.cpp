// `seneschal graph regenerate, diff, export, report`: what is made of an incident.
#include "accountability/regenerate.hpp"
#include "replication/applications.hpp"
#include "tools/seneschal/graph_arguments.hpp"

#include <fmt/format.h>

namespace seneschal::graph_tool {

using namespace accountability;

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
  for (const Mark& m : incident.findings.marks)
    if (keep != Keep::Everything && m.from < incident.store.graph().base())
      throw UnknownError(told(m, incident.store.graph()) +
                         ": no clean state can be made from the state that it begins with, which may hold what that "
                         "client wrote; take the graph of a server that begins earlier (--server)");
  auto application = replication::make_application(application_of(incident, a));
  if (!application) fail(application.error().message);
  auto state = regenerate(incident.store, incident.colours, keep, std::move(*application));
  if (!state) fail(state.error().message);
  for (const std::string& wrong : state->passed_over)
    std::fprintf(stderr, "warning: %s: an older one was used\n", wrong.c_str());
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
  auto all = differences(*now.application, *then.application, a.most + 1);
  const bool more = all.size() > a.most;
  if (more) all.resize(a.most);
  for (const Difference& d : all) {
    if (!a.json)
      std::printf("  %-30s  %-40s  %s\n", shortened(d.part).c_str(), shown(d.before).c_str(), shown(d.after).c_str());
    Json one = {{"part", d.part}, {"key_hex", to_hex(d.key)}};
    if (d.before) one["now"] = d.before->text, one["now_hex"] = to_hex(d.before->bytes);
    if (d.after) one["regenerated"] = d.after->text, one["regenerated_hex"] = to_hex(d.after->bytes);
    list.push_back(std::move(one));
  }
  if (more) tell_cut(a.json ? &list : nullptr, all.size(), "--most");
  if (a.json) print_json(list);
  return exit_code(incident);
}

int export_graph(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "The updates around the corrupt ones, for other programs.", {"dot", "prov", "out", "most"});
  if (a.dot + a.prov + a.json != 1) throw UsageError("say one of --dot, --json, --prov");
  Incident incident = load_incident(a);
  if (a.json) check_payloads(incident);
  const Selection selection = surroundings(incident, a.most);
  std::string text;
  Json list = Json::array();
  if (a.json)
    for (const UpdateId id : selection.ids) list.push_back(describe(incident, id));
  if (selection.cut) tell_cut(&list, selection.ids.size(), "--most");
  if (a.dot)
    text = to_dot(incident, selection);
  else
    text = a.prov ? to_prov(incident, selection) : text_of(list, 1) + "\n";
  if (a.out.empty()) {
    std::fputs(text.c_str(), stdout);
    return exit_code(incident);
  }
  need(replace_file(a.out, as_span(text)));
  std::printf("%zu updates in %s%s\n", selection.ids.size(), a.out.c_str(),
              selection.cut ? ", and there are more" : "");
  return exit_code(incident);
}

int write_report(int argc, char** argv) {
  const Arguments a =
      parse(argc, argv, "The incident: OUT.json, signed, and OUT.html to read.", {"out", "key", "author"});
  Incident incident = load_incident(a);
  check_payloads(incident);
  const std::string out = a.out.empty() ? incident.place.findings + "/incident" : a.out;
  const Json report =
      signed_report(incident, a.author, a.key.empty() ? incident.place.findings + "/operator.pem" : a.key);
  need(replace_file(out + ".json", as_span(text_of(report, 1) + "\n")));
  need(replace_file(out + ".html", as_span(incident_html(incident, report))));
  if (a.json)
    print_json(report);
  else
    std::printf("%s.json and %s.html\n", out.c_str(), out.c_str());
  return exit_code(incident);
}

}  // namespace seneschal::graph_tool
