// The gate: everything from outside is checked here before a core sees it.
//
// Order: size, envelope, membership, admission, bounded decode, signatures (outer first, then nested; all or
// nothing), and only then the handler. Replays of another deployment fall at the envelope; replays within this one
// cost a look-up (their signatures are remembered) and cores treat them as retransmissions.
#pragma once
#include "base/check.hpp"
#include "runtime/job.hpp"
#include "runtime/membership.hpp"
#include "runtime/message.hpp"
#include "runtime/proof_memory.hpp"

#include <deque>
#include <unordered_map>

namespace seneschal {

/// What a core can still use, published after each transition, so that hopeless messages cost no signature check.
/// Bounds are inclusive. `view` is the first number of a prefix, `sub_view` the second of three, `seq` the last.
struct Admission {
  std::uint64_t min_view = 0;
  std::uint64_t max_view = ~std::uint64_t{0};
  std::uint64_t min_sub_view = 0;
  std::uint64_t max_sub_view = ~std::uint64_t{0};
  std::uint64_t min_seq = 0;
  std::uint64_t max_seq = ~std::uint64_t{0};
  auto operator<=>(const Admission&) const = default;
};

/// One message type, as the gate sees it.
struct MessageType {
  ProtocolId protocol;
  std::uint8_t type;
  const char* name;
  std::size_t max_size;
  Prefix prefix;
  bool (*fits)(const Header&, std::size_t);
  std::expected<std::shared_ptr<const void>, Reject> (*decode)(Span body, std::vector<Span>* nested);
  std::string (*print)(const void* body);
  bool may_be_unproven;  // nested MACs that fail are for the core to weigh
};

/// A message type says so with a member `kMayBeUnproven`. Outside the class: clang-format cannot read a
/// requires-expression in a list of initialisers.
template <class M>
inline constexpr bool kMayBeUnproven = requires { M::kMayBeUnproven; };

/// The message types a core understands.
class MessageTable {
 public:
  template <Message... Ms>
  static MessageTable of() {
    MessageTable table;
    (table.add(entry<Ms>()), ...);
    return table;
  }
  const MessageType* find(ProtocolId protocol, std::uint8_t type) const {
    for (const auto& t : types_)
      if (t.type == type && t.protocol == protocol) return &t;
    return nullptr;
  }
  const std::vector<MessageType>& types() const { return types_; }

 private:
  template <Message M>
  static MessageType entry() {
    return MessageType{.protocol = M::kProtocol,
                       .type = M::kType,
                       .name = M::kName,
                       .max_size = M::kMaxSize,
                       .prefix = M::kPrefix,
                       .fits = &header_fits<M>,
                       .decode = &decode_shared<M>,
                       .print = &print_shared<M>,
                       .may_be_unproven = kMayBeUnproven<M>};
  }
  template <Message M>
  static std::expected<std::shared_ptr<const void>, Reject> decode_shared(Span body, std::vector<Span>* nested) {
    auto message = seneschal::decode<M>(body, nested);
    if (!message) return std::unexpected(message.error());
    return std::make_shared<const M>(std::move(*message));
  }
  template <Message M>
  static std::string print_shared(const void* body) {
    return seneschal::print(*static_cast<const M*>(body));
  }
  void add(const MessageType& t) {
    CHECK(find(t.protocol, t.type) == nullptr);
    types_.push_back(t);
  }

  std::vector<MessageType> types_;
};

/// A message that was decoded but not proven. `proofs[0]` is the envelope; the others belong to nested messages. All
/// spans point into `bytes`.
struct Opened {
  SharedBytes bytes;
  SealedParts parts;
  const MessageType* type = nullptr;
  std::shared_ptr<const void> body;
  std::vector<Proof> proofs;
};

template <class M>
class Verified;

/// Positions of nested messages, in decoding order from 0, whose MAC for this receiver does not hold. Only in types
/// that say `kMayBeUnproven`; any other message with one never passes.
using Unproven = std::vector<std::uint16_t>;

/// A proven message of any type. Only `Gate` makes one.
class Inbound {
 public:
  const Header& header() const { return opened_->parts.header; }
  const Principal& sender() const { return header().sender; }
  ProtocolId protocol() const { return header().protocol; }
  std::uint8_t type() const { return header().type; }
  const char* name() const { return opened_->type->name; }
  std::string print() const { return opened_->type->print(opened_->body.get()); }
  /// The sealed bytes as they were received.
  const SharedBytes& bytes() const { return opened_->bytes; }

