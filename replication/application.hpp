// The replicated state machine. Deterministic: the same operations in the same order give the same results and the
// same digest everywhere.
#pragma once
#include "base/bytes.hpp"
#include "base/principal.hpp"
#include "base/result.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace seneschal::replication {

/// An application's state at one moment, in chunks of at most `kMaxChunk` bytes. Equal states of equal histories have
/// equal chunks. Immutable; it outlives what the application does next.
class Frozen {
 public:
  static constexpr std::size_t kMaxChunk = 96 * 1024;
  virtual ~Frozen() = default;
  virtual std::size_t chunks() const = 0;
  /// The bytes of one chunk, encoded when asked for.
  virtual SharedBytes chunk(std::size_t index) const = 0;
  /// `crypto::merkle_leaf` of the chunk. Remembered where that saves hashing what did not change.
  virtual Digest leaf(std::size_t index) const = 0;
  /// What asking for that leaf will hash: 0 if it is remembered.
  virtual std::size_t cost(std::size_t index) const = 0;
};

/// What an operation read and wrote, by names that mean the same at every server: keys, or tables. Who reads a name
/// depends on whoever wrote it last. For the Accountability Graph. Naming too much is safe, naming too little is not.
struct Footprint {
  /// All names from `first` on, below `last` if there is one, also those that are not there any more.
  struct Range {
    Bytes first;
    std::optional<Bytes> last;
  };
  std::vector<Bytes> reads;
  std::vector<Range> ranges;
  std::vector<Bytes> writes;
};

class Application {
 public:
  virtual ~Application() = default;
  /// What the client signed, sealed as it came, for the operation that the next `apply` executes: evidence. An
  /// application as such has no use for it.
  virtual void on_evidence(Span /*sealed*/) {}
  /// Of `operation`, which the latest `apply` executed. By default nothing is known.
  virtual Footprint footprint(Span /*operation*/) const { return {}; }
  /// Executes one operation. A malformed operation gives an error result, the same everywhere; it never fails.
  virtual Bytes apply(ClientId client, Span operation) = 0;
  /// Takes back the latest `apply` that was not taken back yet. Only as far as the last `settle`.
  virtual void undo() = 0;
  /// What was applied so far will not be undone: undo information may be dropped.
  virtual void settle() = 0;
  /// Answers a read-only operation; refuses (with an error result) one that would write.
  virtual Bytes query(Span operation) const = 0;
  /// Digest of the whole state; cheap (kept incrementally).
  virtual Digest digest() const = 0;
  virtual Bytes snapshot() const = 0;
  /// Replaces the state. On failure the state is unchanged.
  virtual Status restore(Span snapshot) = 0;
  /// The state as it is now, settled. Must not take long, however large the state is: copy on write. By default it
  /// copies, which suits small states only.
  virtual std::shared_ptr<const Frozen> freeze() const;
  /// Replaces the state by one that was frozen. On failure the state is unchanged.
  virtual Status thaw(std::span<const SharedBytes> chunks);

  /// What a state consists of, for people who compare two of them: a key of `kv`, a row or a table of `sql`.
  struct Part {
    Bytes key, value;
    std::string name, text;  // the same to read
  };
  /// Calls `visit` for the parts from `from` on, ascending by key, until it returns false. By default there are none.
  virtual void each_part(const Bytes& /*from*/, const std::function<bool(const Part&)>& /*visit*/) const {}
};

/// A byte string cut into chunks.
std::shared_ptr<const Frozen> freeze_bytes(Bytes state);

}  // namespace seneschal::replication
