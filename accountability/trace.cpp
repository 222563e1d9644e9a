#include "accountability/trace.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <deque>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace seneschal::accountability {

const ReverseIndex::Part& ReverseIndex::part(std::uint64_t number) {
  if (const auto known = parts_.find(number); known != parts_.end()) return known->second;
  const std::uint64_t begin = graph_.origin().value + number * kPart;
  const std::uint64_t end = std::min(begin + kPart, graph_.end().value);
  Part part;
  part.start.assign(end - begin + 1, 0);
  // Twice over the blocks that can name this part: count, then place.
  const auto each_name = [&](auto&& use) {
    for (std::size_t b = graph_.block_index(UpdateId(begin)); b < graph_.blocks().size(); ++b) {
      const Block& block = graph_.blocks()[b];
      if (block.first().value > end + block.header().farthest) continue;  // another block may reach farther
      std::size_t name = 0;
      for (std::uint32_t i = 0; i < block.count(); ++i) {
        const std::size_t stop = name + std::min<std::size_t>(block.degree(i), kMaxLeaves);
        const std::uint64_t id = block.first().value + i;
        for (; name < stop; ++name) {
          const std::uint64_t target = id - std::min<std::uint64_t>(block.distance(name), id);
          if (target >= begin && target < end && target < id) use(target - begin, UpdateId(id));
        }
      }
    }
  };
  each_name([&](std::uint64_t target, UpdateId) { ++part.start[target + 1]; });
  for (std::size_t i = 1; i < part.start.size(); ++i) part.start[i] += part.start[i - 1];
  part.dependents.resize(part.start.back());
  std::vector<std::uint32_t> at(part.start.begin(), part.start.end() - 1);
  each_name([&](std::uint64_t target, UpdateId id) { part.dependents[at[target]++] = id; });
  return parts_.emplace(number, std::move(part)).first->second;
}

std::span<const UpdateId> ReverseIndex::dependents(UpdateId id) {
  if (!graph_.has(id)) return {};
  const std::uint64_t place = id.value - graph_.origin().value;
  const Part& p = part(place / kPart);
  const std::size_t i = place % kPart;
  return std::span(p.dependents).subspan(p.start[i], p.start[i + 1] - p.start[i]);
}

std::span<const UpdateId> ReverseIndex::of_everything() {
  if (of_everything_) return *of_everything_;
  of_everything_.emplace();
  for (const Block& block : graph_.blocks()) {
    if (block.header().farthest != kReachesAll) continue;
    (void)each_row(block, [this](UpdateId id, ClientId, Seq, const Formula& formula) {
      if (graph_.has(id) && formula.simplified(graph_.base()).is_everything()) of_everything_->push_back(id);
      return true;
    });
  }
  return *of_everything_;
}

void ReverseIndex::build_all() {
  (void)of_everything();
  for (std::uint64_t i = 0; i * kPart < graph_.end().value - graph_.origin().value; ++i) part(i);
}

std::vector<UpdateId> blast(const Graph& graph, ReverseIndex& index, UpdateId id, std::size_t most) {
  std::vector<UpdateId> reached;
  if (!graph.has(id)) return reached;
  std::unordered_set<std::uint64_t> touched = {id.value};
  std::unordered_set<std::uint64_t> queued;
  // Ascending, so that when an update's turn comes everything that it names is decided.
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> queue;
  const auto push_dependents = [&](UpdateId of) {
    for (const UpdateId dependent : index.dependents(of))
      if (queued.insert(dependent.value).second) queue.push(dependent.value);
  };
  push_dependents(id);
  for (const UpdateId everything : index.of_everything())
    if (everything > id && queued.insert(everything.value).second) queue.push(everything.value);
  while (!queue.empty() && reached.size() < most) {
    const UpdateId next(queue.top());
    queue.pop();
    const bool plain = graph.block(next).header().shape_bytes == 0;  // a conjunction fails if one name is bad
    const auto bad = [&](UpdateId leaf) { return touched.contains(leaf.value); };
    if (!plain && !graph.formula(next).fails(bad, true)) continue;  // `id` is before all that is in the queue
    touched.insert(next.value);
    reached.push_back(next);
    push_dependents(next);
  }
  return reached;
}

