// An incident: a graph, what the operator found, and what follows from it.
#pragma once
#include "accountability/marking.hpp"
#include "accountability/store.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace seneschal::graph_tool {

using Json = nlohmann::ordered_json;

/// Ends the command with a message for the user.
[[noreturn]] inline void fail(const std::string& message) {
  throw std::runtime_error(message);
}

/// One past the last update that servers agreed on, and the digest of all before it.
struct SignedEnd {
  accountability::UpdateId next;
  Digest digest;
};

/// Where a graph is, and what belongs to it.
struct GraphPlace {
  std::string folder;
  std::string findings;          // folder of what the operator found
  std::string keys;              // the deployment's; empty: who signed is not checked
  std::string server;            // "SITE.INDEX": whose graph it is; empty: any server's
  std::optional<SignedEnd> end;  // what is behind it is left out; nothing: all that is there is read
};

struct Incident {
  GraphPlace place;
  accountability::Store store;
  accountability::Findings findings;
  accountability::Colours colours;
  std::string trust;  // what the signed head is worth
};

/// As text, whatever bytes its strings hold: of a folder's name, of a state.
std::string text_of(const Json& json, int indent = -1);

/// Throws with a message for the user if there is no graph there. Damage and an unproven head are told on stderr.
Incident load_incident(const GraphPlace& place);
/// One update: id, client, seq, colour, formula, digest.
Json describe(const Incident& incident, accountability::UpdateId id);
/// Everything about an incident, without signature.
Json incident_json(const Incident& incident);
/// The graph around the corrupt updates, with their shortest surroundings: at most `most` updates.
std::vector<accountability::UpdateId> surroundings(const Incident& incident, std::size_t most);
/// `ids` as markup: time to the right, a row per client, as the report draws it (Fig. 1).
std::string drawing(const Incident& incident, const std::vector<accountability::UpdateId>& ids);
/// A page that stands alone: tables, and the surroundings drawn.
std::string incident_html(const Incident& incident, const Json& report);
/// `incident_json`, signed with the key at `key_path` (made there, Ed25519, if it does not exist).
Json signed_report(const Incident& incident, const std::string& key_path);

std::string to_dot(const Incident& incident, const std::vector<accountability::UpdateId>& ids);
/// W3C PROV-JSON: updates are entities, clients agents, dependencies derivations.
Json to_prov(const Incident& incident, const std::vector<accountability::UpdateId>& ids);

}  // namespace seneschal::graph_tool
