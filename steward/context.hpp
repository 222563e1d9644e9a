// What the rooms of a Steward core share: who they are, how they are set, views, history, execution, the log.
#pragma once
#include "crypto/digest.hpp"
#include "replication/execution.hpp"
#include "steward/answer_budgets.hpp"
#include "steward/history.hpp"
#include "steward/records.hpp"
#include "steward/stable.hpp"
#include "steward/view_messages.hpp"
#include "steward/views.hpp"

namespace seneschal::steward {

struct Context {
  Context(ServerId id, const Membership& all, const Settings& chosen, std::unique_ptr<replication::Application> app)
      : self(id),
        membership(all),
        settings(chosen),
        views(all, id),
        history(chosen.window, chosen.history_span, chosen.history_kept, chosen.history_bytes),
        execution(std::move(app), all, 2 * chosen.window),
        budgets(chosen, all.site(id.site).servers) {}

  ServerId self;
  Membership membership;
  Settings settings;
  Views views;
  History history;
  replication::Execution execution;
  AnswerBudgets budgets;
  /// Proofs that more sites or servers are faulty than the model allows, or that this server's state is wrong.
  std::uint64_t alarms = 0;
  /// Highest seq that any proven message spoke of.
  Seq heard;
  /// Highest seq with a proven order certificate.
  Seq certified;
  /// The highest order certificate held, and the global view in which it was made. [Steward 6]
  Seq last_ordered;
  GlobalView ordered_in;
  /// The last record of a promise or a local view: what reveals them waits for it.
  Ticket promised;
  /// The newest record of this life.
  Ticket last_saved;
  /// Bytes in the log that are not forgotten.
  std::uint64_t logged = 0;
  /// The last record of an order certificate: an ARU is told to others only when what it counts is durable.
  Ticket order_saved;
  /// The leader site's AruMessage of the current global view: it proves that view.
  Held<AruMessage> aru_message;
  /// The newest stable Checkpoint; nothing before the first. `history.stable()` is its seq. [Steward 7]
  Stable stable;
  /// The state of that Checkpoint is being fetched, and pieces come in: no view change is begun. [Steward 7]
  bool transferring = false;

  /// Sites that answer, this one among them; see Reach.
  std::size_t reached = 0;

  const SiteInfo& own() const { return membership.site(self.site); }
  std::size_t sites() const { return membership.sites.size(); }
  /// False: nothing can be ordered from here for the time being.
  bool majority_reached() const { return reached >= membership.site_majority(); }
  ServerId local(ServerIndex index) const { return {self.site, index}; }
  bool is_local(const Principal& who) const { return who.is_server() && who.server().site == self.site; }