std::vector<UpdateId> why(const Graph& graph, const Colours& colours, UpdateId id) {
  if (!graph.has(id) || !colours.touched(id)) return {};
  // Breadth first, backwards, along bad names only.
  std::unordered_map<std::uint64_t, std::uint64_t> towards = {{id.value, 0}};
  std::deque<UpdateId> queue = {id};
  while (!queue.empty()) {
    const UpdateId at = queue.front();
    queue.pop_front();
    if (colours.of(at) == Colour::Corrupt) {
      std::vector<UpdateId> chain;
      for (std::uint64_t step = at.value; step != 0; step = towards.at(step)) chain.emplace_back(step);
      return chain;
    }
    const Formula formula = graph.formula(at);
    std::vector<UpdateId> names = formula.leaves();
    // The first bad update of all is corrupt: there is no shorter way.
    if (formula.is_everything()) names = {colours.next_touched(graph.base())};
    for (const UpdateId name : names)
      if (colours.touched(name) && towards.emplace(name.value, at.value).second) queue.push_back(name);
  }
  return {};
}

Colours mark_with_redundancy(const Graph& graph, const Findings& findings, const Redundant& redundant) {
  // A second opinion is an OR that clients did not write: the formula of every update changes, so each is evaluated.
  Colours colours(graph.origin(), graph.end());
  colours.set_unknown_before(unknown_before(graph, findings));
  std::map<ClientId, bool> latest_bad;
  std::set<ClientId> bad_members;
  bool any_single = false;  // bad so far
  // Somebody else's latest word will do: a member does not stand in for itself.
  const auto stood_in_for = [&](ClientId who) {
    return redundant.contains(who) &&
           std::ranges::any_of(latest_bad, [&](const auto& latest) { return latest.first != who && !latest.second; });
  };
  graph.each(graph.base(), [&](UpdateId id, ClientId client, const Formula& formula) {
    const bool anything_bad = any_single || !std::ranges::all_of(bad_members, stood_in_for);
    const auto from = findings.malicious_from(client);
    Colour colour = Colour::NotAffected;
    if (from && id >= *from) {
      colour = Colour::Corrupt;
    } else if (const auto fails =
                   [&](UpdateId name) { return colours.touched(name) && !stood_in_for(graph.client(name)); };
               !findings.cleared.contains(id) && formula.fails(fails, anything_bad)) {
      colour = Colour::Suspect;
    }
    colours.set(id, colour);
    const bool bad = colour != Colour::NotAffected, member = redundant.contains(client);
    if (member) latest_bad[client] = bad;
    if (member && bad) bad_members.insert(client);
    any_single |= bad && !member;
    return true;
  });
  return colours;
}

namespace {

/// A formula over 64 worlds at once: an AND fails where one operand does, an OR where all do.
template <class Named>
std::uint64_t evaluate_bits(Span symbols, std::size_t degree, const Named& named, std::uint64_t any_before,
                            std::vector<std::uint64_t>& stack) {
  std::size_t used = 0;
  stack.clear();
  for (std::size_t i = 0; i + 2 <= symbols.size(); i += 2) {
    const std::uint64_t symbol = load(symbols.data() + i, 2);
    if (symbol == kNameSymbol) {
      if (used == degree) return 0;
      stack.push_back(named(used++));
      continue;
    }
    if (symbol == kEverythingSymbol) {
      stack.push_back(any_before);
      continue;
    }
    const std::size_t operands = symbol / 2;
    if (operands == 0 || operands > stack.size()) return 0;  // makes no sense: a file from elsewhere
    std::uint64_t joined = stack.back();
    for (std::size_t k = 1; k < operands; ++k) {
      stack.pop_back();
      joined = symbol % 2 == 0 ? joined | stack.back() : joined & stack.back();
    }
    stack.back() = joined;
  }
  return stack.size() == 1 ? stack.back() : 0;
}

}  // namespace

