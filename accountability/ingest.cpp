#include "accountability/ingest.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace seneschal::accountability {

std::string_view to_string(Source source) {
  switch (source) {
    case Source::Declared: return "declared";
    case Source::Flow: return "flow";
    case Source::Conservative: return "conservative";
  }
  return "?";
}

std::optional<Source> parse_source(std::string_view text) {
  for (const Source source : {Source::Declared, Source::Flow, Source::Conservative})
    if (to_string(source) == text) return source;
  return std::nullopt;
}

Bytes declare(const Formula& formula, std::vector<Digest> digests, Span operation) {
  Declaration declaration;
  declaration.formula.items = formula.tokens();
  declaration.digests.items = std::move(digests);
  return replication::with_dependencies(encode(declaration), operation);
}

std::uint8_t judge(Span dependencies, std::uint64_t update) {
  const auto said = [](Refusal refusal) { return static_cast<std::uint8_t>(1 + static_cast<unsigned>(refusal)); };
  auto declaration = decode<Declaration>(dependencies);
  if (!declaration) return said(Refusal::Malformed);
  const auto formula = Formula::from_tokens(std::move(declaration->formula.items));
  if (!formula) return said(formula.error());
  const std::vector<UpdateId> names = formula->leaves();
  for (const UpdateId name : names)
    if (const auto bad = problem_with(name, UpdateId(update))) return said(*bad);
  if (!declaration->digests.empty() && declaration->digests.size() != names.size())
    return said(Refusal::DigestMissing);
  return 0;
}

std::optional<Refusal> judged(std::uint8_t said) {
  if (said == 0 || said > 1 + static_cast<unsigned>(Refusal::kLast)) return std::nullopt;
  return static_cast<Refusal>(said - 1);
}

Ingest::Writers::value_type* Ingest::find(Span name) {
  auto& recent = recent_[std::hash<std::string_view>{}(as_text(name)) % kRecentNames];
  if (recent != nullptr && equal(recent->first, name)) return recent;
  const auto it = writer_.find(name);
  if (it == writer_.end()) return nullptr;
  return recent = &*it;
}

bool Ingest::add_flow(const replication::Footprint& footprint, std::vector<UpdateId>& names) {
  bool unknown = !footprint.ranges.empty();
  for (const Bytes& name : footprint.reads) {
    const auto* known = find(name);
    if (known != nullptr) names.push_back(known->second);
    unknown = unknown || known == nullptr;
  }
  if (unknown && crowded_) return false;
  if (unknown) names.insert(names.end(), crowded_out_.begin(), crowded_out_.end());
  std::size_t visited = 0;
  for (const auto& range : footprint.ranges) {
    for (auto it = writer_.lower_bound(range.first); it != writer_.end(); ++it) {
      if (range.last && it->first >= *range.last) break;
      if (++visited > kMostVisited) return false;
      names.push_back(it->second);
    }
  }
  return true;
}

void Ingest::note_write(UpdateId id, Span name) {
  if (auto* known = find(name); known != nullptr)
    known->second = id;
  else if (writer_.size() < most_names_)
    writer_.emplace(to_bytes(name), id);
  else if (!crowded_out_.empty() && crowded_out_.back() == id)
    return;
  else if (crowded_out_.size() < kMaxLeaves)
    crowded_out_.push_back(id);
  else
    crowded_ = true;
}

void Ingest::remember(UpdateId id, ClientId client, std::span<const Span> writes) {
  latest_[client.value] = id;
  for (const Span name : writes) note_write(id, name);
}

std::optional<UpdateId> Ingest::take(const replication::ExecutionObserver::Executed& executed) {
  NewUpdate update;
  update.client = executed.client;
  update.seq = executed.seq;
  update.evidence = executed.evidence;
  update.operation = executed.operation;
  if (executed.footprint != nullptr) update.writes = executed.footprint->writes;
  std::vector<UpdateId> seen;
  const bool all_seen =
      source_ == Source::Declared || executed.footprint == nullptr || add_flow(*executed.footprint, seen);
  const auto before = latest_.find(executed.client.value);
  const auto join_seen = [&](const Formula& declared, bool with_before) {
    std::vector<UpdateId> names = seen;
    if (with_before && before != latest_.end()) names.push_back(before->second);
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::vector<Token> tokens = declared.tokens();
    for (const UpdateId name : names) tokens.push_back({Token::Kind::Leaf, name.value});
    const std::size_t operands = names.size() + (declared.empty() ? 0 : 1);
    if (operands > 1) tokens.push_back({Token::Kind::And, operands});
    // More than a formula may name.
    if (!all_seen || names.size() + declared.leaves().size() > kMaxLeaves)
      return std::expected<Formula, Refusal>(Formula::everything());
    return Formula::from_tokens(std::move(tokens));
  };
  std::expected<UpdateId, Refusal> id = std::unexpected(Refusal::Malformed);
  if (!executed.dependencies.empty()) {
    // Checked by itself first: its digests are for its own names only.
    auto declaration = decode<Declaration>(executed.dependencies);
    auto formula = declaration ? Formula::from_tokens(std::move(declaration->formula.items))
                               : std::expected<Formula, Refusal>(std::unexpected(Refusal::Malformed));
    auto joined = formula ? join_seen(*formula, source_ == Source::Conservative) : formula;
    if (joined) {
      const bool names = !joined->is_everything();  // otherwise there is nothing to check
      update.formula = std::move(*joined);
      if (names) update.named = std::move(declaration->digests.items);
      update.declared = names ? formula->leaves().size() : 0;
      id = sink_(update);
    } else {
      id = std::unexpected(joined.error());
    }
    if (!id) ++refused_[static_cast<std::size_t>(id.error())];
  }
  if (!id) {
    const bool lied = !executed.dependencies.empty();
    auto own = join_seen({}, lied || source_ == Source::Conservative);
    CHECK(own.has_value());  // at most kMaxLeaves names, or everything
    update.formula = std::move(*own);
    update.named.clear();
    update.declared = 0;
    id = sink_(update);
  }
  if (!id) {  // a client number that the graph has no room for
    ++refused_[static_cast<std::size_t>(id.error())];
    return std::nullopt;
  }
  ++taken_;
  latest_[executed.client.value] = *id;
  for (const Bytes& name : update.writes) note_write(*id, name);
  return *id;
}

std::uint64_t Ingest::refused() const {
  std::uint64_t all = 0;
  for (const std::uint64_t n : refused_) all += n;
  return all;
}

}  // namespace seneschal::accountability