  /// Appends to the log; what waits for the ticket leaves when it is durable. Ticket 0, so at once, without a log.
  Ticket save(decltype(LogRecord::what) what, Effects& fx) {
    if (settings.durability == Durability::None) return {};
    Bytes record = encode(LogRecord{LogRecord::kVersion, std::move(what)});
    if (views.participating()) logged += record.size();  // otherwise the host appends nothing
    last_saved = fx.persist(std::move(record));
    return last_saved;
  }
  /// `asker` asked, with a MAC if it is a neighbour: true if its budget pays an answer of so many bytes.
  bool may_draw(Instant now, ServerId asker, std::size_t bytes) {
    return asker.site == self.site ? budgets.may_answer_neighbour(now, asker.index, bytes)
                                   : budgets.may_answer_stranger(now, asker, bytes);
  }
  /// The same for entries and states of the past: of what another site may draw at once half is left to view changes.
  bool may_draw_catching_up(Instant now, ServerId asker, std::size_t bytes) {
    return asker.site == self.site ? budgets.may_answer_neighbour(now, asker.index, bytes)
                                   : budgets.may_answer_stranger_catching_up(now, asker, bytes);
  }
  void hear(Seq seq) { heard = std::max(heard, seq); }
  /// An order certificate of `seq` was proven: being below it is outstanding work. [Steward 4]
  void certify(Seq seq) {
    hear(seq);
    certified = std::max(certified, seq);
  }
  /// This server holds the order certificate of `seq`, made in `gv`.
  void ordered(Seq seq, GlobalView gv) {
    if (seq >= last_ordered) {
      last_ordered = seq;
      ordered_in = gv;
    }
    certify(seq);
  }
  /// Everything that this server's ARU and its views rest on is on disk. [Steward 8]
  bool durable() const { return promised.value == 0 && order_saved.value == 0; }
  /// Tells checkers and logs the present views of this server.
  void tell_views(EventKind kind, Seq seq, const Principal& who, Effects& fx) const {
    fx.event({.kind = kind,
              .seq = seq,
              .view = views.global().value,
              .sub_view = views.local().value,
              .digest = {},
              .state = {},
              .who = who,
              .timestamp = {}});
  }
  /// A higher global view is preinstalled: never again below it. [Steward 5]
  void promise(GlobalView gv, Effects& fx) {
    if (views.promise(gv)) promised = save(PromiseRecord{gv}, fx);
  }
  /// The next f+1 servers of `site`, in turn. [Steward 7]
  std::vector<Destination> some_of(SiteId site, std::uint32_t round) const {
    const SiteInfo& info = membership.site(site);
    std::uint32_t first = views.representative(site).index.value + round * (info.faults + 1u);
    std::vector<Destination> to;
    for (std::uint32_t i = 0; i <= info.faults; ++i)
      to.push_back(
          Destination::to(ServerId{site, ServerIndex(static_cast<std::uint16_t>((first + i) % info.servers))}));
    return to;
  }
  /// True if a checkpoint is made after `seq`.
  bool due(Seq seq) const { return seq.value != 0 && seq.value % settings.checkpoint_interval == 0; }
  /// What `proof` proves; nothing if it does not: M distinct sites, ascending, must have signed one seq that is due
  /// and one digest. Their signatures are the gate's business.
  std::optional<Stable> stable_of(const StableProof& proof) const {
    const auto& items = proof.checkpoints.items;
    if (items.size() != membership.site_majority() || !due(items.front().body.seq)) return std::nullopt;
    for (std::size_t i = 0; i < items.size(); ++i)
      if (items[i].body != items.front().body || (i > 0 && items[i].signer() <= items[i - 1].signer()))
        return std::nullopt;
    return Stable{items.front().body.seq, items.front().body.digest, std::make_shared<const StableProof>(proof)};
  }
  /// The Checkpoint of `next` is stable: from now on its state stands for all at and below it. False if that is no
  /// news. What tells our base in an exchange waits for the record, as for a promise: a restart must know it.
  bool stabilize(const Stable& next, Effects& fx) {
    if (!history.stabilize(next.seq)) return false;
    stable = next;
    certify(next.seq);  // being below it is outstanding work [Steward 4]
    promised = save(StableRecord{*next.proof}, fx);
    fx.event({.kind = EventKind::Checkpointed,  // without a state: it tells of what others signed
              .seq = next.seq,
              .digest = next.digest,
              .state = {},
              .who = Principal::of(self),
              .timestamp = {}});
    return true;
  }
  /// The newest stable Checkpoint, for a message about what lies above `base`: nothing if it is not above that.
  std::optional<StableProof> stable_above(Seq base) const {
    return stable && stable.seq > base ? std::optional(*stable.proof) : std::nullopt;
  }
  /// `asker` is still at what the newest stable Checkpoint covers: sends that Checkpoint `to` its servers. Rarely for
  /// each asker, and within its budget, since anybody may repeat old messages.
  void show_stable(Instant now, const std::vector<Destination>& to, const Principal& asker, Effects& fx) {
    auto [last, first] = shown_.try_emplace(asker, now);
    if (!stable || (!first && now - last->second < settings.retransmit_local)) return;
    const std::size_t bytes = stable.proof->checkpoints.size() * Checkpoint::kMaxSize * to.size();
    if (asker.is_server() ? !may_draw(now, asker.server(), bytes)
                          : !budgets.may_answer_site(now, asker.site(), bytes))
      return;
    last->second = now;
    const bool far = std::ranges::any_of(to, [&](const Destination& d) { return d.server.site != self.site; });
    fx.send(to, StableCheckpoint{far, *stable.proof}, {.auth = AuthKind::Bare});
  }

 private:
  std::map<Principal, Instant> shown_;  // bounded by the membership
};

/// The bytes a site signs: `body` under the header of its site. [Steward 1]
template <Message M>
Bytes site_message(const Membership& membership, SiteId site, const M& body) {
  Header header;
  header.protocol = M::kProtocol;
  header.type = M::kType;
  header.auth = AuthKind::Signature;
  header.deployment = membership.deployment;
  header.sender = Principal::of(site);
  return unsealed(header, encode(body));
}

/// What names a site message while it is being signed: the hash of its unsigned bytes.
inline Digest content_of(Span unsigned_bytes) {
  return crypto::sha256(unsigned_bytes);
}
inline Digest content_of_sealed(const Bytes& sealed) {
  return content_of(parse_sealed(sealed)->signed_bytes);
}

}  // namespace seneschal::steward
