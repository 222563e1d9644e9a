// What others may draw from this server by asking, or by repeating what was said: a small message must not buy
// batches again and again, nor pieces of a state. [Steward 7]
#pragma once
#include "base/principal.hpp"
#include "steward/config.hpp"

namespace seneschal::steward {

/// Bytes by time, an account per asking server and per site; bounded by the membership, which the gate has checked.
/// Accounts of different standing are apart: whoever repeats other people's words cannot use up what a neighbour with
/// a key may ask for, and whoever claims to be a server of one site cannot use up what is due to another.
class Answers {
 public:
  Answers(const Settings& settings, std::uint16_t servers)
      : stranger_(share(settings.draw_stranger, servers)),
        site_(share(settings.draw_site, servers)),
        neighbours_(settings.draw_neighbour),
        repeated_(settings.draw_neighbour),
        strangers_(stranger_),
        sites_(site_),
        relays_(settings.draw_neighbour),
        contacts_(settings.draw_client) {}

  /// A server of our site asked, with its MAC.
  bool to_neighbour(Instant now, ServerIndex asker, std::size_t bytes) { return neighbours_.draw(now, asker, bytes); }
  /// A signed message of a server of our site came again; anybody may have sent it.
  bool to_repeater(Instant now, ServerIndex signer, std::size_t bytes) { return repeated_.draw(now, signer, bytes); }
  /// Somebody who says he is a server of another site asked.
  bool to_stranger(Instant now, ServerId claimed, std::size_t bytes) {
    return to_stranger(now, claimed, bytes, 0, 0);
  }
  /// He is behind: half of what may be drawn at once is left to view changes.
  bool to_stranger_catching_up(Instant now, ServerId claimed, std::size_t bytes) {
    return to_stranger(now, claimed, bytes, stranger_.burst / 2, site_.burst / 2);
  }
  /// A message signed by another site came again; anybody may have sent it.
  bool to_site(Instant now, SiteId signer, std::size_t bytes) { return sites_.draw(now, signer, bytes); }
  /// Something of another site, passed on already, is to be passed on inside our site again.
  bool relay_again(Instant now, SiteId signer, std::size_t bytes) { return relays_.draw(now, signer, bytes); }
  /// A client's update is sent to the leader site past the representative. If the client gave it to all servers, or
  /// somebody replays what it signed, each of them does so.
  bool for_contact(Instant now, ClientId client, std::size_t bytes) { return contacts_.draw(now, client, bytes); }
  /// Clients that left.
  template <class Gone>
  void forget_clients_if(const Gone& gone) {
    contacts_.forget_if(gone);
  }

 private:
  static Allowance share(Allowance whole, std::uint16_t servers) {
    return {std::max<std::uint64_t>(whole.per_second / servers, 1), whole.burst};
  }
  bool to_stranger(Instant now, ServerId claimed, std::size_t bytes, std::uint64_t reserve,
                   std::uint64_t reserve_of_site) {
    if (!strangers_.solvent(now, claimed, reserve) || !sites_.solvent(now, claimed.site, reserve_of_site))
      return false;
    strangers_.charge(now, claimed, bytes);
    sites_.charge(now, claimed.site, bytes);
    return true;
  }

  Allowance stranger_;
  Allowance site_;
  Accounts<ServerIndex> neighbours_;
  Accounts<ServerIndex> repeated_;
  Accounts<ServerId> strangers_;
  Accounts<SiteId> sites_;
  Accounts<SiteId> relays_;
  Accounts<ClientId> contacts_;
};

}  // namespace seneschal::steward
