// What binds a server when views change, step by step: long before two sites disagree, somebody must have voted
// against what was signed, forgotten what it vouched for, or changed a view that had no proof. [Steward 4] [Steward
// 5]
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include "steward/view_messages.hpp"

#include <array>
#include <map>
#include <tuple>

namespace seneschal::lab::sim {

/// No correct server prepares another content for a seq than the one its site signed in a lower local view of the
/// same global view, or a majority of sites in a lower global view; and nobody votes who has not executed up to the
/// base of what binds it.
class Bound final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "bound"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_site_signed(Instant at, SiteId site, Span message) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  using ViewPair = std::pair<GlobalView, LocalView>;
  struct Entry {                                              // of one seq
    std::map<ViewPair, std::map<Digest, ServerId>> prepared;  // by correct servers, one of them
    std::map<GlobalView, std::map<LocalView, Digest>> proposed;
    std::map<std::pair<GlobalView, Digest>, std::set<SiteId>> accepted;
  };
  void prepared(Instant at, ServerId server, GlobalView gv, LocalView lv, Seq seq, const Digest& digest);
  void check(Instant at, Seq seq, const Entry& entry);
  bool ordered(const Entry& entry, GlobalView gv, const Digest& digest) const;

  std::map<Seq, Entry> entries_;
  std::map<GlobalView, Seq> base_;      // the lowest AruMessage
  std::map<ViewPair, Seq> local_base_;  // the lowest bundle of the leader site
  std::map<ServerId, Seq> executed_;
};

/// What a correct server shared for is in every state that it gives later, or outranked there; and it shares nothing
/// that a state of a higher view which it gave before left out.
class Remembers final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "remembers"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_share(Instant at, ServerId server, Span message) override;

 private:
  struct Server {
    std::map<Seq, steward::StateItem> proposals;  // shared, as the certificates behind them; the highest each
    std::map<Seq, steward::StateItem> accepts;    // shared, as the Proposals they answer
    std::array<std::optional<steward::ServerState>, 3> states;  // the last one given in each context
  };
  static bool names(const steward::ServerState& state, const steward::StateItem& item);
  static Seq base_of(const steward::ServerState& state);
  static bool concerns(const steward::StateKey& key, const steward::StateItem& item);
  std::map<ServerId, Server> servers_;
};

/// Views are entered, asked for and left only with the proofs that the page demands; the leader site's ARU is one
/// that f+1 servers claim and that whoever shares it has reached.
class ViewSteps final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "view-steps"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_share(Instant at, ServerId server, Span message) override;
  void on_site_signed(Instant at, SiteId site, Span message) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  bool preinstalled(GlobalView gv) const;
  /// How many servers of a site besides `self` have said `view` or more.
  template <class View>
  static std::size_t at_least(const std::map<ServerId, View>& said, SiteId site, View view,
                              std::optional<ServerId> except);
  void new_rep(Instant at, ServerId server, LocalView lv);
  void attempt(Instant at, ServerId server, GlobalView gv);
  void claim(ServerId server, const steward::AruClaim& message);

  std::map<ServerId, LocalView> new_reps_;
  std::map<ServerId, GlobalView> attempts_;
  std::map<SiteId, GlobalView> changes_;  // site-signed
  GlobalView shown_;                      // the highest that its leader site has signed something in
  std::map<std::pair<GlobalView, ServerId>, Seq> claims_;
  std::map<ServerId, Seq> executed_;
};

}  // namespace seneschal::lab::sim
