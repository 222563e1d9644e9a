#include "tools/seneschal/graph_incident.hpp"

#include "accountability/trace.hpp"
#include "crypto/digest.hpp"
#include "crypto/key_files.hpp"
#include "lab/files.hpp"
#include "lab/html.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

std::string hex(const Digest& digest) {
  return to_hex(digest.bytes);
}

const char* fill_of(Colour colour) {
  return colour == Colour::Corrupt ? "#d9534f" : colour == Colour::Suspect ? "#f0ad4e" : "#8fbc8f";
}

}  // namespace

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

}  // namespace

Incident load_incident(const GraphPlace& place) {
  auto store = Store::open(place.folder);
  if (!store) throw UsageError(store.error().message);
  auto findings = load_findings(place.findings);
  if (!findings) fail(findings.error().message);
  Incident incident{place, std::move(*store), std::move(*findings), {}, {}};
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
  for (const Mark& m : incident.findings.marks)
    if (m.from < graph.base())
      std::fprintf(stderr,
                   "warning: client %u is malicious since update %lu, and the graph begins at update %lu: what it "
                   "wrote before that is in the oldest snapshot, and counts as good here\n",
                   m.client.value, m.from.value, graph.base().value);
  if (place.keys.empty()) {
    const auto doubt = incident.store.updates_doubt();
    incident.trust =
        doubt ? "NOT WHAT THE HEAD SAYS: " + *doubt : "head not checked: give the deployment's keys with --keys";
    if (doubt) std::fprintf(stderr, "warning: %s\n", doubt->c_str());
  } else {
    auto known = crypto::load_public_keys(place.keys);
    if (!known) fail(known.error().message);
    const std::string doubt = doubt_of(incident.store, place, *known);
    incident.trust = !doubt.empty() ? "NOT PROVEN: " + doubt
                                    : "signed by " + seneschal::to_string(incident.store.head()->signer) +
                                          " up to update " + std::to_string(incident.store.head()->next - 1);
    if (!doubt.empty()) std::fprintf(stderr, "warning: %s\n", doubt.c_str());
  }
  incident.colours = mark(incident.store.graph(), incident.findings);
  if (const auto shrunk = incident.store.shrunk(); !shrunk.empty())
    fail(shrunk.front() + ": became shorter while it was read; run the command again");
  return incident;
}

Json describe(const Incident& incident, UpdateId id) {
  const Graph& graph = incident.store.graph();
  Json json = {{"update", id.value},
               {"client", graph.client(id).value},
               {"seq", graph.seq(id).value},
               {"class", accountability::to_string(incident.colours.of(id))},
               {"depends_on", graph.formula(id).text()}};
  if (auto digest = incident.store.digest_of(id)) json["digest"] = hex(*digest);
  return json;
}

/// What an update names. Of "everything" the first bad update: an arrow to each would say nothing.
std::vector<UpdateId> drawn_names(const Incident& incident, UpdateId id) {
  const Graph& graph = incident.store.graph();
  const Formula formula = graph.formula(id);
  if (!formula.is_everything()) return formula.leaves();
  const UpdateId first = incident.colours.next_touched(graph.base());
  return first < id ? std::vector{first} : std::vector<UpdateId>{};
}

std::vector<UpdateId> surroundings(const Incident& incident, std::size_t most) {
  const Graph& graph = incident.store.graph();
  std::set<UpdateId> chosen;
  // What is bad, earliest first, and what that names: the reader sees where clean updates feed in.
  for (UpdateId id = incident.colours.next_touched(graph.base()); id < graph.end() && chosen.size() < most;
       id = incident.colours.next_touched(id.next())) {
    chosen.insert(id);
    for (const UpdateId name : drawn_names(incident, id))
      if (chosen.size() < most && graph.has(name)) chosen.insert(name);
  }
  return {chosen.begin(), chosen.end()};
}

