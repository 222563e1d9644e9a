// Budgets for what this server sends because somebody asked, or repeated a message: a small message must not draw
// batches again and again, nor pieces of a state. [Steward 7.10]
#pragma once
#include "base/principal.hpp"
#include "steward/config.hpp"

namespace seneschal::steward {

/// Each call debits an account with `bytes`; false: over budget, so nothing is sent. There is an account for each
/// asking server, site and client; the membership bounds them. Different kinds of askers have different accounts. So
/// a server that repeats messages of others does not use up what a neighbour with a key may ask for, and a server
/// that claims to be of one site does not use up another site's budget.
class AnswerBudgets {
 public:
  AnswerBudgets(const Settings& settings, std::uint16_t servers)
      : stranger_(share(settings.draw_stranger, servers)),
        site_(share(settings.draw_site, servers)),
        neighbours_(settings.draw_neighbour),
        repeated_(settings.draw_neighbour),
        strangers_(stranger_),
        sites_(site_),
        relays_(settings.draw_neighbour),
        contacts_(settings.draw_client) {}

  /// A server of our site asked, with its MAC.
  bool may_answer_neighbour(Instant now, ServerIndex asker, std::size_t bytes) {
    return neighbours_.draw(now, asker, bytes);
  }
  /// A signed message of a server of our site came again; anybody may have sent it.
  bool may_answer_repeated(Instant now, ServerIndex signer, std::size_t bytes) {
    return repeated_.draw(now, signer, bytes);
  }
  /// A server that claims to be `claimed`, of another site, asked.
  bool may_answer_stranger(Instant now, ServerId claimed, std::size_t bytes) {
    return may_answer_stranger(now, claimed, bytes, 0, 0);
  }
  /// The same of a server that is behind: half of the burst is left to view changes.
  bool may_answer_stranger_catching_up(Instant now, ServerId claimed, std::size_t bytes) {
    return may_answer_stranger(now, claimed, bytes, stranger_.burst / 2, site_.burst / 2);
  }
  /// A message signed by another site came again; anybody may have sent it.
  bool may_answer_site(Instant now, SiteId signer, std::size_t bytes) { return sites_.draw(now, signer, bytes); }
  /// Something of another site, passed on already, is to be passed on inside our site again.
  bool may_relay_again(Instant now, SiteId signer, std::size_t bytes) { return relays_.draw(now, signer, bytes); }
  /// A client's update is sent to the leader site past the representative. If the client gave it to all servers, or
  /// somebody replays what it signed, each of them does so.
  bool may_pass_representative(Instant now, ClientId client, std::size_t bytes) {
    return contacts_.draw(now, client, bytes);
  }
  /// Clients that left.
  template <class Gone>
  void forget_clients_if(const Gone& gone) {
    contacts_.forget_if(gone);
  }

 private:
  static Allowance share(Allowance whole, std::uint16_t servers) {
    return {std::max<std::uint64_t>(whole.per_second / servers, 1), whole.burst};
  }
  bool may_answer_stranger(Instant now, ServerId claimed, std::size_t bytes, std::uint64_t reserve,
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
