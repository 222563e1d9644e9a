// Makes the graph's updates from executed ones: where each one's dependencies come from. [Graph 2.3]
//
// Deterministic: servers that execute the same updates with the same settings have the same graph.
#pragma once
#include "accountability/store.hpp"
#include "replication/observed_application.hpp"

#include <array>
#include <unordered_map>

namespace seneschal::accountability {

enum class Source : std::uint8_t {
  Declared,      // what the client says; nothing if it says nothing
  Flow,          // and what the operation reads: the latest updates that wrote those names (keys, tables)
  Conservative,  // and everything reported to the client before: its update before this one, and so all that one saw
  kLast = Conservative,
};
std::string_view to_string(Source source);
std::optional<Source> parse_source(std::string_view text);

/// What a client declares: a formula, and the digest of every update it names, in order (or none).
struct Declaration {
  List<Token, kMaxTokens> formula;
  List<Digest, kMaxLeaves> digests;
  auto fields() { return std::tie(formula, digests); }
};
/// Operation bytes for `ClientCore`; `formula` with digests as the client knows them.
Bytes declare(const Formula& formula, std::vector<Digest> digests, Span operation);

/// `replication::Judge`: why update `update` may not depend on what its client declares, by the names alone. Whether
/// digests fit only servers that build the graph can tell.
std::uint8_t judge(Span dependencies, std::uint64_t update);
/// What `judge` said; nothing for 0.
std::optional<Refusal> judged(std::uint8_t said);

class Ingest {
 public:
  /// Where updates go: gives the id, or why the update's dependencies are refused.
  using Sink = std::function<std::expected<UpdateId, Refusal>(const NewUpdate&)>;

  /// Latest writers are known by name for so many names. Who reads a name that is not known depends on all that wrote
  /// a further one, or on everything if those are more than a formula can name: too much is suspect then, never too
  /// little.
  static constexpr std::size_t kMostNames = std::size_t{1} << 20;
  /// Names that the ranges of one update may run over. Who reads more depends on everything before.
  static constexpr std::size_t kMostVisited = std::size_t{1} << 16;

  Ingest(Source source, Sink sink, std::size_t most_names = kMostNames)
      : source_(source), sink_(std::move(sink)), most_names_(most_names) {}
  /// Takes an executed update. A declaration that is refused does not stop the update, which was executed: it gets
  /// the dependencies of the conservative source instead, so that a lie never hides one. Nothing only for a client
  /// number at or above `kMaxClient`.
  std::optional<UpdateId> take(const replication::ExecutionObserver::Executed& executed);
  /// An update of the graph from an earlier life: who wrote what.
  void remember(UpdateId id, ClientId client, std::span<const Span> writes);

  std::uint64_t taken() const { return taken_; }
  std::uint64_t refused(Refusal reason) const { return refused_[static_cast<std::size_t>(reason)]; }
  std::uint64_t refused() const;

 private:
  struct ByName {
    using is_transparent = void;
    bool operator()(Span a, Span b) const { return as_text(a) < as_text(b); }
  };
  using Writers = std::map<Bytes, UpdateId, ByName>;
  Writers::value_type* find(Span name);
  /// False: it reads more than is looked up.
  bool add_flow(const replication::Footprint& footprint, std::vector<UpdateId>& names);
  void note_write(UpdateId id, Span name);

  Source source_;
  Sink sink_;
  std::size_t most_names_;
  /// Latest writer per name. Deleted names keep theirs: that something is gone is something one can read.
  Writers writer_;
  /// Names that were looked up last, by a hash: most are looked up again soon. Names whose hashes collide only push
  /// each other out, so nobody gains by choosing such names. Names are never erased.
  static constexpr std::size_t kRecentNames = 16384;
  std::vector<Writers::value_type*> recent_ = std::vector<Writers::value_type*>(kRecentNames);
  std::vector<UpdateId> crowded_out_;  // those that wrote a name which `writer_` had no room for, ascending
  bool crowded_ = false;               // there are more
  std::unordered_map<std::uint32_t, UpdateId> latest_;  // per client
  std::uint64_t taken_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Refusal::kLast) + 1> refused_{};
};

}  // namespace seneschal::accountability
