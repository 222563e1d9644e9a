// The doubtful side of a slot: a client's authenticator may be good at some servers only. [BFT 9]
//
// A backup that cannot check an update does not vote, but says so (`Doubt`). It votes as soon as f+1 servers, the
// primary among them, stand for the digest: the earliest correct one of those has checked every update itself. If
// instead 2f+1 backups doubt, it gives the proposal up (a final Doubt: a promise never to prepare it in this view).
// 2f+1 such promises mean that the digest can never be prepared: f+1 of those who promised are correct, and any 2f of
// the 3f backups contain one of them. The seq is free again, and the primary proposes what nobody doubted.
#pragma once
#include "bft/context.hpp"
#include "runtime/gate.hpp"

#include <map>
#include <set>

namespace seneschal::bft {

struct Doubtful {
  /// A seq is given up at most so often in a view; then only another view helps.
  static constexpr std::size_t kAttempts = 8;

  std::shared_ptr<const Verified<PrePrepare>> proposal;  // the primary's, which we cannot check
  Digest digest;                                         // of `proposal`
  /// Another proposal of the primary's, come before we knew that the first one is given up.
  std::shared_ptr<const Verified<PrePrepare>> next;
  std::map<ServerIndex, Doubt> doubts;  // the newest of each backup
  std::optional<Doubt> own;             // our newest, to be sent again
  std::vector<Digest> promised;         // what we said in final Doubts, in earlier lives too [BFT 10]
  Ticket promised_at;                   // the record that `own` waits for if it is final
  std::vector<Digest> given_up;

  std::size_t doubters(const Digest& of, bool final) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        doubts, [&](const auto& d) { return d.second.digest == of && (d.second.final || !final); }));
  }
  bool is_given_up(const Digest& of) const { return std::ranges::find(given_up, of) != given_up.end(); }
  /// We must not prepare it any more.
  bool barred(const Digest& of) const { return is_given_up(of) || std::ranges::find(promised, of) != promised.end(); }
  /// Positions in the batch that at least `count` backups doubt.
  std::set<std::uint16_t> doubted_by(const Digest& of, std::size_t count) const;
};

}  // namespace seneschal::bft
