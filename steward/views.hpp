// Which views a server is in, and who leads in them. [Steward 1]
#pragma once
#include "runtime/membership.hpp"

#include <map>
#include <optional>

namespace seneschal::steward {

class Views {
 public:
  Views(const Membership& membership, ServerId self) : self_(self) {
    for (const SiteInfo& site : membership.sites) servers_.push_back(site.servers);
    announced_.resize(servers_.size());
  }

  GlobalView global() const { return global_; }
  LocalView local() const { return local_; }
  bool current(GlobalView gv, LocalView lv) const { return gv == global_ && lv == local_; }

  SiteId leader_site(GlobalView gv) const { return SiteId(static_cast<std::uint16_t>(gv.value % servers_.size())); }
  SiteId leader_site() const { return leader_site(global_); }
  bool at_leader_site() const { return leader_site() == self_.site; }

  /// The representative of any site, as far as this server knows: another site's follows its `LocalViewNotice`s.
  ServerId representative(SiteId site) const {
    LocalView lv = site == self_.site ? local_ : announced_[site.value];
    return {site, ServerIndex(static_cast<std::uint16_t>(lv.value % servers_[site.value]))};
  }
  ServerId representative() const { return representative(self_.site); }
  bool is_representative() const { return representative() == self_; }

  /// True if this server knows what binds it in both current views and so may take part in ordering. Views 0 are
  /// constrained by nothing; a later global view only becomes so by an exchange of states. [Steward 4]
  bool constrained() const { return global_constrained_ && local_constrained_; }
  /// False for ever after a start whose log could not be read: such a server only learns and executes. [Steward 7]
  bool participating() const { return participating_; }
  void abstain() { participating_ = false; }

  /// Promises never to go below `gv`. True if that is news: the caller makes it durable. [Steward 5]
  bool promise(GlobalView gv) {
    if (gv <= global_) return false;
    global_ = gv;
    global_constrained_ = false;
    fixed_.clear();
    return true;
  }
  /// The representative of another site is that of `lv`; lower ones than known are old news.
  bool learn(SiteId site, LocalView lv) {
    if (lv <= announced_[site.value]) return false;
    announced_[site.value] = lv;
    return true;
  }

  /// What a union or constraint says `seq` must be; nothing if it is free. [Steward 4]
  std::optional<Digest> fixed(Seq seq) const {
    auto it = fixed_.find(seq);
    return it == fixed_.end() ? std::nullopt : std::optional(it->second);
  }
  /// Fixes entries of the current views: at most the window's worth of them.
  void fix(std::map<Seq, Digest> entries) { fixed_ = std::move(entries); }

 private:
  ServerId self_;
  std::vector<std::uint16_t> servers_;
  std::vector<LocalView> announced_;
  GlobalView global_;
  LocalView local_;
  bool global_constrained_ = true;
  bool local_constrained_ = true;
  bool participating_ = true;
  std::map<Seq, Digest> fixed_;
};

}  // namespace seneschal::steward
