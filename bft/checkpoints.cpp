#include "bft/checkpoints.hpp"

namespace seneschal::bft {

void Checkpoints::take(Seq seq, const Digest& state, Effects& fx) {
  own_[seq] = state;
  compare(seq);
  if (!context_.participating) return;
  // Always signed, whatever the mode: the certificate must convince servers that were not there. [PBFT 4.3]
  context_.broadcast(Checkpoint{seq, state}, fx, AuthKind::Signature);
}

void Checkpoints::restore(const StableRecord& record) {
  stable_ = record.seq;
  stable_digest_ = record.digest;
  proof_.clear();
  for (const auto& vote : record.proof) proof_.push_back(share(vote.sealed));
}

void Checkpoints::resume(Effects& fx) {
  for (const auto& [seq, state] : own_)
    if (seq > stable_) context_.broadcast(Checkpoint{seq, state}, fx, AuthKind::Signature);
}

std::optional<Reject> Checkpoints::on_checkpoint(const Verified<Checkpoint>& message, Seq executed, Effects& fx) {
  Seq seq = message.body().seq;
  if (!due(seq) || seq.value == 0) return Reject::OutsideWindow;
  if (seq <= stable_) return Reject::Superseded;
  // A correct server is at most one log span above some stable checkpoint that this one will learn of.
  if (seq.value > std::max(stable_, executed).value + 2 * context_.settings.log_span) return Reject::OutsideWindow;
  auto& votes = votes_[seq];
  votes.resize(context_.n);
  auto& vote = votes[message.signer().server().index.value];
  if (vote) {
    if (vote->body().digest == message.body().digest) return Reject::Duplicate;
    fx.accuse(message.signer(), "two digests for one checkpoint", {vote->bytes(), message.bytes()});
    return Reject::Equivocation;
  }
  vote = message;
  std::vector<SharedBytes> matching;
  for (const auto& other : votes)
    if (other && other->body().digest == message.body().digest) matching.push_back(other->bytes());
  if (matching.size() < context_.quorum()) return std::nullopt;
  stable_ = seq;
  stable_digest_ = message.body().digest;
  proof_ = std::move(matching);
  StableRecord record{seq, stable_digest_, {}};
  for (const auto& other : votes)
    if (other && other->body().digest == stable_digest_) record.proof.items.push_back(other->embed());
  record_.logged = context_.logged;
  record_.ticket = context_.save(std::move(record), fx);
  votes_.erase(votes_.begin(), votes_.upper_bound(seq));
  fx.event(context_.event(EventKind::Checkpointed, seq, stable_digest_));
  compare(seq);
  on_executed(executed);
  return std::nullopt;
}

void Checkpoints::compare(Seq seq) {
  auto own = own_.find(seq);
  if (seq == stable_ && own != own_.end() && own->second != stable_digest_) diverged_ = true;
}

void Checkpoints::on_executed(Seq executed) {
  if (stable_ > executed || stable_ <= base_) return;
  base_ = stable_;
  own_.erase(own_.begin(), own_.lower_bound(base_));
}

void Checkpoints::resend(ServerIndex to, Seq has, Effects& fx) const {
  Destination destination = Destination::to(Context::server(to));
  if (stable_ > has)
    for (const SharedBytes& sealed : proof_) fx.forward(destination, sealed);
  for (auto it = votes_.upper_bound(std::max(has, stable_)); it != votes_.end(); ++it)
    if (const auto& own = it->second[context_.self.value]) fx.forward(destination, own->bytes());
}

}  // namespace seneschal::bft
