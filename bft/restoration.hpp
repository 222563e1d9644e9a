// Reading the log of an earlier life. [BFT 10]
#pragma once
#include "bft/checkpoints.hpp"
#include "bft/ordering.hpp"
#include "bft/records.hpp"
#include "runtime/core.hpp"

#include <functional>

namespace seneschal::bft {

/// The state that a log holds, from which it is executed on.
struct KeptState {
  Seq seq;
  std::vector<SharedBytes> chunks;
};
/// The newest one of which all chunks are there.
std::optional<KeptState> newest_state(std::span<const Record> log);

/// Takes records in order; afterwards what was neither executed nor forgotten is put back into the message log.
class Restoration {
 public:
  using Execute = std::function<void(Seq, std::shared_ptr<const Batch>, const Digest&)>;

  /// Entries up to `installed` are in the state already; the others go to `execute`.
  Restoration(const Context& context, Ordering& ordering, Checkpoints& checkpoints, Seq installed, Execute execute)
      : context_(context),
        ordering_(ordering),
        checkpoints_(checkpoints),
        installed_(installed),
        execute_(std::move(execute)) {}

  /// False if the record cannot be read or does not follow from those before it.
  bool take(Span bytes, Seq executed);
  /// All records were read: slots that are still open come back as they were.
  void finish(Instant now, Seq executed);

 private:
  struct Open {
    View view;
    std::shared_ptr<const Batch> batch;
    Digest digest;
    std::optional<View> prepared;  // the view of the newest prepared certificate for `digest`
  };
  bool executed(const ExecutedRecord& record, Seq executed);

  const Context& context_;
  Ordering& ordering_;
  Checkpoints& checkpoints_;
  const Seq installed_;
  Execute execute_;
  std::map<Seq, std::vector<Digest>> promises_;  // of this view
  std::map<Seq, Open> open_;                     // bounded by the span of the log that was written
};

}  // namespace seneschal::bft
