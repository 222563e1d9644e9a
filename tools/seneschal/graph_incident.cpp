#include "tools/seneschal/graph_incident.hpp"

#include "accountability/packages.hpp"
#include "crypto/digest.hpp"
#include "crypto/key_files.hpp"
#include "lab/deployment.hpp"
#include "replication/describe.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fmt/format.h>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;
namespace {

std::string hex(const Digest& digest) {
  return to_hex(digest.bytes);
}

}  // namespace

int exit_code(const Incident& incident, const Colours& colours) {
  return colours.unknown_before() || incident.doubtful ? kUnknown : 0;
}

int exit_code(const Incident& incident) {
  return exit_code(incident, incident.colours);
}

std::string told(const Mark& mark, const Graph& graph) {
  std::string text = fmt::format("client {} is malicious since {}", mark.client.value, to_string(mark.moment()));
  if (mark.from < graph.base()) text += fmt::format(", before the graph begins (update {})", graph.base().value);
  return text;
}

std::vector<std::pair<std::string, std::uint64_t>> counts_of(const Graph& graph, const Colours& colours) {
  const std::uint64_t rest = graph.size() - colours.corrupt() - colours.suspect();
  return {{std::string(accountability::to_string(Colour::Corrupt)), colours.corrupt()},
          {std::string(accountability::to_string(Colour::Suspect)), colours.suspect()},
          {std::string(accountability::to_string(colours.unknown_before() ? Colour::Unknown : Colour::NotAffected)),
           rest}};
}

