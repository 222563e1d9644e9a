// Who may have updates executed: the clients of the deployment, as ordered operations of its administrator leave
// them. Replicated state: it follows from the order alone, so all servers decide the same. [Membership 3]
#pragma once
#include "base/result.hpp"
#include "replication/administration.hpp"
#include "runtime/effects.hpp"

#include <map>
#include <set>

namespace seneschal::replication {

/// Members, and those whose key is still kept, are never more than this.
inline constexpr std::size_t kMaxMembers = 4096;
/// Whoever waits in a table with one place per client finds one.
inline std::size_t most_members(const Membership& membership) {
  return membership.administrator ? kMaxMembers : std::max<std::size_t>(membership.clients.size(), 1);
}
/// How far above the next id an enrolled one may be.
inline constexpr std::uint32_t kMaxIdStep = 1024;

/// One client in a snapshot: of the first ones only those that left, of the others all.
struct RosterEntry {
  ClientId id;
  std::optional<Enroll> enrolled;  // nothing: one of the deployment's first clients
  std::optional<Seq> revoked;      // by the entry of this seq; the key is still kept
  auto fields() { return std::tie(id, enrolled, revoked); }
  auto operator<=>(const RosterEntry& other) const { return id <=> other.id; }
  bool operator==(const RosterEntry&) const = default;
};
/// The first chunk of a roster.
struct RosterHead {
  ClientId next;
  std::uint32_t chunks = 0;                     // that follow
  SortedList<ClientId, kMaxMembers> forgotten;  // of the first clients: left, and the key is kept no longer
  auto fields() { return std::tie(next, chunks, forgotten); }
  bool operator==(const RosterHead&) const = default;
};
struct RosterChunk {
  SortedList<RosterEntry, 512> entries;
  auto fields() { return std::tie(entries); }
  bool operator==(const RosterChunk&) const = default;
};

class ClientRoster {
 public:
  /// `reach`: no correct server takes part in ordering an entry more than this far above what it has executed. The
  /// same at all servers of a deployment.
  ClientRoster(const Membership& membership, std::uint64_t reach);

  /// False: nobody joins or leaves, and the roster is no part of the state.
  bool changes() const { return administrator_.has_value(); }
  bool is_administrator(ClientId id) const { return administrator_ == id; }
  /// Its home, or null: a stranger, or one that left.
  const ClientInfo* member(ClientId id) const;
  /// True if a correct server may take part in ordering an update of this client at `seq`. Only for clients that the
  /// gate knows. [Membership 4]
  bool may_order(ClientId id, Seq seq) const;
  std::size_t members() const { return members_.size() - leaving_.size(); }
  ClientId next() const { return next_; }

  struct Outcome {
    Bytes result;  // an encoded Administered or Listed
    std::optional<ClientId> left;
  };
  /// An update of the administrator, in the entry of `seq`.
  Outcome administer(Seq seq, Span operation, Effects& fx);
  /// The entry of `seq` is executed: the keys of clients that left `reach` entries ago are of no use any more.
  void executed(Seq seq, Effects& fx);

  std::vector<SharedBytes> pack() const;
  /// How many chunks `pack` made of which this is the first; nothing if it is none.
  static std::optional<std::size_t> chunks(Span first);
  /// Another server's roster, of the same deployment; errors if it is none.
  Result<ClientRoster> unpack(std::span<const SharedBytes> chunks) const;
  /// `other` takes the place of this one.
  void become(ClientRoster other, Effects& fx);
  const Digest& digest() const;

 private:
  struct Known {
    ClientInfo info;
    std::optional<Enroll> enrolled;  // nothing: one of the deployment's first clients
    std::optional<Seq> revoked;
  };
  Verdict enroll(const Enroll& order, Effects& fx);
  Verdict revoke(Seq seq, ClientId id);
  Listed list(ClientId from) const;
  void forget_digest() { digest_.reset(); }

  std::optional<ClientId> administrator_;
  std::uint64_t reach_;
  std::size_t sites_;
  ClientId next_;  // above every id that was ever somebody's
  std::map<ClientId, ClientInfo> first_;
  std::map<ClientId, Known> members_;  // whose keys are known: with those in `leaving_`
  std::set<std::pair<Seq, ClientId>> leaving_;
  mutable std::optional<Digest> digest_;  // until something changes
};

}  // namespace seneschal::replication
