// Which views a server is in, who leads in them, and what they demand. [Steward 1] [Steward 4]
#pragma once
#include "runtime/membership.hpp"

#include <map>
#include <optional>

namespace seneschal::steward {

/// What a union or constraint says an entry must be.
struct FixedEntry {
  Digest digest;
  bool ordered = false;  // somebody holds an order certificate: it is fetched, not replayed
  bool operator==(const FixedEntry&) const = default;
};

class Views {
 public:
  Views(const Membership& membership, ServerId self) : self_(self) {
    for (const SiteInfo& site : membership.sites) servers_.push_back(site.servers);
    announced_.resize(servers_.size());
  }

  /// The highest global view known to be preinstalled: this server's promise.
  GlobalView global() const { return global_; }
  /// The highest local view this server has asked for.
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
  /// constrained by nothing; in later ones it takes exchanges of states. [Steward 4]
  bool constrained() const { return constrained_; }
  /// False for ever after a start whose log could not be read: such a server only learns and executes. [Steward 7]
  bool participating() const { return participating_; }
  void abstain() { participating_ = false; }

  /// Promises never to go below `gv`. True if that is news: the caller makes it durable. [Steward 5]
  bool promise(GlobalView gv) {
    if (gv <= global_) return false;
    global_ = gv;
    unconstrain();
    return true;
  }
  /// Leaves all local views below `lv`. True if that is news: the caller makes it durable. [Steward 4]
  bool enter(LocalView lv) {
    if (lv <= local_) return false;
    local_ = lv;
    unconstrain();
    return true;
  }
  /// The representative of another site is that of `lv`; lower ones than known are old news.
  bool learn(SiteId site, LocalView lv) {
    if (lv <= announced_[site.value]) return false;
    announced_[site.value] = lv;
    return true;
  }

  /// This server has come to know what binds it in the current views: at most the window's worth of entries.
  void constrain(std::map<Seq, FixedEntry> entries) {
    fixed_ = std::move(entries);
    constrained_ = true;
  }
  /// What `seq` must be; nothing if it is free. [Steward 4]
  const FixedEntry* fixed(Seq seq) const {
    auto it = fixed_.find(seq);
    return it == fixed_.end() ? nullptr : &it->second;
  }
  const std::map<Seq, FixedEntry>& fixed() const { return fixed_; }

 private:
  void unconstrain() {
    constrained_ = false;
    fixed_.clear();
  }

  ServerId self_;
  std::vector<std::uint16_t> servers_;
  std::vector<LocalView> announced_;
  GlobalView global_;
  LocalView local_;
  bool constrained_ = true;
  bool participating_ = true;
  std::map<Seq, FixedEntry> fixed_;
};

}  // namespace seneschal::steward
