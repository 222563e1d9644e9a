// An incident: a graph, what the operator found, and what follows from it.
#pragma once
#include "accountability/findings.hpp"
#include "accountability/marking.hpp"
#include "accountability/store.hpp"

#include <map>
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
  std::string findings;                      // folder of what operators found
  std::string keys;                          // the deployment's; empty: who signed is not checked
  std::string server;                        // "SITE.INDEX": whose graph it is; empty: any server's
  std::optional<SignedEnd> end;              // what is behind it is left out; nothing: all that is there is read
  std::map<Principal, std::string> servers;  // folders of all servers' graphs, where the keys tell who they are
  std::string deployment;                    // its folder; empty: not known
};

struct Incident {
  GraphPlace place;
  accountability::Store store;
  accountability::Findings findings;
  accountability::Colours colours;
  std::string trust;                        // what the signed head is worth
  bool doubtful = false;                    // what is there is not what its server signed
  std::vector<std::string> not_checked;     // what nobody looked at
  accountability::FindingsLog said;         // who said what `findings` follow from
  accountability::UpdateId first_bad;       // by `colours`
  std::map<ClientId, std::string> clients;  // their names, as far as they have any
  std::string deployment;                   // name and folder; empty: not known
  /// From here on `findings` are those of `said`.
  void judge();
};

/// Exit code of a command that has answered: 0, or 3 if the answer is that the graph cannot say, or if it is from a
/// graph that is not what its server signed. By the incident's own colours, or others.
int exit_code(const Incident& incident);
int exit_code(const Incident& incident, const accountability::Colours& colours);
/// "client 3 is malicious since update 17, before the graph begins".
std::string told(const accountability::Mark& mark, const accountability::Graph& graph);
/// How many updates are of each class: by name, and how many; one of the last two is left out.
std::vector<std::pair<std::string, std::uint64_t>> counts_of(const accountability::Graph& graph,
                                                             const accountability::Colours& colours);

/// As text, whatever bytes its strings hold: of a folder's name, of a state.
std::string text_of(const Json& json, int indent = -1);

/// Throws with a message for the user if there is no graph there. Damage and an unproven head are told on stderr.
Incident load_incident(const GraphPlace& place);
/// For commands that tell what clients did: what they signed is what the head covers, or the incident is doubtful.
void check_payloads(Incident& incident);
/// "not_affected", or "unknown" and the update before which it is.
void add_rest(Json& json, const accountability::Graph& graph, const accountability::Colours& colours);
/// "2 (at site paris)".
std::string client_text(const Incident& incident, ClientId client);
/// One update: id, client, seq, colour, formula, digest, what it did and to what.
Json describe(const Incident& incident, accountability::UpdateId id);
/// Everything about an incident, without signature.
Json incident_json(const Incident& incident);
/// What an update names, and how: `alternative` 0 is needed, others are one of several that are joined by the OR with
/// that number in its formula.
struct Named {
  accountability::UpdateId update;
  int alternative = 0;
};
/// Updates to show, ascending.
struct Selection {
  std::vector<accountability::UpdateId> ids;
  bool cut = false;  // there are more than were asked for
};
/// The graph around the corrupt updates, with their shortest surroundings: at most `most` updates.
Selection surroundings(const Incident& incident, std::size_t most);
/// Of "everything" the first bad update: an arrow to each would say nothing.
std::vector<Named> drawn_names(const Incident& incident, accountability::UpdateId id);

// graph_export.cpp
/// `ids` as markup: time to the right, a row per client, as the report draws it (Fig. 1). Dashed: one of several.
std::string drawing(const Incident& incident, const std::vector<accountability::UpdateId>& ids);
std::string to_dot(const Incident& incident, const Selection& selection);
/// W3C PROV-JSON: updates are entities, clients agents, dependencies derivations.
std::string to_prov(const Incident& incident, const Selection& selection);

// graph_report.cpp
/// The operator's key at `path`: made there (Ed25519, mode 0600) if it does not exist.
crypto::PrivateKey operator_key(const std::string& path);
/// The user that runs this command, as the system names it.
std::string user_name();
/// Now, as 2026-11-22T18:30:00Z.
std::string time_now();
/// `incident_json`, signed with the key at `key_path`.
Json signed_report(const Incident& incident, const std::string& author, const std::string& key_path);
/// A page that stands alone: tables, and the surroundings drawn.
std::string incident_html(const Incident& incident, const Json& report);

}  // namespace seneschal::graph_tool
