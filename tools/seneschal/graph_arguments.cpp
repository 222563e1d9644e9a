#include "tools/seneschal/graph_arguments.hpp"
#include "base/version.hpp"

#include "accountability/agreement.hpp"
#include "accountability/packages.hpp"
#include "crypto/key_files.hpp"
#include "emulator/names.hpp"
#include "tools/seneschal/flags.hpp"
#include "tools/seneschal/graph_deployment.hpp"

#include <fmt/format.h>
#include <tclap/CmdLine.h>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;

namespace {
/// More than any list has; one more than these is asked for, to see what is cut.
constexpr std::uint64_t kMostShown = 1'000'000'000'000;

[[noreturn]] void refuse_since(const std::string& given) {
  tools::refuse_value("since", given,
                      fmt::format("a seq from 0 to {0} such as 1200, an update from u1 to u{0} such as u5034, a time "
                                  "such as 2026-11-22T18:30:00 or 18:30, or how long ago, such as 10m",
                                  tools::kAnyNumber));
}
}  // namespace

Arguments parse(int argc, char** argv, const std::string& what, std::initializer_list<std::string_view> options) {
  TCLAP::CmdLine line(what, ' ', version());
  TCLAP::ValueArg<std::string> folder("", "graph", "the graph's folder (default: the present one)", false, ".", "DIR",
                                      line);
  TCLAP::ValueArg<std::string> deployment("d", "deployment",
                                          "a running deployment ('lab up') instead: the graph of one of its servers",
                                          false, "", "DIR", line);
  TCLAP::ValueArg<std::string> server("", "server", "which server's (default: the farthest that most have signed)",
                                      false, "", "SITE.INDEX", line);
  TCLAP::ValueArg<std::string> keys("", "keys", "the deployment's keys, to check who signed the graph", false, "",
                                    "DIR", line);
  TCLAP::SwitchArg json("", "json", "machine output", line);
  TCLAP::ValueArg<std::string> out("", "out", "where to write", false, "", "FILE");
  TCLAP::ValueArg<std::string> key("", "key", "the operator's key (made if it is not there)", false, "", "FILE");
  TCLAP::ValueArg<std::string> app("", "application", "whose state to regenerate (default: the graph tells)", false,
                                   "", "NAME");
  TCLAP::ValueArg<std::string> since(
      "", "since", "SEQ; uUPDATE; a time such as 2026-11-22T18:30:00 or 18:30; or 10m: ago", false, "", "WHEN");
  TCLAP::ValueArg<std::string> redundant("", "redundant", "clients that stand in for each other", false, "", "C,C..");
  TCLAP::ValueArg<std::string> by("", "by", "client or update", false, "client", "WHAT");
  TCLAP::ValueArg<std::string> client("", "client", "a client, by number or name", false, "", "C");
  TCLAP::ValueArg<std::string> author("", "author", "who says so (default: the user's name)", false, "", "NAME");
  TCLAP::ValueArg<std::string> reason("", "reason", "why", false, "", "TEXT");
  tools::WholeFlag top("", "top", "how many", 20, 0, tools::kAnyNumber, "K");
  tools::WholeFlag most("", "most", "at most so many updates", 100'000, 0, tools::kAnyNumber);
  tools::WholeFlag candidates("", "candidates", "updates whose risk is computed", 65'536, 0, tools::kAnyNumber);
  TCLAP::SwitchArg withdraw("", "withdraw", "take it back"), clean("", "clean", "without suspect updates");
  TCLAP::SwitchArg with_suspects("", "with-suspects", "with suspect updates");
  TCLAP::SwitchArg dot("", "dot", "Graphviz"), prov("", "prov", "W3C PROV-JSON");
  TCLAP::UnlabeledValueArg<std::string> update("update", "an update", false, "", "UPDATE");
  for (TCLAP::Arg* const option : std::initializer_list<TCLAP::Arg*>{
           &out, &key, &app, &since, &redundant, &by, &client, &top.arg(), &most.arg(), &candidates.arg(), &withdraw,
           &clean, &with_suspects, &dot, &prov, &update, &author, &reason})
    if (std::ranges::find(options, option->getName()) != options.end()) line.add(option);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  if (folder.isSet() && deployment.isSet()) throw UsageError("say --graph or --deployment, not both");
  if (redundant.isSet() && redundant.getValue().empty()) throw UsageError("--redundant takes clients such as 3,4");
  if (since.isSet() && since.getValue().empty()) refuse_since("");
  if (server.isSet() && !deployment.isSet()) throw UsageError("--server is one of a --deployment; say which");
  if (author.getValue().empty()) author.getValue() = user_name();
  Arguments a;
  a.folder = folder.getValue();
  a.deployment = deployment.getValue();
  a.server = server.getValue();
  a.keys = keys.getValue();
  a.out = out.getValue();
  a.key = key.getValue();
  a.application = app.getValue();
  a.since = since.getValue();
  a.redundant = redundant.getValue();
  a.by = by.getValue();
  a.client = client.getValue();
  a.author = author.getValue();
  a.reason = reason.getValue();
  if (update.isSet()) {
    const auto number = tools::whole_number(update.getValue(), 1, tools::kAnyNumber);
    if (!number)
      throw UsageError(fmt::format("'{}' is no update; expected a whole number from 1 to {}",
                                   seneschal::emulator::visible(update.getValue()), tools::kAnyNumber));
    a.update = *number;
  }
  a.top = std::min(top.value(), kMostShown);
  a.most = std::min(most.value(), kMostShown);
  a.candidates = candidates.value();
  a.has_client = client.isSet();
  a.has_update = update.isSet();
  a.json = json.getValue();
  a.withdraw = withdraw.getValue();
  a.clean = clean.getValue();
  a.with_suspects = with_suspects.getValue();
  a.dot = dot.getValue();
  a.prov = prov.getValue();
  return a;
}

Incident load_incident(const Arguments& a) {
  if (a.deployment.empty()) {
    // The graph of one server of a deployment that runs no more: what was found lies beside all of its servers'
    // graphs.
    // Or, one step further, of an earlier graph of such a server.
    std::error_code error;
    std::filesystem::path findings = std::filesystem::path(a.folder).lexically_normal();
    for (const char* up : {".", "..", "../.."})
      if ((std::filesystem::exists(std::filesystem::path(a.folder) / up / "findings.txt", error) ||
           std::filesystem::exists(std::filesystem::path(a.folder) / up / "findings.head", error))) {
        findings = std::filesystem::path(a.folder) / up;
        break;
      }
    return load_incident(GraphPlace{a.folder, findings.string(), a.keys, {}, {}, {}, {}});
  }
  GraphPlace place = find_graph(a.deployment, a.server);
  if (!a.keys.empty()) place.keys = a.keys;
  return load_incident(place);
}

namespace {

std::string extent(const Graph& graph) {
  if (graph.size() == 0) return "no updates";
  const UpdateId last(graph.end().value - 1);
  return fmt::format("updates {} to {}, seqs {} to {}", graph.base().value, last.value, graph.seq(graph.base()).value,
                     graph.seq(last).value);
}

}  // namespace

void print_json(const Json& json) {
  std::printf("%s\n", text_of(json).c_str());
}

void tell_cut(Json* list, std::size_t most, const char* option) {
  std::fprintf(stderr, "note: cut after %zu, there are more (%s)\n", most, option);
  if (list != nullptr) list->push_back({{"cut_after", most}, {"there_are_more", true}});
}

UpdateId need_update(const Arguments& a, const Graph& graph) {
  if (!a.has_update) throw UsageError("name an update");
  if (!graph.has(UpdateId(a.update)))
    fail(fmt::format("there is no update {}: the graph has {}", a.update, extent(graph)));
  return UpdateId(a.update);
}

ClientId need_client(const Arguments& a, const Store& store) {
  if (!a.has_client) throw UsageError("name a client with --client");
  if (const auto number = tools::whole_number(a.client, 0, kMaxClient - 1))
    return ClientId(static_cast<std::uint32_t>(*number));
  const auto named = clients_of_name(store.folder(), a.client);
  if (named.empty())
    tools::refuse_value("client", a.client,
                        fmt::format("a client's number from 0 to {}, or a name of names.txt", kMaxClient - 1));
  if (named.size() == 1) return named.front().first;
  std::string text = "there are several clients '" + a.client + "'; name one by its number:";
  for (const auto& [client, name] : named) text += fmt::format("\n  {} {}", client.value, name);
  throw UsageError(text);
}

std::optional<std::uint64_t> parse_time(const std::string& text, std::uint64_t now) {
  std::tm when{};
  const auto seconds = static_cast<std::time_t>(now / 1000);
  if (text.empty() || ::localtime_r(&seconds, &when) == nullptr) return std::nullopt;
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && stop + 1 == text.data() + text.size()) {
    const std::uint64_t unit = *stop == 's' ? 1000 : *stop == 'm' ? 60'000 : *stop == 'h' ? 3'600'000 : 0;
    if (unit == 0 || number > now / unit) return std::nullopt;
    return now - number * unit;
  }
  when.tm_sec = 0;
  for (const char* const form :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%H:%M:%S", "%H:%M"}) {
    std::tm read = when;
    const char* const end = ::strptime(text.c_str(), form, &read);
    if (end == nullptr || *end != '\0') continue;
    read.tm_isdst = -1;
    const std::time_t time = std::mktime(&read);
    if (time >= 0) return static_cast<std::uint64_t>(time) * 1000;
  }
  return std::nullopt;
}

namespace {

/// Whether updates of seq `seq` or later may lie before the beginning of `store`'s graph.
bool begins_after(const Store& store, Seq seq) {
  const Graph& graph = store.graph();
  if (graph.base().value == 1 || (graph.size() > 0 && seq >= graph.seq(graph.base()))) return false;
  // Batches without updates may lie between the state that the graph begins with and its first update.
  const auto state = store.snapshot(UpdateId(graph.base().value - 1));
  return !state || seq <= state->seq;
}

std::uint64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Since since_time(const Arguments& a, const Incident& incident) {
  const auto time = parse_time(a.since, now_ms());
  if (!time) refuse_since(a.since);
  if (*time > now_ms()) fail("--since " + a.since + " has not come yet; a time without a date is of today");
  const auto& servers = incident.place.servers;
  if (servers.empty())
    throw UnknownError(
        "--since " + a.since +
        ": a time is one server's word unless several agree: give the deployment's keys with --keys, so "
        "that the graphs of its other servers can be read, or --deployment; or name a seq or an update");
  const auto known = crypto::load_public_keys(incident.place.keys);
  if (!known) fail(known.error().message);
  std::map<Principal, std::string> bad;
  const auto all = read_times(
      servers,
      [&](const Principal& who, Span message, Span signature) {
        const auto signer = known->signers.find(who);
        return signer != known->signers.end() && signer->second.verify(message, signature);
      },
      bad);
  std::vector<ServerTimes> times;
  for (const auto& [who, one] : all) times.push_back(one);
  const auto there = agreed_at(times, servers.size(), *time);
  if (!there) {
    std::string text = fmt::format(
        "--since {}: {} of {} servers must agree on that time within {} s, and they do not; name a seq or an update:",
        a.since, times_needed(servers.size()), servers.size(), kTimeToleranceMs / 1000);
    for (const auto& [who, one] : all) {
      const UpdateId at = position_at(one, *time);
      text += fmt::format("\n  {}: {}", to_string(who),
                          at.value == 0 ? "before its graph begins" : fmt::format("update {}", at.value));
    }
    for (const auto& [who, why] : bad) text += fmt::format("\n  {} does not count: {}", to_string(who), why);
    throw UnknownError(text);
  }
  if (there->value == 0) return {UpdateId(1), Moment{Moment::Kind::Time, *time}};
  if (*there >= incident.store.graph().end())
    fail(fmt::format("--since {}: no update came then or later: the graph has {}", a.since,
                     extent(incident.store.graph())));
  return {*there};
}

}  // namespace

Since since_of(const Arguments& a, const Incident& incident) {
  const Store& store = incident.store;
  const Graph& graph = store.graph();
  if (a.since.empty()) return {UpdateId(1)};
  const bool update = a.since.starts_with('u');
  std::uint64_t number = 0;
  const char* const begin = a.since.data() + (update ? 1 : 0);
  const char* const end = a.since.data() + a.since.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || stop != end) return since_time(a, incident);
  if (update && number == 0) refuse_since(a.since);
  if (!update && begins_after(store, Seq(number))) return {UpdateId(1), Moment{Moment::Kind::Seq, number}};
  const UpdateId id = update ? UpdateId(number) : graph.at_seq(Seq(number));
  if (id >= graph.end() && id >= graph.base())
    fail(a.since + " is behind the last " + (update ? "update" : "seq") + ": the graph has " + extent(graph));
  return {id};
}

bool is_since(const Mark& mark, const Since& since, const Store& store) {
  if (since.given || mark.given) return mark.given == since.given;
  return mark.from == since.update || mark.from == store.graph().first_of(mark.client, since.update);
}

Mark need_mark(const Arguments& a, const Incident& incident) {
  const Graph& graph = incident.store.graph();
  const ClientId client = need_client(a, incident.store);
  const Since since = since_of(a, incident);
  if (since.update < graph.base()) return {client, since.update, since.given};
  const UpdateId first = graph.first_of(client, since.update);
  if (first == graph.end())
    fail(since.update == graph.base()
             ? fmt::format("client {} made no update: the graph has {}", client.value, extent(graph))
             : fmt::format("client {} made no update since {}", client.value, a.since));
  return {client, first, {}};
}

}  // namespace seneschal::graph_tool
