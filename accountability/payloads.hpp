// What clients signed and what was executed of it: the frames of payloads-FIRST.seg. [Graph 4]
//
//   32 bytes   the digest of the frame before
//   entries    one per update
//   offsets    4 bytes per update: where its entry begins in the frame's content
//
// Full of other people's bytes, and the largest part of a graph: nothing is copied when it is read, and a frame is
// hashed once as a whole, for its chain. The digest of an update is made when somebody asks for it.
#pragma once
#include "accountability/formula.hpp"
#include "accountability/frames.hpp"
#include "base/ids.hpp"

namespace seneschal::accountability {

/// In front of a frame that is chained: the digest of the one before.
inline constexpr std::size_t kChainedBytes = 32;

/// Digest of an update as the graph knows it: of the sealed update, its client's signature included, so that it says
/// of whoever shows that update whether it is the one that was executed.
Digest update_digest(Span sealed);
/// Of an update that came without what was signed.
Digest update_digest(ClientId client, Span operation);

/// So many bytes of what was signed are hashed for the digests that one update names: otherwise a client that names
/// its largest updates again and again would keep the graph from keeping up.
inline constexpr std::size_t kMostCompared = 256 * 1024;

/// An update as the application executed it.
struct NewUpdate {
  ClientId client;
  Seq seq;
  Formula formula;
  std::size_t declared = 0;       // how many of the formula's first leaves the client named
  std::vector<Digest> named;      // their digests, in order; empty: not given
  Span evidence;                  // the sealed update; empty: it was not told
  Span operation;                 // kept once if it lies in the evidence
  std::span<const Bytes> writes;  // names that it wrote

  Digest digest() const { return evidence.empty() ? update_digest(client, operation) : update_digest(evidence); }
};

/// What happened to an update: for regeneration, and for whoever wants to see what its client signed.
struct Payload {
  UpdateId id;
  ClientId client;
  Span evidence;  // as in `NewUpdate`
  Span operation;
  std::vector<Span> writes;

  std::size_t signed_bytes() const { return evidence.empty() ? operation.size() : evidence.size(); }
  Digest digest() const { return evidence.empty() ? update_digest(client, operation) : update_digest(evidence); }
};

/// A view of a frame of kind Payloads. Any bytes are safe.
class PayloadFrame {
 public:
  /// Nothing if it is none.
  static std::optional<PayloadFrame> of(const Frame& frame);
  UpdateId first() const { return first_; }
  UpdateId end() const { return first_ + count_; }
  /// Nothing if it is not here, or makes no sense.
  std::optional<Payload> at(UpdateId id) const;

 private:
  UpdateId first_;
  std::uint32_t count_ = 0;
  Span content_, offsets_;
};

/// Collects the updates of a frame.
class PayloadBuilder {
 public:
  void add(const NewUpdate& update);
  std::uint32_t count() const { return static_cast<std::uint32_t>(offsets_.size()); }
  /// The frame's content, until the next call. May be asked for again, also after more was added.
  Span finish(const Digest& before);
  void clear();
  /// The `index`-th one, until the next call that changes something.
  Payload at(std::uint32_t index, UpdateId id) const;

 private:
  Bytes content_ = Bytes(kChainedBytes);
  std::size_t entries_end_ = kChainedBytes;
  std::vector<std::uint32_t> offsets_;
};

}  // namespace seneschal::accountability
