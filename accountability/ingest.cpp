#include "accountability/ingest.hpp"

#include "crypto/digest.hpp"
#include "replication/kv.hpp"

#include <algorithm>

namespace seneschal::accountability {
namespace {

namespace kv = replication::kv;

}  // namespace

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

Digest update_digest(ClientId client, Span signed_operation) {
  Bytes head;
  Writer out(head);
  out.raw(as_span("seneschal/graph/update/1"));
  encode_to(out, client);
  return crypto::sha256({head, signed_operation});
}

void Ingest::add_flow(Span operation, std::vector<UpdateId>& names) const {
  const auto op = decode<kv::Operation>(operation);
  if (!op) return;
  const auto read = [&](const kv::Key& key) {
    if (const auto it = writer_.find(key.value); it != writer_.end()) names.push_back(it->second);
  };
  if (const auto* get = std::get_if<kv::Get>(&*op)) read(get->key);
  if (const auto* swap = std::get_if<kv::CompareAndSet>(&*op)) read(swap->key);
  if (const auto* scan = std::get_if<kv::Scan>(&*op)) {
    std::uint32_t left = std::min<std::uint32_t>(scan->limit, kMaxLeaves / 2);
    for (auto it = writer_.lower_bound(scan->first.value); it != writer_.end() && left > 0; ++it, --left) {
      if (scan->last && it->first >= scan->last->value) break;
      names.push_back(it->second);
    }
  }
}

void Ingest::note_writes(UpdateId id, Span operation) {
  const auto op = decode<kv::Operation>(operation);
  if (!op) return;
  // Deleted keys keep their writer: that a key is gone is something one can read. Bounded all the same.
  constexpr std::size_t kMostKeys = std::size_t{1} << 20;
  const auto wrote = [&](const kv::Key& key) {
    if (writer_.size() < kMostKeys || writer_.contains(key.value)) writer_[key.value] = id;
  };
  if (const auto* put = std::get_if<kv::Put>(&*op)) wrote(put->key);
  if (const auto* gone = std::get_if<kv::Delete>(&*op)) wrote(gone->key);
  if (const auto* swap = std::get_if<kv::CompareAndSet>(&*op)) wrote(swap->key);
}

std::optional<UpdateId> Ingest::take(const replication::ExecutionObserver::Executed& executed) {
  NewUpdate update;
  update.client = executed.client;
  update.seq = executed.seq;
  update.digest = update_digest(executed.client, executed.signed_operation);
  update.operation = executed.operation;
  std::vector<UpdateId> seen;
  if (source_ != Source::Declared) add_flow(executed.operation, seen);
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
      update.formula = std::move(*joined);
      update.named = std::move(declaration->digests.items);
      update.declared = formula->leaves().size();
      id = sink_(update);
    } else {
      id = std::unexpected(joined.error());
    }
    if (!id) ++refused_[static_cast<std::size_t>(id.error())];
  }
  if (!id) {
    const bool lied = !executed.dependencies.empty();
    update.formula = join_seen({}, lied || source_ == Source::Conservative).value_or(Formula{});
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
  note_writes(*id, executed.operation);
  return *id;
}

std::uint64_t Ingest::refused() const {
  std::uint64_t all = 0;
  for (const std::uint64_t n : refused_) all += n;
  return all;
}

}  // namespace seneschal::accountability
