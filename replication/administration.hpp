// What the administrator orders, and what comes of it: clients join and leave, and are listed. [Membership 2]
//
// Every ordered update of the administrator is one of these and goes to no application; nobody else's ever is.
#pragma once
#include "base/codec.hpp"
#include "crypto/keys.hpp"

namespace seneschal::replication {

/// A client joins.
struct Enroll {
  ClientId id;
  SiteId home;  // whose servers answer it
  NodeId node;  // of the overlay, where it is attached
  crypto::ClientKeys keys;
  auto fields() { return std::tie(id, home, node, keys); }
  bool operator==(const Enroll&) const = default;
};

/// A client leaves, for ever.
struct Revoke {
  ClientId id;
  auto fields() { return std::tie(id); }
  bool operator==(const Revoke&) const = default;
};

/// Who belongs here, as of this order's place: nothing changes.
struct ListMembers {
  ClientId from;  // those of lower ids are left out
  auto fields() { return std::tie(from); }
  bool operator==(const ListMembers&) const = default;
};

struct Administration {
  std::variant<Enroll, Revoke, ListMembers> what;
  auto fields() { return std::tie(what); }
  bool operator==(const Administration&) const = default;
};

enum class Verdict : std::uint8_t {
  Done,
  Malformed,        // not an Administration
  IdUsed,           // below the next id: it is, or was, or may have been somebody's
  IdTooFar,         // one slip must not use up all numbers
  UnknownSite,      // no such home
  BadKeys,          // of low order
  Full,             // as many members as there may be, those counted that left only just now
  UnknownClient,    // nobody to revoke
  IsAdministrator,  // cannot be revoked: nobody could ever be enrolled again
  kLast = IsAdministrator,
};
/// For people.
std::string_view to_string(Verdict verdict);

/// The result of an administrator's update, but for ListMembers.
struct Administered {
  Verdict verdict = Verdict::Done;
  ClientId next;  // the lowest id that may be enrolled now
  auto fields() { return std::tie(verdict, next); }
  bool operator==(const Administered&) const = default;
};

/// One client of `Listed`.
struct Member {
  ClientId id;
  SiteId home;
  bool joined = false;  // at run time; otherwise one of the deployment's first clients
  auto fields() { return std::tie(id, home, joined); }
  auto operator<=>(const Member& other) const { return id <=> other.id; }
  bool operator==(const Member&) const = default;
};
/// One ListMembers brings at most so many: results are kept in replicated tables.
inline constexpr std::size_t kMaxListed = 512;

/// The result of a ListMembers.
struct Listed {
  SortedList<Member, kMaxListed> members;  // as many as kMaxListed: there may be more
  auto fields() { return std::tie(members); }
  bool operator==(const Listed&) const = default;
};

}  // namespace seneschal::replication
