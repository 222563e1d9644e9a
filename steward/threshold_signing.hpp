// THRESHOLD-SIGN: q shares become one site signature. [Steward 3.6] [TR Fig. 5]
#pragma once
#include "steward/context.hpp"
#include "steward/share_trust.hpp"
#include "steward/signer_choice.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::steward {

/// What is being signed: for events, order of precedence and forgetting.
struct Purpose {
  std::uint8_t type = 0;  // message type
  GlobalView gv;
  LocalView lv;
  Seq seq;  // 0: about a view, not an entry; such shares always go to all
  auto operator<=>(const Purpose&) const = default;
};

/// One instance per site message, named by the hash of its unsigned bytes and its seq. A server shares only what it
/// has agreed to (`agree`), whatever others ask. Bounded: agreed instances by the window, early shares and requests
/// by a quota per sender.
class ThresholdSigning {
 public:
  explicit ThresholdSigning(Context& context);

  /// This server stands for `message` (unsigned bytes of its site): it shares once `after` is durable, and when the
  /// fan-out says so. Idempotent.
  void agree(Instant now, const Purpose& what, SharedBytes message, Ticket after, Effects& fx);

  std::optional<Reject> on_share(Instant now, const Verified<SigShare>& message, Effects& fx);
  std::optional<Reject> on_request(Instant now, const Verified<ShareRequest>& message, Effects& fx);
  std::optional<Reject> on_signer_set(Instant now, const Verified<SignerSet>& message, Effects& fx);
  std::optional<Reject> on_corrupted(const Verified<CorruptedServer>& message, Effects& fx);
  /// True if the ticket was one of this room's.
  bool on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx);

  /// The combined message is here: nobody needs shares any more. It is sent to whoever goes on sending shares for it.
  void combined(Instant now, const Digest& content, const SharedBytes& sealed);
  /// Everything about entries at or below `aru` is over.
  void forget(Seq aru);
  /// What belongs to views that were left is over; a new representative collects afresh. [Steward 7]
  void view_changed(Instant now, Effects& fx);

  /// From the log: the local view entered, and the set announced in it. [Steward 8]
  void restore_view();
  void restore(const SignerSetRecord& record);
  /// What a restart must know of it.
  std::optional<SignerSetRecord> announcement() const;

  /// A server that the collector misses a share from: it may lack the message that its share would be about.
  struct Missing {
    Purpose what;
    std::vector<ServerIndex> servers;
  };
  std::vector<Missing> on_tick(Instant now, Effects& fx);

  /// How long shares of our own take of late, from asking to having: the longest, fading by an eighth with each.
  Duration share_time() const { return share_time_; }
  /// What this server agreed to of this type and what has no signature yet is of no use any more: a newer one takes
  /// its place.
  void withdraw(std::uint8_t type);
  /// True while any instance has no combined signature.
  bool busy() const;
  bool blamed(ServerIndex server) const { return blamed_.contains(server); }
  bool trusts(ServerIndex server) const { return trust_.trusts(server); }
  const std::set<ServerIndex>& signers() const { return announced_; }
  std::uint64_t epoch() const { return announced_epoch_; }
  std::size_t size() const { return instances_.size(); }
  /// Instances this server has agreed to; the others only hold early shares.
  std::size_t agreed() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(instances_, [](const auto& i) { return i.second.message != nullptr; }));
  }

 private:
  enum class Standing : std::uint8_t { Unproven, Checking, Proven, SetAside };
  struct HeldShare {
    Bytes share;
    std::optional<Verified<SigShare>> message;  // nothing for our own
    Standing standing = Standing::Unproven;
    Instant at;
  };
  /// What a share says that it is about. Who claims another seq for the same content speaks of another instance: the
  /// seq decides how long an instance lives and whose quota it counts against.
  struct Name {
    Digest content;
    Seq seq;
    auto operator<=>(const Name&) const = default;
  };
  /// Servers whose share was in a combination that failed.
  struct Suspect {
    Verified<SigShare> message;
    bool on_probation = false;  // because of this
  };
  struct Instance {
    Purpose what;
    SharedBytes message;  // null: shares came before we agreed
    Seq seq;
    std::optional<ServerIndex> begun_by;      // about an entry: whose quota of early instances it counts against
    std::map<ServerIndex, Instant> speakers;  // about a view: against the quotas of all of these, since when
    Instant since;
    bool durable = false;
    bool sharing = false;    // share job started
    bool measuring = false;  // a share is made though nobody asked, to see how long it takes
    bool proving = false;
    Bytes own_share;
    Bytes own_proof;
    bool to_all = false;
    std::set<ServerIndex> to;           // who wants our share
    std::set<ServerIndex> proof_to;     // who wants it with its proof
    std::set<ServerIndex> asked;        // whom we, the collector, asked
    std::optional<Instant> asked_each;  // those of them who were missing, one by one
    std::set<ServerIndex> invited;      // whose shares count, too: asked one by one, or chosen since
    std::set<ServerIndex> to_prove;     // who was asked for a proof
    std::map<ServerIndex, HeldShare> shares;
    std::map<ServerIndex, Suspect> suspects;
    std::vector<ServerIndex> combined_of;  // whose shares the last combination was made of
    bool combining = false;
    bool failed = false;  // a combination failed: only proven shares count from now on
    std::uint32_t rounds = 0;
    Retry ask;       // collector: next look at who is missing
    Retry fallback;  // others: share with all
    Instant proofs_due = Instant::never();
    SharedBytes sealed;  // combined
    std::map<ServerIndex, Instant> resent;
    std::map<std::pair<ServerIndex, bool>, Instant> heeded;  // requests for our share, by whether with proof
  };
  using Instances = std::map<Name, Instance>;
  enum class Work : std::uint8_t { Durable, Share, Prove, Combine, Check, CheckEvidence };
  struct Pending {
    Work work;
    Name name;
    ServerIndex server;  // Check: whose share; CheckEvidence: the accused
    std::shared_ptr<const Verified<SigShare>> share;
    std::shared_ptr<const Verified<CorruptedServer>> evidence;
  };

  ServerIndex self() const { return context_.self.index; }
  bool collecting() const { return context_.settings.fan_out == FanOut::Collector; }
  bool collector() const { return collecting() && context_.views.is_representative(); }
  /// Whether this server still stands for `what` in its current views.
  bool current(const Purpose& what) const;
  Instance* instance_for(Instant now, ServerIndex sender, const Name& name);
  void forget_oldest_word(ServerIndex sender);
  bool of_use(Seq seq) const;
  void release_quota(Instance& instance);
  void end(Instant now, Instance& instance, const SharedBytes& sealed);
  Instances::iterator drop(Instances::iterator instance);
  void start_sharing(Instant now, Name name, Instance& instance, Effects& fx);
  void distribute(const Name& name, Instance& instance, Effects& fx);
  void send_share(const Name& name, Instance& instance, const std::vector<Destination>& to, bool proof, Effects& fx);
  void give_proof(const Name& name, Instance& instance, Effects& fx);
  void request(const Name& name, Instance& instance, ServerIndex server, Effects& fx);
  /// Whether this share may be combined as it is.
  bool counts(const Instance& instance, ServerIndex server, const HeldShare& held) const;
  void unseat_untrusted(Effects& fx);
  void try_combine(const Name& name, Instance& instance, Effects& fx);
  void combination_failed(Instant now, const Name& name, Instance& instance, Effects& fx);
  /// Asks everybody whose good share is not proven yet and counts only if it is.
  void request_proofs(const Name& name, Instance& instance, Effects& fx);
  void note_suspects(Instance& instance);
  void put_on_probation(Instance& instance);
  /// The share that `server` is suspected for was proven, or another one in its place.
  void clear_suspect(Instance& instance, ServerIndex server, const Verified<SigShare>& message, Effects& fx);
  void check_proof(const Name& name, Instance& instance, ServerIndex server, const Verified<SigShare>& message,
                   Effects& fx);
  void share_checked(Instant now, const Pending& pending, bool good, Effects& fx);
  void evidence_checked(const Pending& pending, bool good, Effects& fx);
  void blame(ServerIndex server, const SharedBytes& evidence, Effects& fx);
  /// `server` is provably faulty: none of its shares counts any more.
  void exclude(ServerIndex server, const char* reason, std::vector<SharedBytes> evidence, Effects& fx);
  void judge_response_times(Instance& instance, Effects& fx);
  void announce(Effects& fx);
  void note_duration(Duration took);
  Duration share_timeout() const { return std::max(context_.settings.share_timeout, 4 * usual_); }
  Duration fallback_timeout() const { return std::max(context_.settings.share_fallback, 8 * usual_); }
  void ask_missing(Instant now, const Name& name, Instance& instance, std::vector<Missing>& missing, Effects& fx);

  Context& context_;
  Instances instances_;
  std::map<ServerIndex, std::size_t> early_;  // instances about entries, begun by each sender before we agreed
  std::map<Ticket, Pending> pending_;
  std::set<ServerIndex> blamed_;
  ShareTrust trust_;
  std::set<ServerIndex> false_accusers_;
  std::set<ServerIndex> evidence_from_;  // accusers with evidence being checked: one each
  SignerChoice choice_;                  // as collector
  std::set<ServerIndex> announced_;      // as signer: the set of the current representative
  std::uint64_t announced_epoch_ = 0;
  std::uint64_t logged_epoch_ = 0;        // of the last set of our own that was written to the log
  std::map<Ticket, Instant> share_jobs_;  // running: since when. Those of forgotten instances count too.
  Duration share_time_{};
  Instant shared_at_{std::numeric_limits<std::int64_t>::min() / 2};
  Duration
      usual_{};  // moving average from agreement to combined signature; median based, so f servers cannot stretch it
};

}  // namespace seneschal::steward
