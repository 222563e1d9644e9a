// Shares that spoil every signature, from servers that nobody asked. [Steward 3.6]
#include "crypto/digest.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/context.hpp"

namespace seneschal::lab::sim {

namespace {

using steward::SigShare;

/// It knows what its site is about to sign before anybody has signed it, and sends a share of that which is noise. It
/// never proves anything, so nothing convicts it.
class Spoiler final : public Adversary {
 public:
  Spoiler(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)), self_(self), membership_(membership), random_(random) {}

 private:
  static constexpr std::size_t kUsualShare = 256;

  template <Message M>
  void foresee(Seq seq, const M& message) {
    foreseen_.emplace_back(seq, crypto::sha256(steward::site_message(membership_, self_.site, message)));
  }
  void overhear(const Inbound& message) override {
    if (auto vote = message.as<steward::PrePrepare>()) {
      const steward::PrePrepare& p = vote->body();
      foresee(p.seq, steward::Proposal{p.gv, p.lv, p.seq, replication::digest_of(p.batch)});
    }
    if (auto carrier = message.as<steward::ProposalCarrier>()) {
      const steward::Proposal& p = carrier->body().proposal.body;
      if (carrier->body().proposal.signer() != Principal::of(self_.site))
        foresee(p.seq, steward::Accept{p.gv, p.seq, p.digest});
    }
    if (auto next = message.as<steward::NewRep>()) foresee({}, steward::LocalViewNotice{next->body().lv});
    if (auto share = message.as<SigShare>()) size_ = share->body().share.value.size();
  }
  void twist(Instant, Effects& fx) override {
    std::erase_if(fx.list(), [](const Effects::Effect& effect) {
      const auto* send = std::get_if<Effects::Send>(&effect);
      return send != nullptr && is<SigShare>(*send);
    });
    for (const auto& [seq, content] : std::exchange(foreseen_, {})) {
      Bytes noise(size_);
      for (std::size_t i = 1; i < noise.size(); ++i) noise[i] = static_cast<Byte>(random_.below(256));
      fx.send(Destination::to(self_.site), SigShare{seq, content, {std::move(noise)}, {}});
    }
  }

  ServerId self_;
  Membership membership_;
  Prng random_;
  std::size_t size_ = kUsualShare;
  std::vector<std::pair<Seq, Digest>> foreseen_;
};

}  // namespace

std::unique_ptr<Core> spoiler(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random) {
  return std::make_unique<Spoiler>(std::move(core), self, membership, random);
}

}  // namespace seneschal::lab::sim