Json incident_json(const Incident& incident) {
  const Graph& graph = incident.store.graph();
  const Colours& colours = incident.colours;
  Json json = {{"folder", incident.store.folder()},
               {"updates", graph.size()},
               {"first_update", graph.base().value},
               {"graph_digest", hex(incident.store.digest())},
               {"head", incident.trust},
               {"corrupt", colours.corrupt()},
               {"suspect", colours.suspect()},
               {"not_affected", graph.size() - colours.corrupt() - colours.suspect()}};
  Json marks = Json::array(), cleared = Json::array(), evidence = Json::array();
  for (const Mark& m : incident.findings.marks)
    marks.push_back({{"client", m.client.value}, {"since_update", m.from.value}});
  for (const UpdateId id : incident.findings.cleared) cleared.push_back(id.value);
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

std::string drawing(const Incident& incident, const std::vector<UpdateId>& ids) {
  std::map<ClientId, std::size_t> rows;
  std::map<UpdateId, std::pair<int, int>> place;
  for (const UpdateId id : ids) rows.emplace(incident.store.graph().client(id), 0);
  std::size_t next = 0;
  for (auto& [client, row] : rows) row = next++;
  int column = 0;
  for (const UpdateId id : ids)
    place[id] = {120 + 74 * column++, 50 + 64 * static_cast<int>(rows.at(incident.store.graph().client(id)))};
  const int width = 180 + 74 * column, height = 60 + 64 * static_cast<int>(rows.size());
  std::string svg = fmt::format(
      "<div style='overflow-x:auto'><svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{}' "
      "font-family='sans-serif' "
      "font-size='11'><defs><marker id='a' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='7' markerHeight='7' "
      "orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='#555'/></marker></defs>",
      width, height);
  for (const auto& [client, row] : rows)
    svg +=
        fmt::format("<text x='8' y='{0}'>client {1}</text><line x1='80' y1='{2}' x2='{3}' y2='{2}' stroke='#ddd'/>",
                    54 + 64 * row, client.value, 50 + 64 * row, width - 10);
  for (const auto& [id, at] : place) {
    for (const UpdateId name : drawn_names(incident, id)) {
      const auto to = place.find(name);
      if (to == place.end()) continue;
      const int bend = at.second == to->second.second ? at.second - 28 : (at.second + to->second.second) / 2;
      svg +=
          fmt::format("<path d='M{},{} Q{},{} {},{}' fill='none' stroke='#555' marker-end='url(#a)'/>", at.first - 16,
                      at.second, (at.first + to->second.first) / 2, bend, to->second.first + 17, to->second.second);
    }
  }
  for (const auto& [id, at] : place)
    svg += fmt::format(
        "<g><title>{}</title><circle cx='{}' cy='{}' r='16' fill='{}' stroke='#333'/><text x='{}' y='{}' "
        "text-anchor='middle' font-size='{}'>{}</text></g>",
        html::escape(fmt::format("update {}, client {}, {}: {}", id.value, incident.store.graph().client(id).value,
                                 accountability::to_string(incident.colours.of(id)),
                                 incident.store.graph().formula(id).text())),
        at.first, at.second, fill_of(incident.colours.of(id)), at.first, at.second + 4, id.value < 100'000 ? 11 : 8,
        id.value);
  return svg + "</svg></div>";
}

Json signed_report(const Incident& incident, const std::string& key_path) {
  if (!std::filesystem::exists(key_path)) {
    auto made = crypto::PrivateKey::generate(crypto::Scheme::Ed25519);
    if (!made) fail(made.error().message);
    const auto pem = made->to_pem();
    if (Status done = replace_file(key_path, pem.expose()); !done) fail(done.error().message);
  }
  auto text = lab::read_file(key_path);
  if (!text) fail(text.error().message);
  auto key = crypto::PrivateKey::from_pem(crypto::SecretBytes(to_bytes(*text)));
  if (!key) fail(key_path + ": " + key.error().message);
  Json report = {{"report", incident_json(incident)}};
  // Signed is the report's text as it stands in this file, without spaces, after a domain.
  const std::string message = "seneschal/graph/incident/1\n" + text_of(report["report"]);
  report["signature"] = {{"public_key", key->public_key().to_pem()},
                         {"over", "\"seneschal/graph/incident/1\\n\" and the report, serialised without spaces"},
                         {"value", to_hex(key->sign(as_span(message)))}};
  return report;
}

std::string incident_html(const Incident& incident, const Json& report) {
  const Json& r = report["report"];
  html::Table facts({"What", ">Value"});
  for (const char* name : {"updates", "corrupt", "suspect", "not_affected"})
    facts.row().cell(name).cell(r[name].dump());
  html::Table marks({">Client", ">Malicious since update"});
  for (const Json& m : r["marks"]) marks.row().cell(m["client"].dump()).cell(m["since_update"].dump());
  html::Table evidence({">Update", ">Client", ">Seq", "Class", "Depends on", "Digest of what the client signed"});
  std::size_t shown = 0;
  for (const Json& e : r["evidence"]) {
    if (++shown > 200) break;
    evidence.row().cell(e["update"].dump()).cell(e["client"].dump()).cell(e["seq"].dump());
    evidence.cell(e["class"].get<std::string>()).cell(e["depends_on"].get<std::string>());
    evidence.cell(e.value("digest", "not kept"));
  }
  std::string body =
      "<p>Head of the graph: " + html::escape(incident.trust) + ". Digest of the graph: <code>" +
      r["graph_digest"].get<std::string>() + "</code></p>" + facts.text() + "<h2>Malicious clients</h2>" +
      marks.text() + "<h2>The first corrupt and suspect updates, and what they name</h2>" +
      "<p>Red: corrupt. Orange: suspect. Green: not affected. An arrow leads to what an update depends on.</p>" +
      drawing(incident, surroundings(incident, 60)) + "<h2>Evidence</h2><p>The first " +
      std::to_string(std::min<std::size_t>(200, r["evidence"].size())) + " of " +
      std::to_string(incident.colours.corrupt() + incident.colours.suspect()) + ".</p>" + evidence.text() +
      "<h2>Signature</h2><p>Of the machine-readable report, by</p><pre>" +
      html::escape(report["signature"]["public_key"].get<std::string>()) + "</pre><p><code>" +
      report["signature"]["value"].get<std::string>() + "</code></p>";
  return html::page("Incident report", body);
}

std::string to_dot(const Incident& incident, const std::vector<UpdateId>& ids) {
  const std::set<UpdateId> known(ids.begin(), ids.end());
  std::string dot = "digraph accountability {\n  rankdir=RL;\n  node [style=filled];\n";
  for (const UpdateId id : ids) {
    dot += fmt::format("  u{} [label=\"{}\\nclient {}{}\", fillcolor=\"{}\"];\n", id.value, id.value,
                       incident.store.graph().client(id).value,
                       incident.store.graph().formula(id).is_everything() ? "\\non everything before" : "",
                       fill_of(incident.colours.of(id)));
    for (const UpdateId name : drawn_names(incident, id))
      if (known.contains(name)) dot += fmt::format("  u{} -> u{};\n", id.value, name.value);
  }
  return dot + "}\n";
}

Json to_prov(const Incident& incident, const std::vector<UpdateId>& ids) {
  const std::set<UpdateId> known(ids.begin(), ids.end());
  Json entities = Json::object(), agents = Json::object(), attributed = Json::object(), derived = Json::object();
  for (const UpdateId id : ids) {
    const std::string entity = "seneschal:update-" + std::to_string(id.value);
    const std::string agent = "seneschal:client-" + std::to_string(incident.store.graph().client(id).value);
    entities[entity] = {{"seneschal:class", accountability::to_string(incident.colours.of(id))}};
    if (incident.store.graph().formula(id).is_everything())
      entities[entity]["seneschal:depends_on"] = "everything before";
    agents[agent] = Json::object();
    attributed["_:by-" + std::to_string(id.value)] = {{"prov:entity", entity}, {"prov:agent", agent}};
    for (const UpdateId name : drawn_names(incident, id))
      if (known.contains(name))
        derived[fmt::format("_:from-{}-{}", id.value, name.value)] = {
            {"prov:generatedEntity", entity}, {"prov:usedEntity", "seneschal:update-" + std::to_string(name.value)}};
  }
  return {{"prefix", {{"prov", "http://www.w3.org/ns/prov#"}, {"seneschal", "urn:seneschal:"}}},
          {"entity", std::move(entities)},
          {"agent", std::move(agents)},
          {"wasAttributedTo", std::move(attributed)},
          {"wasDerivedFrom", std::move(derived)}};
}

}  // namespace seneschal::graph_tool