std::vector<Risk> risks(const Graph& graph, std::vector<Risk> candidates) {
  CHECK(graph.size() <= kMaxRiskUpdates);
  const std::uint64_t origin = graph.origin().value;
  std::vector<std::uint64_t> reach(graph.end().value - origin);  // bit i: candidate i makes this one bad
  for (std::size_t group = 0; group < candidates.size(); group += 64) {
    const std::size_t count = std::min<std::size_t>(64, candidates.size() - group);
    std::vector<std::uint64_t> of_client(65536);
    std::unordered_map<std::uint64_t, std::uint64_t> of_update;
    std::uint64_t first = graph.end().value;
    for (std::size_t i = 0; i < count; ++i) {
      const Risk& candidate = candidates[group + i];
      if (candidate.update.value == 0) {
        if (candidate.client.value >= of_client.size()) of_client.resize(kMaxClient);
        of_client[candidate.client.value & (kMaxClient - 1)] |= std::uint64_t{1} << i;
        first = graph.base().value;
      } else {
        of_update[candidate.update.value] |= std::uint64_t{1} << i;
        first = std::min(first, candidate.update.value);
      }
    }
    std::array<std::uint64_t, 64> totals{};
    std::ranges::fill(reach, 0);
    std::vector<std::uint64_t> stack;
    std::uint64_t any_before = 0;
    for (std::size_t b = first < graph.end().value ? graph.block_index(UpdateId(first)) : graph.blocks().size();
         b < graph.blocks().size(); ++b) {
      const Block& block = graph.blocks()[b];
      const bool plain = block.header().shape_bytes == 0;
      std::size_t name = 0;
      ShapeCursor shapes = block.shapes();
      auto shape = plain ? std::nullopt : shapes.next();
      for (std::uint32_t i = 0; i < block.count(); ++i) {
        const std::uint64_t place = block.first().value + i - origin;
        const std::size_t degree = std::min<std::size_t>(block.degree(i), kMaxLeaves);
        const auto named = [&](std::size_t k) {
          const std::uint32_t distance = block.distance(name + k);
          return distance <= place ? reach[place - distance] : 0;
        };
        std::uint64_t bad = 0;
        if (shape && shape->offset == i) {
          bad = evaluate_bits(shape->symbols, degree, named, any_before, stack);
          shape = shapes.next();
        } else {
          for (std::size_t k = 0; k < degree; ++k) bad |= named(k);
        }
        name += degree;
        const std::uint32_t client = block.client(i).value;
        const std::uint64_t own = client < of_client.size() ? of_client[client] : 0;
        std::uint64_t alone = 0;
        if (!of_update.empty())
          if (const auto it = of_update.find(place + origin); it != of_update.end()) alone = it->second;
        reach[place] = bad | own | alone;
        if (place + origin < graph.base().value) reach[place] = 0;
        any_before |= reach[place];
        for (std::uint64_t suspects = reach[place] & ~own & ~alone; suspects != 0; suspects &= suspects - 1)
          ++totals[static_cast<std::size_t>(std::countr_zero(suspects))];
      }
    }
    for (std::size_t i = 0; i < count; ++i) candidates[group + i].suspects = totals[i];
  }
  return candidates;
}

namespace {

void keep_worst(std::vector<Risk>& all, std::size_t top) {
  std::ranges::sort(all, [](const Risk& a, const Risk& b) {
    return std::tie(b.suspects, a.client, a.update) < std::tie(a.suspects, b.client, b.update);
  });
  if (all.size() > top) all.resize(top);
}

}  // namespace

std::vector<Risk> riskiest_clients(const Graph& graph, std::size_t top) {
  std::vector<bool> seen(kMaxClient);
  for (const Block& block : graph.blocks())
    for (std::uint32_t i = 0; i < block.count(); ++i) seen[block.client(i).value & (kMaxClient - 1)] = true;
  std::vector<Risk> all;
  for (std::uint32_t client = 0; client < kMaxClient; ++client)
    if (seen[client]) all.push_back({ClientId(client), UpdateId(0), 0});
  all = risks(graph, std::move(all));
  keep_worst(all, top);
  return all;
}

std::vector<Risk> riskiest_updates(const Graph& graph, std::size_t top, std::size_t candidates) {
  std::vector<Risk> all;
  if (graph.size() <= candidates) {
    for (UpdateId id = graph.base(); id < graph.end(); ++id) all.push_back({graph.client(id), id, 0});
  } else {
    std::vector<std::uint32_t> named(graph.end().value - graph.origin().value);
    for (const Block& block : graph.blocks()) {
      std::size_t name = 0;
      for (std::uint32_t i = 0; i < block.count(); ++i) {
        const std::size_t stop = name + std::min<std::size_t>(block.degree(i), kMaxLeaves);
        const std::uint64_t place = block.first().value + i - graph.origin().value;
        for (; name < stop; ++name)
          if (const std::uint32_t distance = block.distance(name); distance <= place && distance > 0)
            ++named[place - distance];
      }
    }
    std::vector<std::uint64_t> order(named.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::nth_element(order, order.begin() + static_cast<std::ptrdiff_t>(candidates),
                             [&](std::uint64_t a, std::uint64_t b) { return named[a] > named[b]; });
    for (std::size_t i = 0; i < candidates; ++i) {
      const UpdateId id = graph.origin() + order[i];
      if (graph.has(id)) all.push_back({graph.client(id), id, 0});
    }
  }
  all = risks(graph, std::move(all));
  keep_worst(all, top);
  return all;
}

}  // namespace seneschal::accountability