std::string text_of(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

namespace {

/// What the head is worth if it must be by the server of `place`; nothing doubtful: "".
std::string doubt_of(const Store& store, const GraphPlace& place, const crypto::PublicKeys& known) {
  const auto doubt = store.doubt([&](const Principal& who, Span message, Span signature) {
    const auto signer = known.signers.find(who);
    return who.is_server() && signer != known.signers.end() && signer->second.verify(message, signature);
  });
  if (doubt) return *doubt;
  const ServerId signer = store.head()->signer.server();
  if (!place.server.empty() && place.server != fmt::format("{}.{}", signer.site.value, signer.index.value))
    return "this is the graph of " + seneschal::to_string(store.head()->signer) + ", not of server " + place.server;
  return {};
}

/// Names that are known beside the graph: of its deployment, of its clients.
void name_things(Incident& incident) {
  incident.clients = client_names(incident.store.folder());
  std::error_code error;
  std::filesystem::path dir = incident.place.deployment;
  if (dir.empty()) {  // the graph of a deployment's server: graph/SITE.INDEX, perhaps before-FIRST in that
    const auto folder = std::filesystem::absolute(incident.store.folder()).lexically_normal();
    for (const char* up : {"../..", "../../.."})
      if (dir.empty() && std::filesystem::exists(folder / up / "deployment.toml", error))
        dir = (folder / up).lexically_normal();
  }
  if (dir.empty()) return;
  const auto deployment = lab::load_deployment((dir / "deployment.toml").string());
  if (!deployment) return;
  incident.deployment = fmt::format("{} ({})", deployment->name, dir.string());
  for (std::uint32_t id = 1; id <= deployment->clients; ++id)
    incident.clients.emplace(
        ClientId(id), "at site " + deployment->topology.sites.at(deployment->site_of_client(ClientId(id))).name);
}

}  // namespace

void Incident::judge() {
  findings = said.findings;
  colours = mark(store.graph(), findings);
  first_bad = colours.next_touched(store.graph().base());
}

std::string client_text(const Incident& incident, ClientId client) {
  const auto name = incident.clients.find(client);
  return name == incident.clients.end() ? std::to_string(client.value)
                                        : fmt::format("{} ({})", client.value, name->second);
}

Incident load_incident(const GraphPlace& place) {
  auto store = Store::open(place.folder);
  if (!store) throw UsageError(store.error().message);
  auto said = load_findings(place.findings);
  if (!said) fail(said.error().message);
  Incident incident;
  incident.place = place;
  incident.store = std::move(*store);
  incident.said = std::move(*said);
  name_things(incident);
  for (const std::string& note : incident.store.notes()) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (place.end) {
    if (incident.store.digest_at(place.end->next) != place.end->digest)
      fail(place.folder + ": is not the graph any more that servers agreed on; run the command again");
    incident.store.end_at(place.end->next);
  }
  const Graph& graph = incident.store.graph();
  if (const auto& head = incident.store.head(); head && head->next < graph.end().value)
    std::fprintf(stderr, "note: updates %lu to %lu are not signed yet: nobody vouches for them\n", head->next,
                 graph.end().value - 1);
  for (const Mark& m : incident.said.findings.marks)
    if (m.from < graph.base())
      std::fprintf(stderr,
                   "warning: %s: what it wrote before that is in the oldest snapshot, so what is neither corrupt nor "
                   "suspect is unknown\n",
                   told(m, graph).c_str());
  if (place.keys.empty()) {
    const auto doubt = incident.store.updates_doubt();
    incident.doubtful = doubt.has_value();
    incident.trust = doubt ? "NOT WHAT THE HEAD SAYS: " + *doubt
                     : incident.store.head()
                         ? "the updates are those that it covers; who signed it was not checked: give "
                           "the deployment's keys with --keys"
                         : "there is none: nobody vouches for this graph";
    incident.not_checked = {"whose signature the head bears", "what clients signed, and when updates came in",
                            "the states of snapshots"};
    if (doubt) std::fprintf(stderr, "warning: %s\n", doubt->c_str());
  } else {
    auto known = crypto::load_public_keys(place.keys);
    if (!known) fail(known.error().message);
    // The graphs of a deployment's servers lie beside each other.
    const std::filesystem::path beside = std::filesystem::absolute(place.folder).lexically_normal();
    for (const auto& [who, key] : known->signers)
      if (who.is_server() && place.servers.empty())
        incident.place.servers.emplace(who, ((beside.has_filename() ? beside : beside.parent_path()).parent_path() /
                                             fmt::format("{}.{}", who.server().site.value, who.server().index.value))
                                                .string());
    const std::string doubt = doubt_of(incident.store, place, *known);
    incident.doubtful = !doubt.empty();
    incident.trust = !doubt.empty() ? "NOT PROVEN: " + doubt
                                    : "signed by " + seneschal::to_string(incident.store.head()->signer) +
                                          " up to update " + std::to_string(incident.store.head()->next - 1);
    if (!doubt.empty()) std::fprintf(stderr, "warning: %s\n", doubt.c_str());
    incident.not_checked = {"the states of snapshots, until one is used"};
  }
  incident.judge();
  if (const auto shrunk = incident.store.shrunk(); !shrunk.empty())
    fail(shrunk.front() + ": became shorter while it was read; run the command again");
  return incident;
}

void check_payloads(Incident& incident) {
  if (!incident.place.keys.empty() || incident.doubtful) return;  // with keys all was checked when it was read
  const auto doubt = incident.store.payload_doubt();
  if (!doubt) return;
  incident.doubtful = true;
  incident.trust = "NOT WHAT THE HEAD SAYS: " + *doubt;
  std::fprintf(stderr, "warning: %s\n", doubt->c_str());
}

Json describe(const Incident& incident, UpdateId id) {
  const Graph& graph = incident.store.graph();
  Json json = {{"update", id.value},
               {"client", graph.client(id).value},
               {"seq", graph.seq(id).value},
               {"class", accountability::to_string(incident.colours.of(id))},
               {"depends_on", graph.formula(id).text()}};
  if (const auto name = incident.clients.find(graph.client(id)); name != incident.clients.end())
    json["client_name"] = name->second;
  if (const auto payload = incident.store.payload_of(id)) {
    json["digest"] = hex(payload->digest());
    const auto& head = incident.store.head();
    const std::string application(head ? as_text(head->application.value) : std::string_view());
    json["operation"] = replication::print_operation(application, payload->operation);
    std::set<std::string> names;
    for (const Span name : payload->writes) names.insert(replication::print_name(application, name));
    names.erase("");
    json["wrote"] = names;
  }
  return json;
}

std::vector<Named> drawn_names(const Incident& incident, UpdateId id) {
  const Formula formula = incident.store.graph().formula(id);
  if (formula.is_everything())
    return incident.first_bad < id ? std::vector<Named>{{incident.first_bad, 0}} : std::vector<Named>{};
  // Postfix: each operand is where its names begin. An OR around others takes their names as its own.
  std::vector<Named> names;
  std::vector<std::size_t> operands;
  int alternatives = 0;
  for (const Token& token : formula.tokens()) {
    if (token.kind == Token::Kind::Leaf) {
      operands.push_back(names.size());
      names.push_back({UpdateId(token.value), 0});
      continue;
    }
    const std::size_t begin = operands.at(operands.size() - token.value);
    operands.resize(operands.size() - token.value + 1);
    if (token.kind != Token::Kind::Or) continue;
    ++alternatives;
    for (std::size_t i = begin; i < names.size(); ++i) names[i].alternative = alternatives;
  }
  return names;
}

Selection surroundings(const Incident& incident, std::size_t most) {
  const Graph& graph = incident.store.graph();
  std::set<UpdateId> chosen;
  bool cut = false;
  // What is bad, earliest first, and what that names: the reader sees where clean updates feed in.
  for (UpdateId id = incident.first_bad; id < graph.end() && !cut; id = incident.colours.next_touched(id.next())) {
    if (cut = chosen.size() >= most && !chosen.contains(id); cut) break;
    chosen.insert(id);
    for (const Named& named : drawn_names(incident, id)) {
      if (!graph.has(named.update) || chosen.contains(named.update)) continue;
      if (chosen.size() < most)
        chosen.insert(named.update);
      else
        cut = true;
    }
  }
  return {{chosen.begin(), chosen.end()}, cut};
}

void add_rest(Json& json, const Graph& graph, const Colours& colours) {
  const std::uint64_t rest = graph.size() - colours.corrupt() - colours.suspect();
  json["not_affected"] = colours.unknown_before() ? 0 : rest;
  json["unknown"] = colours.unknown_before() ? rest : 0;
  if (const auto begin = colours.unknown_before()) json["unknown_before_update"] = begin->value;
}

namespace {
void add_finding(const Finding& finding, Json& to) {
  to["author"] = finding.author;
  to["time"] = finding.time;
  to["reason"] = finding.reason;
  to["key"] = finding.key;
}
}  // namespace

Json incident_json(const Incident& incident) {
  const Graph& graph = incident.store.graph();
  const Colours& colours = incident.colours;
  Json json = {{"made_at", time_now()},
               {"deployment", incident.deployment},
               {"server", incident.place.server},
               {"folder", incident.store.folder()},
               {"updates", graph.size()},
               {"first_update", graph.base().value},
               {"graph_digest", hex(incident.store.digest())},
               {"head", incident.trust},
               {"not_checked", incident.not_checked},
               {"corrupt", colours.corrupt()},
               {"suspect", colours.suspect()}};
  add_rest(json, graph, colours);
  Json marks = Json::array(), cleared = Json::array(), evidence = Json::array();
  for (const Mark& m : incident.findings.marks) {
    Json one = {{"client", m.client.value}, {"since_update", m.from.value}};
    if (const auto name = incident.clients.find(m.client); name != incident.clients.end())
      one["client_name"] = name->second;
    if (m.given) one["since"] = to_string(*m.given);
    if (m.from < graph.base()) one["before_the_graph_begins"] = true;
    if (const Finding* by = finding_of(incident.said, m)) add_finding(*by, one);
    marks.push_back(std::move(one));
  }
  for (const UpdateId id : incident.findings.cleared) {
    Json one = {{"update", id.value}};
    if (const Finding* by = finding_of(incident.said, id)) add_finding(*by, one);
    cleared.push_back(std::move(one));
  }
  constexpr std::size_t kMostEvidence = 1000;
  for (UpdateId id = colours.next_touched(graph.base()); id < graph.end() && evidence.size() < kMostEvidence;
       id = colours.next_touched(id.next()))
    evidence.push_back(describe(incident, id));
  json["marks"] = std::move(marks);
  json["cleared"] = std::move(cleared);
  json["evidence_complete"] = evidence.size() == colours.corrupt() + colours.suspect();
  json["evidence"] = std::move(evidence);
  return json;
}

}  // namespace seneschal::graph_tool
