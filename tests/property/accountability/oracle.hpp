// Algorithm 1 of the report, word by word, with the changes that its sections III-B and III-C describe in prose: FIFO
// edges lie disabled until their client is found malicious, and an update that depends on an OR has one cell per way
// to satisfy it: dependency arrows originate from cells, and all must be visited before it is suspect.
#pragma once
#include "accountability/marking.hpp"

#include <map>

namespace seneschal::accountability::oracle {

enum Classification { CORRUPT, SUSPECT, NOT_AFFECTED };

struct Node {
  std::uint64_t id = 0;
  std::uint32_t client_id = 0;
  std::vector<std::pair<std::uint64_t, std::size_t>> dependents;  // node and its cell
  std::vector<std::uint64_t> fifo;                                // the client's next update, disabled
  std::size_t cells = 1;
  std::set<std::size_t> visited;
  Classification classification = NOT_AFFECTED;
};

/// The cells of (A or B) and C are {A, C} and {B, C}: the ways to satisfy it. [TR III-C, Fig. 3] "Everything" of
/// update `id` is a conjunction of all updates before it.
inline std::vector<std::set<std::uint64_t>> cells_of(const Formula& formula, std::uint64_t id) {
  using Ways = std::vector<std::set<std::uint64_t>>;
  std::vector<Ways> stack;
  for (const Token& token : formula.tokens()) {
    if (token.kind == Token::Kind::Leaf) {
      stack.push_back({{token.value}});
      continue;
    }
    if (token.kind == Token::Kind::Everything) {
      std::set<std::uint64_t> all;
      for (std::uint64_t before = 1; before < id; ++before) all.insert(before);
      stack.push_back({std::move(all)});
      continue;
    }
    Ways joined = token.kind == Token::Kind::And ? Ways{{}} : Ways{};
    for (std::size_t i = stack.size() - token.value; i < stack.size(); ++i) {
      if (token.kind == Token::Kind::Or) {
        joined.insert(joined.end(), stack[i].begin(), stack[i].end());
        continue;
      }
      Ways product;
      for (const auto& left : joined)
        for (auto right : stack[i]) {
          right.insert(left.begin(), left.end());
          product.push_back(std::move(right));
        }
      joined = std::move(product);
    }
    stack.resize(stack.size() - token.value);
    stack.push_back(std::move(joined));
  }
  return stack.empty() ? Ways{} : stack.back();
}

class ADag {
 public:
  std::uint64_t SubmitUpdate(std::uint32_t client_id) {
    next_id = next_id + 1;
    Node n;
    n.id = next_id;
    n.client_id = client_id;
    nodes[next_id] = n;
    if (last.contains(client_id)) nodes[last[client_id]].fifo.push_back(next_id);
    last[client_id] = next_id;
    return next_id;
  }
  void AddDependencies(std::uint64_t dependent, const Formula& formula) {
    const auto cells = cells_of(formula, dependent);
    Node& n = nodes[dependent];
    n.cells = std::max<std::size_t>(1, cells.size());
    for (std::size_t cell = 0; cell < cells.size(); ++cell)
      for (const std::uint64_t i : cells[cell])
        // What is not in the graph is in the snapshot, and good.
        if (nodes.contains(i)) nodes[i].dependents.push_back({dependent, cell});
  }
  void GetSuspectedUpdates(const Findings& findings) {
    std::vector<std::uint64_t> suspects;
    for (auto& [id, n] : nodes) {
      n.classification = NOT_AFFECTED;
      n.visited.clear();
    }
    const auto malicious = [&](const Node& n) {
      for (const Mark& mark : findings.marks)
        if (mark.client.value == n.client_id && n.id >= mark.from.value) return true;
      return false;
    };
    const auto add = [&](Node& n, Classification as) {
      n.classification = as;
      suspects.push_back(n.id);
    };
    for (const Mark& mark : findings.marks)  // the first update that each mark names
      for (auto& [id, n] : nodes)
        if (id >= mark.from.value && n.client_id == mark.client.value) {
          if (n.classification != CORRUPT) add(n, CORRUPT);
          break;
        }
    std::size_t next = 0;
    while (suspects.size() > next) {
      const Node p = nodes[suspects[next]];
      next = next + 1;
      if (malicious(p))  // this client's FIFO edges are enabled
        for (const std::uint64_t c : p.fifo)
          if (nodes[c].classification != CORRUPT) add(nodes[c], CORRUPT);
      for (const auto& [id, cell] : p.dependents) {
        Node& c = nodes[id];
        c.visited.insert(cell);
        if (c.visited.size() < c.cells) continue;
        if (c.classification != NOT_AFFECTED) continue;  // is in suspects
        if (malicious(c))
          add(c, CORRUPT);
        else if (!findings.cleared.contains(UpdateId(id)))
          add(c, SUSPECT);
      }
    }
  }
  Classification classification(std::uint64_t id) { return nodes[id].classification; }

  std::uint64_t next_id = 0;
  std::map<std::uint64_t, Node> nodes;
  std::map<std::uint32_t, std::uint64_t> last;
};

}  // namespace seneschal::accountability::oracle
