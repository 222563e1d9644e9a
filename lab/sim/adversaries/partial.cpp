// Representatives that show what their site signed to some sites at once and to the others late. [Steward 6, Pace]
#include "base/check.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"

namespace seneschal::lab::sim {

namespace {

/// `Proposal`s or `Accept`s reach its own site and one other at once, the rest after a delay below every timer. What
/// it is asked to send again is late, too.
class Partial final : public Delaying {
 public:
  Partial(std::unique_ptr<Core> core, ServerId self, const Membership& membership, bool proposals)
      : Delaying(std::move(core)), self_(self), sites_(membership.sites.size()), proposals_(proposals) {
    const std::uint16_t f = membership.site(self.site).faults;
    delay_ = std::chrono::milliseconds(600 + 225 * (f - 1));
    favoured_ = SiteId(static_cast<std::uint16_t>((self.site.value + 1) % sites_));
  }

 private:
  bool concerns(const Effects::Send& send) const {
    return proposals_ ? is<steward::ProposalCarrier>(send) : is<steward::RelayedAccept>(send);
  }
  bool concerns(const Effects::Forward& forward) const {
    const auto sealed = parse_sealed(*forward.sealed);
    if (!sealed || sealed->header.protocol != steward::Accept::kProtocol) return false;
    if (sealed->header.sender != Principal::of(self_.site)) return false;
    return sealed->header.type == (proposals_ ? steward::Proposal::kType : steward::Accept::kType);
  }

  /// Leaves in `to` who is favoured; returns the others.
  std::vector<Destination> split(std::vector<Destination>& to) const {
    std::vector<Destination> at_once;
    std::vector<Destination> later;
    const auto place = [&](const Destination& d) {
      const bool near = d.server.site == self_.site || d.server.site == favoured_;
      (near ? at_once : later).push_back(d);
    };
    for (const Destination& d : to) {
      if (d.kind != Destination::Kind::AllServers) {
        place(d);
        continue;
      }
      for (std::uint16_t s = 0; s < sites_; ++s) place(Destination::to(SiteId(s)));
    }
    to = std::move(at_once);
    return later;
  }

  template <class Words>
  void hold_back(Instant now, Words& words) {
    if (!concerns(words)) return;
    Words rest = words;
    rest.to = split(words.to);
    if (rest.to.empty()) return;
    if constexpr (requires { rest.options; }) {
      rest.options.loopback = false;
      rest.options.after = {};
    } else {
      rest.loopback = false;
      rest.after = {};
    }
    hold(now + delay_, std::move(rest));
  }

  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list()) {
      if (auto* send = std::get_if<Effects::Send>(&effect)) hold_back(now, *send);
      if (auto* forward = std::get_if<Effects::Forward>(&effect)) hold_back(now, *forward);
    }
    release(now, fx);
  }

  ServerId self_;
  std::size_t sites_;
  bool proposals_;
  Duration delay_{};
  SiteId favoured_;
};

}  // namespace

std::unique_ptr<Core> partial(std::unique_ptr<Core> core, ServerId self, const Membership& membership,
                              bool proposals) {
  return std::make_unique<Partial>(std::move(core), self, membership, proposals);
}

}  // namespace seneschal::lab::sim
