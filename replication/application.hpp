// The replicated state machine. Deterministic: the same operations in the same order give the same results and the
// same digest everywhere.
#pragma once
#include "base/bytes.hpp"
#include "base/principal.hpp"
#include "base/result.hpp"

#include <memory>

namespace seneschal::replication {

class Application {
 public:
  virtual ~Application() = default;
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
};

}  // namespace seneschal::replication
