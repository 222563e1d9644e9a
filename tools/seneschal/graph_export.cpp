// An incident for other programs and for the eye: drawn, as Graphviz, as W3C PROV.
#include "lab/html.hpp"
#include "tools/seneschal/graph_incident.hpp"

#include <fmt/format.h>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

const char* fill_of(Colour colour) {
  switch (colour) {
    case Colour::Corrupt: return "#d9534f";
    case Colour::Suspect: return "#f0ad4e";
    case Colour::Unknown: return "#c8c8c8";
    case Colour::NotAffected: break;
  }
  return "#8fbc8f";
}

/// The operands of a formula as nodes of Graphviz: names, and a node for each OR, and for each AND in one.
class DotFormula {
 public:
  DotFormula(std::string owner, std::string& dot) : owner_(std::move(owner)), dot_(dot) {}

  void draw(const Formula& formula) {
    for (const Token& token : formula.tokens()) {
      if (token.kind == Token::Kind::Leaf) {
        operands_.push_back({fmt::format("u{}", token.value)});
      } else {
        std::vector<std::string> all;
        for (std::uint64_t i = 0; i < token.value; ++i) {
          const auto& operand = operands_[operands_.size() - token.value + i];
          if (token.kind == Token::Kind::Or)
            all.push_back(operand.size() == 1 ? operand[0] : node("and", operand));
          else
            all.insert(all.end(), operand.begin(), operand.end());
        }
        operands_.resize(operands_.size() - token.value);
        operands_.push_back(token.kind == Token::Kind::Or ? std::vector{node("or", all)} : std::move(all));
      }
    }
    for (const auto& operand : operands_)
      for (const std::string& name : operand) dot_ += fmt::format("  {} -> {};\n", owner_, name);
  }

 private:
  std::string node(std::string_view word, const std::vector<std::string>& names) {
    const std::string id = fmt::format("{}_{}", owner_, ++nodes_);
    dot_ += fmt::format("  {} [label=\"{}\", shape={}, fillcolor=\"#ffffff\"];\n", id, word,
                        word == "or" ? "diamond" : "box");
    for (const std::string& name : names)
      dot_ += fmt::format("  {} -> {}{};\n", id, name, word == "or" ? " [style=dashed]" : "");
    return id;
  }

  std::string owner_;
  std::string& dot_;
  std::vector<std::vector<std::string>> operands_;
  int nodes_ = 0;
};

bool has_or(const Formula& formula) {
  return std::ranges::any_of(formula.tokens(), [](const Token& t) { return t.kind == Token::Kind::Or; });
}

}  // namespace

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
    for (const Named& named : drawn_names(incident, id)) {
      const auto to = place.find(named.update);
      if (to == place.end()) continue;
      const int bend = at.second == to->second.second ? at.second - 28 : (at.second + to->second.second) / 2;
      svg += fmt::format("<path d='M{},{} Q{},{} {},{}' fill='none' stroke='#555'{} marker-end='url(#a)'/>",
                         at.first - 16, at.second, (at.first + to->second.first) / 2, bend, to->second.first + 17,
                         to->second.second, named.alternative == 0 ? "" : " stroke-dasharray='5,3' class='or'");
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

std::string to_dot(const Incident& incident, const Selection& selection) {
  const Graph& graph = incident.store.graph();
  const std::set<UpdateId> known(selection.ids.begin(), selection.ids.end());
  std::string dot = "digraph accountability {\n  rankdir=RL;\n  node [style=filled];\n";
  if (selection.cut) dot += fmt::format("  label=\"the first {} updates; there are more\";\n", selection.ids.size());
  for (const UpdateId id : selection.ids) {
    const Formula formula = graph.formula(id);
    dot += fmt::format("  u{} [label=\"{}\\nclient {}{}\", fillcolor=\"{}\"];\n", id.value, id.value,
                       graph.client(id).value, formula.is_everything() ? "\\non everything before" : "",
                       fill_of(incident.colours.of(id)));
    if (has_or(formula)) {  // whole: an alternative that is left out would look like none
      DotFormula(fmt::format("u{}", id.value), dot).draw(formula);
      continue;
    }
    for (const Named& named : drawn_names(incident, id))
      if (known.contains(named.update)) dot += fmt::format("  u{} -> u{};\n", id.value, named.update.value);
  }
  return dot + "}\n";
}

std::string to_prov(const Incident& incident, const Selection& selection) {
  // Sorted objects: one of nlohmann's that keeps the order of insertion looks through all it has for each new name.
  using Sorted = nlohmann::json;
  const Graph& graph = incident.store.graph();
  const std::set<UpdateId> known(selection.ids.begin(), selection.ids.end());
  Sorted entities = Sorted::object(), agents = Sorted::object(), attributed = Sorted::object(),
         derived = Sorted::object();
  for (const UpdateId id : selection.ids) {
    const std::string name = "seneschal:update-" + std::to_string(id.value);
    const std::string agent = "seneschal:client-" + std::to_string(graph.client(id).value);
    const Formula formula = graph.formula(id);
    Sorted& entity = entities[name];
    entity["seneschal:class"] = accountability::to_string(incident.colours.of(id));
    if (formula.is_everything()) entity["seneschal:depends_on"] = "everything before";
    const bool alternatives = has_or(formula);
    if (alternatives) entity["seneschal:depends_on"] = formula.text();
    Sorted& by = agents[agent];
    by = Sorted::object();
    if (const auto known_as = incident.clients.find(graph.client(id)); known_as != incident.clients.end())
      by["prov:label"] = known_as->second;
    attributed["_:by-" + std::to_string(id.value)] = {{"prov:entity", name}, {"prov:agent", agent}};
    for (const Named& named : drawn_names(incident, id)) {
      if (!known.contains(named.update) && !alternatives) continue;
      const std::string used = "seneschal:update-" + std::to_string(named.update.value);
      Sorted& derivation = derived[fmt::format("_:from-{}-{}", id.value, named.update.value)];
      derivation = {{"prov:generatedEntity", name}, {"prov:usedEntity", used}};
      if (named.alternative != 0) {
        derivation["prov:type"] = "seneschal:oneOfSeveral";
        derivation["seneschal:alternative"] = fmt::format("{}-{}", id.value, named.alternative);
      }
      if (!known.contains(named.update) && !entities.contains(used) && graph.has(named.update))
        entities[used]["seneschal:class"] = accountability::to_string(incident.colours.of(named.update));
    }
  }
  if (selection.cut)
    entities["seneschal:export"] = {{"seneschal:complete", false}, {"seneschal:most", selection.ids.size()}};
  const Sorted all = {{"prefix", {{"prov", "http://www.w3.org/ns/prov#"}, {"seneschal", "urn:seneschal:"}}},
                      {"entity", std::move(entities)},
                      {"agent", std::move(agents)},
                      {"wasAttributedTo", std::move(attributed)},
                      {"wasDerivedFrom", std::move(derived)}};
  return all.dump(1, ' ', false, Sorted::error_handler_t::replace) + "\n";
}

}  // namespace seneschal::graph_tool
