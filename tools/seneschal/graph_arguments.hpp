// Arguments that the commands on an incident share, and what they mean.
#pragma once
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_incident.hpp"

#include <initializer_list>
#include <string_view>

namespace seneschal::graph_tool {

struct Arguments {
  std::string folder, deployment, server, keys, out, key, application, since, redundant, by, client, author, reason;
  std::uint64_t update = 0, top = 20, most = 100'000, candidates = 65'536;
  bool has_client = false, has_update = false, json = false, withdraw = false;
  bool clean = false, with_suspects = false, dot = false, prov = false;
};

/// `options`: those that the command takes besides --graph, --deployment, --server, --keys and --json; "update" is
/// the argument without a name. Throws what TCLAP throws, or `UsageError`.
Arguments parse(int argc, char** argv, const std::string& what, std::initializer_list<std::string_view> options);
/// The graph they name.
Incident load_incident(const Arguments& a);
accountability::UpdateId need_update(const Arguments& a, const accountability::Graph& graph);
/// A number, or a name of the graph's names.txt.
ClientId need_client(const Arguments& a, const accountability::Store& store);
/// Where `--since` points; without it the first update of all. A time means the first update that may have come then,
/// as enough servers agree; `UnknownError` if they do not. What lies before the graph begins is kept as it was given.
struct Since {
  accountability::UpdateId update;
  std::optional<accountability::Moment> given = {};
};
Since since_of(const Arguments& a, const Incident& incident);
/// Whether a mark was made with this `--since`.
bool is_since(const accountability::Mark& mark, const Since& since, const accountability::Store& store);
/// `--client` from its first update at or after `--since` on; an error if there is no such update, unless that lies
/// before the graph begins: nobody can tell then.
accountability::Mark need_mark(const Arguments& a, const Incident& incident);
inline void need(const Status& status) {
  if (!status) fail(status.error().message);
}
void print_json(const Json& json);
/// A list that was cut must not look like a whole one: says so on stderr, and as a last element of `list`, if not
/// null.
void tell_cut(Json* list, std::size_t most, const char* option);
/// Milliseconds since 1970 of "2026-11-22T18:30:00", "18:30" (today), both local, or "10m" (ago); `now` in ms.
std::optional<std::uint64_t> parse_time(const std::string& text, std::uint64_t now);

}  // namespace seneschal::graph_tool
