// The other half of THRESHOLD-SIGN: what happens when a combination fails. Shares are judged by their proofs only,
// never by interpolation: two colluders could make an honest server look guilty. [Steward 3.6]
//
// DEVIATION(TR Fig. 5): shares carry no proof unless one is asked for, so a share without one is set aside, not
// blamed.
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {
namespace {
/// A proof takes several times as long as a share.
constexpr Duration kProofTimeout = 150ms;
}  // namespace

void ThresholdSigning::combination_failed(Instant now, const Name& name, Instance& instance, Effects& fx) {
  bool first = !instance.failed;
  instance.failed = true;
  ++instance.rounds;
  if (!first) return;  // only proven shares were combined: the next proof tries again
  note_suspects(instance);
  instance.proofs_due = now + std::max(kProofTimeout, share_timeout());
  for (auto& [server, held] : instance.shares) {
    if (held.standing != Standing::Unproven) continue;
    if (held.message && !held.message->body().proof.value.empty()) {
      Verified<SigShare> message = *held.message;
      check_proof(name, instance, server, message, fx);
    }
  }
  // The others' shares are needed as well: at least one of those at hand is bad.
  request_proofs(name, instance, fx);
  if (!instance.shares.contains(self())) {
    instance.asked.insert(self());
    start_sharing(now, name, instance, fx);
  }
}

// [Steward 3.6] At least one of them sent no share but noise. The others show it with their proofs.
void ThresholdSigning::note_suspects(Instance& instance) {
  for (ServerIndex server : instance.combined_of)
    if (auto held = instance.shares.find(server);
        held != instance.shares.end() && held->second.standing == Standing::Unproven && held->second.message)
      instance.suspects.try_emplace(server, Suspect{*held->second.message});
}

// The site has signed without a proof of theirs. Each of f faulty servers makes one combination fail that way.
void ThresholdSigning::put_on_probation(Instance& instance) {
  for (auto& [server, suspect] : instance.suspects) {
    if (blamed_.contains(server)) continue;
    suspect.on_probation = true;
    trust_.spoiled(server);
  }
}

void ThresholdSigning::clear_suspect(Instance& instance, ServerIndex server, const Verified<SigShare>& message,
                                     Effects& fx) {
  auto suspect = instance.suspects.find(server);
  if (suspect == instance.suspects.end()) return;
  const Verified<SigShare> first = suspect->second.message;
  const bool on_probation = suspect->second.on_probation;
  instance.suspects.erase(suspect);
  // A server makes one share of a message: of two different ones under its signature it made one up.
  if (first.body().share.value != message.body().share.value)
    return exclude(server, "two shares of one site message", {first.bytes(), message.bytes()}, fx);
  if (!on_probation) return;
  trust_.acquit(server);
  if (trust_.trusts(server)) choice_.trust(server);
}

void ThresholdSigning::request_proofs(const Name& name, Instance& instance, Effects& fx) {
  for (std::uint16_t i = 0; i < context_.own().servers; ++i) {
    ServerIndex server(i);
    if (server == self() || blamed_.contains(server)) continue;
    if (!instance.failed && trust_.trusts(server)) continue;
    auto held = instance.shares.find(server);
    if (held != instance.shares.end() &&
        (held->second.standing == Standing::Proven || held->second.standing == Standing::Checking))
      continue;
    request(name, instance, server, fx);
  }
}

void ThresholdSigning::check_proof(const Name& name, Instance& instance, ServerIndex server,
                                   const Verified<SigShare>& message, Effects& fx) {
  if (!instance.sealed) instance.shares[server].standing = Standing::Checking;
  CheckSharesJob job{
      context_.self.site, instance.message, {{server, message.body().share.value, message.body().proof.value}}};
  pending_[fx.run(std::move(job))] = {
      Work::Check, name, server, std::make_shared<const Verified<SigShare>>(message), {}};
}

void ThresholdSigning::share_checked(Instant, const Pending& pending, bool good, Effects& fx) {
  Instance& instance = instances_.at(pending.name);
  const Verified<SigShare>& message = *pending.share;
  if (good) {
    clear_suspect(instance, pending.server, message, fx);
    if (instance.sealed || blamed_.contains(pending.server)) return;
    if (trust_.proved(pending.server)) choice_.trust(pending.server);
    HeldShare& held = instance.shares[pending.server];
    held.share = message.body().share.value;
    held.message = message;
    held.standing = Standing::Proven;
    return try_combine(pending.name, instance, fx);
  }
  if (blamed_.contains(pending.server)) return;
  fx.send(Destination::to(context_.self.site), CorruptedServer{message.embed(), {*instance.message}});
  blame(pending.server, message.bytes(), fx);
}

void ThresholdSigning::blame(ServerIndex server, const SharedBytes& evidence, Effects& fx) {
  exclude(server, "bad share of a site signature", {evidence}, fx);
}

void ThresholdSigning::exclude(ServerIndex server, const char* reason, std::vector<SharedBytes> evidence,
                               Effects& fx) {
  if (!blamed_.insert(server).second) return;
  fx.accuse(Principal::of(context_.local(server)), reason, std::move(evidence));
  for (auto& [name, instance] : instances_) {
    instance.shares.erase(server);
    instance.asked.erase(server);
  }
  if (choice_.exclude(server) && collector()) announce(fx);
}

std::optional<Reject> ThresholdSigning::on_corrupted(const Verified<CorruptedServer>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const CorruptedServer& m = message.body();
  const Principal& accused = m.share.signer();
  if (!context_.is_local(accused)) return Reject::WrongSite;
  ServerIndex accuser = message.signer().server().index;
  // A false accusation costs its maker the right to make others; a check costs as much as a share.
  if (false_accusers_.contains(accuser)) return Reject::BadShare;
  if (blamed_.contains(accused.server().index)) return Reject::Duplicate;
  if (m.share.body.proof.value.empty()) return Reject::BadShare;  // no proof was asked for: no evidence
  if (content_of(m.message.value) != m.share.body.content) return Reject::Malformed;
  if (!evidence_from_.insert(accuser).second) return Reject::Overloaded;
  SharedBytes bytes = share(m.message.value);
  CheckSharesJob job{
      context_.self.site, bytes, {{accused.server().index, m.share.body.share.value, m.share.body.proof.value}}};
  pending_[fx.run(std::move(job))] = {Work::CheckEvidence,
                                      {m.share.body.content, m.share.body.seq},
                                      accused.server().index,
                                      {},
                                      std::make_shared<const Verified<CorruptedServer>>(message)};
  return std::nullopt;
}

void ThresholdSigning::evidence_checked(const Pending& pending, bool good, Effects& fx) {
  const Verified<CorruptedServer>& evidence = *pending.evidence;
  ServerIndex accuser = evidence.signer().server().index;
  evidence_from_.erase(accuser);
  if (!good) return blame(pending.server, share(evidence.body().share.sealed), fx);
  // An honest server accuses only after the same check: this accusation convicts its maker.
  false_accusers_.insert(accuser);
  fx.accuse(evidence.signer(), "false accusation", {evidence.bytes()});
}

}  // namespace seneschal::steward