  /// The message as an M, or nothing if it is of another type.
  template <Message M>
  std::optional<Verified<M>> as() const;

 private:
  friend class Gate;
  Inbound(std::shared_ptr<const Opened> opened, std::shared_ptr<const Unproven> unproven)
      : opened_(std::move(opened)), unproven_(std::move(unproven)) {}
  std::shared_ptr<const Opened> opened_;
  std::shared_ptr<const Unproven> unproven_;  // null: nothing
};

/// A message whose envelope and nested signatures are all proven, but for what `unproven` names. Cores take nothing
/// else.
template <class M>
class Verified {
 public:
  const M& body() const { return *static_cast<const M*>(opened_->body.get()); }
  const Principal& signer() const { return opened_->parts.header.sender; }
  const SharedBytes& bytes() const { return opened_->bytes; }
  const Header& header() const { return opened_->parts.header; }
  /// The message as a field of another (copies the bytes).
  Signed<M> embed() const { return {*opened_->bytes, opened_->parts.header, body()}; }
  std::span<const std::uint16_t> unproven() const
    requires requires { M::kMayBeUnproven; }
  {
    return unproven_ == nullptr ? std::span<const std::uint16_t>() : *unproven_;
  }

 private:
  friend class Inbound;
  Verified(std::shared_ptr<const Opened> opened, std::shared_ptr<const Unproven> unproven)
      : opened_(std::move(opened)), unproven_(std::move(unproven)) {}
  std::shared_ptr<const Opened> opened_;
  std::shared_ptr<const Unproven> unproven_;
};

template <Message M>
std::optional<Verified<M>> Inbound::as() const {
  if (opened_->type->protocol != M::kProtocol || opened_->type->type != M::kType) return std::nullopt;
  return Verified<M>(opened_, unproven_);
}

/// Shares decoding between receivers of one multicast in a simulated world: what a byte string decodes to depends on
/// nothing else, so results are the same with and without it. Bounded, oldest out first.
class OpenCache {
 public:
  explicit OpenCache(std::size_t capacity = 4096) : capacity_(capacity) {}
  std::shared_ptr<const Opened> find(const Bytes* bytes) const;
  void put(std::shared_ptr<const Opened> opened);

 private:
  std::size_t capacity_;
  std::unordered_map<const Bytes*, std::shared_ptr<const Opened>> entries_;
  std::deque<const Bytes*> order_;
};

class Gate {
 public:
  /// `cache` may be null; it may be shared by all gates of one simulated world.
  Gate(MessageTable table, const Membership& membership, OpenCache* cache = nullptr, std::size_t remembered = 16384);

  /// Everything that needs no key. Refusals are values.
  std::expected<std::shared_ptr<const Opened>, Reject> open(const SharedBytes& bytes,
                                                            const Admission& admission) const;
  /// The proofs that still have to be checked, in order.
  std::vector<Proof> owed(const Opened& opened) const;
  /// Call when all that `owed` named has passed, but for the nested MACs in `unproven`, which the type must allow
  /// (CHECKed); remembers the signatures.
  Inbound admit(std::shared_ptr<const Opened> opened, Unproven unproven = {});

  const MessageTable& table() const { return table_; }
  const Membership& membership() const { return membership_; }
  /// A client joins, or leaves: from now on what it signed passes, or does not, also inside others' messages.
  void enroll(const ClientInfo& client) { membership_.add(client); }
  void dismiss(ClientId client) { membership_.remove(client); }

 private:
  std::expected<Proof, Reject> proof_of(const SealedParts& parts) const;
  bool knows_all(const Opened& opened) const;

  MessageTable table_;
  Membership membership_;
  OpenCache* cache_;
  ProofMemory memory_;
};

/// True if the numbers at the start of `body` lie inside `admission`.
bool admits(const Admission& admission, Prefix prefix, Span body);

}  // namespace seneschal
