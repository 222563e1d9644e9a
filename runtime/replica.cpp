#include "runtime/replica.hpp"

#include "base/check.hpp"

namespace seneschal {

Replica::Replica(Principal self, const Membership& membership, MessageTable table, Core& core, crypto::Keys& keys,
                 Env& env, OpenCache* cache, ReplicaLimits limits)
    : self_(self),
      core_(core),
      keys_(keys),
      env_(env),
      limits_(limits),
      gate_(std::move(table), membership, cache, limits.remembered_proofs),
      endpoint_forgeries_(limits.endpoint_forgeries, limits.max_origins),
      node_forgeries_(limits.node_forgeries),
      carried_(limits.carried_per_client, limits.max_carriers) {}

void Replica::start(Instant now, std::span<const Record> log, bool lost) {
  log_lost_ = lost;
  core_.start(now, log, fx_);
  if (lost) core_.on_log_lost(now, fx_);
  settle(now);
}

void Replica::lose_log(Instant now) {
  if (log_lost_) return;
  log_lost_ = true;
  held_.clear();
  core_.on_log_lost(now, fx_);
  settle(now);
}

void Replica::on_datagram(Instant now, const SharedBytes& bytes, EndpointId origin) {
  env_.charge(Op::Receive, 1);
  env_.charge(Op::CopyByte, bytes->size());
  auto opened = gate_.open(bytes, admission_);
  if (!opened) {
    auto parts = parse_sealed(*bytes);
    reject(opened.error(), parts && gate_.membership().knows(parts->header.sender) ? &parts->header.sender : nullptr);
    return;
  }
  verify(now, std::move(*opened), origin);
}

namespace {
bool is_signature(const Proof& proof) {
  return static_cast<AuthKind>(proof.auth_kind) == AuthKind::Signature;
}
bool is_bare(const Proof& proof) {
  return static_cast<AuthKind>(proof.auth_kind) == AuthKind::Bare;
}
/// True for the envelope's own proof, false for a nested message's.
bool is_outer(const Proof& proof, const Opened& opened) {
  return proof.signed_bytes.data() == opened.parts.signed_bytes.data();
}
/// Of a nested message, in decoding order.
std::uint16_t position_of(const Proof& proof, const Opened& opened) {
  auto it = std::ranges::find(opened.proofs, proof.signed_bytes.data(),
                              [](const Proof& other) { return other.signed_bytes.data(); });
  return static_cast<std::uint16_t>(it - opened.proofs.begin() - 1);
}
}  // namespace

void Replica::verify(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin) {
  if (opened->parts.header.sender == self_) return reject(Reject::Replay, nullptr);  // our own comes by loopback
  VerifyJob job{gate_.owed(*opened), opened->bytes};
  if (!affordable(now, *opened, origin, job.proofs)) return reject(Reject::Overloaded, nullptr);
  // A bare carrier proves nothing itself; its auth must still be empty, or one message would have many encodings.
  std::size_t client_checks = 0;
  for (const Proof& proof : job.proofs) {
    env_.charge(Op::HashByte, proof.signed_bytes.size());
    if (cost_of(proof) == Op::VerifyClient) ++client_checks;
  }
  if (client_checks > limits_.inline_client_checks)
    return verify_in_pool(now, std::move(opened), origin, std::move(job));
  Unproven unproven;
  std::size_t checks = 0;
  for (const Proof& proof : job.proofs) {
    if (!is_bare(proof)) env_.charge(cost_of(proof), 1);
    if (is_signature(proof)) ++checks;
    if (check(proof, keys_, self_)) continue;
    bool outer = is_outer(proof, *opened);
    if (!outer && opened->type->may_be_unproven && !is_signature(proof)) {
      unproven.push_back(position_of(proof, *opened));
      continue;
    }
    checked_in_vain(now, origin, checks);
    return reject(outer ? Reject::BadSignature : Reject::BadInnerSignature,
                  outer ? nullptr : &opened->parts.header.sender);
  }
  deliver(now, std::move(opened), origin, job.proofs, std::move(unproven));
}

void Replica::verify_in_pool(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin, VerifyJob job) {
  if (verifying_.size() >= limits_.max_verifying) return reject(Reject::Overloaded, &opened->parts.header.sender);
  // The outer signature first and here: whoever forges one must not take a place, nor whoever repeats a message that
  // is being checked already.
  const Proof outer = job.proofs.front();
  if (is_outer(outer, *opened)) {
    if (!outer.id.is_zero() && !being_verified_.insert(outer.id).second) return reject(Reject::Duplicate, nullptr);
    if (!is_bare(outer)) env_.charge(cost_of(outer), 1);
    if (!check(outer, keys_, self_)) {
      being_verified_.erase(outer.id);
      checked_in_vain(now, origin, is_signature(outer) ? 1 : 0);
      return reject(Reject::BadSignature, nullptr);
    }
    job.proofs.erase(job.proofs.begin());
  }
  Unproven unproven;
  if (!check_nested_macs(*opened, job.proofs, unproven)) {
    being_verified_.erase(outer.id);
    return reject(Reject::BadInnerSignature, &opened->parts.header.sender);
  }
  Ticket ticket(next_ticket_++);
  const std::size_t checks = job.proofs.size();
  verifying_.emplace(ticket, Verifying{std::move(opened), origin, checks, std::move(unproven)});
  env_.run(std::move(job), ticket);
}

// MACs are not worth a hand-off: they are checked here, and only signatures are left in `owed`. False if one fails
// that must not.
bool Replica::check_nested_macs(const Opened& opened, std::vector<Proof>& owed, Unproven& unproven) {
  for (const Proof& proof : owed) {
    if (is_signature(proof)) continue;
    env_.charge(cost_of(proof), 1);
    if (check(proof, keys_, self_)) continue;
    if (!opened.type->may_be_unproven) return false;
    unproven.push_back(position_of(proof, opened));
  }
  std::erase_if(owed, [](const Proof& proof) { return !is_signature(proof); });
  return true;
}

// A flood of forgeries from one place costs that place its hearing, nobody else's; nor do claims in the messages
// matter, which anybody can make. One client's own signatures, carried without end by one member or replayed by
// somebody, cost that client its hearing by way of that place, and nowhere else.
bool Replica::affordable(Instant now, const Opened& opened, EndpointId origin, const std::vector<Proof>& owed) const {
  bool bare = opened.parts.header.auth == AuthKind::Bare;
  for (const Proof& proof : owed) {
    if (!is_signature(proof)) continue;
    if (!endpoint_forgeries_.solvent(now, origin) || !node_forgeries_.solvent(now, origin.node)) return false;
    if (!bare) return true;
    if (proof.signer.is_client() && !carried_.solvent(now, {origin, proof.signer.client()})) return false;
  }
  return true;
}

void Replica::checked_in_vain(Instant now, EndpointId origin, std::size_t checks) {
  if (checks == 0) return;  // MACs cost next to nothing
  endpoint_forgeries_.charge(now, origin, checks);
  node_forgeries_.charge(now, origin.node, checks);
}

void Replica::deliver(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin,
                      std::span<const Proof> proven, Unproven unproven) {
  if (opened->parts.header.auth == AuthKind::Bare)
    for (const Proof& proof : proven)
      if (is_signature(proof) && proof.signer.is_client()) carried_.charge(now, {origin, proof.signer.client()}, 1);
  ++delivered_;
  core_.on_message(now, gate_.admit(std::move(opened), std::move(unproven)), fx_);
  settle(now);
}

void Replica::on_done(Instant now, Ticket ticket, JobResult result) {
  if (auto it = sealing_.find(ticket); it != sealing_.end()) {
    PendingSeal pending = std::move(it->second);
    sealing_.erase(it);
    auto* signature = std::get_if<SignResult>(&result);
    CHECK(signature != nullptr);
    append(pending.unsealed, signature->signature);
    release(share(std::move(pending.unsealed)), std::move(pending.to), pending.after, pending.loopback);
    return settle(now);
  }
  if (auto it = verifying_.find(ticket); it != verifying_.end()) {
    auto [opened, origin, checks, unproven] = std::move(it->second);
    verifying_.erase(it);
    auto* verdict = std::get_if<VerifyResult>(&result);
    CHECK(verdict != nullptr);
    being_verified_.erase(opened->proofs.front().id);
    if (!verdict->good) {
      checked_in_vain(now, origin, checks);
      return reject(Reject::BadInnerSignature, &opened->parts.header.sender);  // the outer one held
    }
    return deliver(now, opened, origin, opened->proofs, std::move(unproven));
  }
  if (not_durable_.erase(ticket) != 0) {
    auto [first, last] = held_.equal_range(ticket);
    for (auto it = first; it != last; ++it) transmit(it->second);
    held_.erase(first, last);
  }
  core_.on_done(now, ticket, result, fx_);
  settle(now);
}

void Replica::on_time(Instant now) {
  core_.on_time(now, fx_);
  settle(now);
}

// Carries out effects until nothing is left; loopback messages run as inputs of their own, never nested in a
// transition.
void Replica::settle(Instant now) {
  if (settling_) return;
  settling_ = true;
  for (;;) {
    if (!fx_.list().empty() || !fx_.rejects().empty()) {
      auto effects = std::move(fx_.list());
      for (Reject reason : fx_.rejects()) reject(reason, nullptr);
      fx_.clear();
      for (auto& effect : effects) carry_out(effect);
      continue;
    }
    if (loopback_.empty()) break;
    SharedBytes sealed = std::move(loopback_.front());
    loopback_.pop_front();
    // Our own words need no proof and no admission: a certificate may need them whatever the window is by now.
    if (auto opened = gate_.open(sealed, Admission{})) {
      ++delivered_;
      core_.on_message(now, gate_.admit(std::move(*opened)), fx_);
    } else {
      reject(opened.error(), &self_);
    }
  }
  admission_ = core_.admission();
  if (auto at = core_.deadline()) env_.wake_at(*at);
  settling_ = false;
}

void Replica::carry_out(Effects::Effect& effect) {
  if (auto* send = std::get_if<Effects::Send>(&effect)) {
    seal(std::move(*send));
  } else if (auto* forward = std::get_if<Effects::Forward>(&effect)) {
    release(std::move(forward->sealed), std::move(forward->to), forward->after, forward->loopback);
  } else if (auto* persist = std::get_if<Effects::Persist>(&effect)) {
    if (log_lost_) {
      lost_records_from_ = std::min(lost_records_from_, persist->ticket);
    } else {
      not_durable_.insert(persist->ticket);
      env_.append(std::move(persist->record), persist->ticket);
    }
  } else if (auto* forget = std::get_if<Effects::Forget>(&effect)) {
    if (!log_lost_) env_.forget_before(forget->before);
  } else if (std::holds_alternative<Effects::LoseLog>(effect)) {
    log_lost_ = true;
    held_.clear();
  } else if (auto* run = std::get_if<Effects::Run>(&effect)) {
    env_.run(std::move(run->job), run->ticket);
  } else if (auto* accusation = std::get_if<Effects::Accuse>(&effect)) {
    env_.accused(*accusation);
  } else if (auto* enroll = std::get_if<Effects::Enroll>(&effect)) {
    const EnrolledClient& client = enroll->client;
    keys_.enroll(client.info.id, client.keys);
    gate_.enroll(client.info);
    env_.enrolled(client);
  } else if (auto* dismiss = std::get_if<Effects::Dismiss>(&effect)) {
    gate_.dismiss(dismiss->client);
    keys_.dismiss(dismiss->client);
    carried_.forget_if([&](const auto& key) { return key.second == dismiss->client; });
    rejects_by_peer_.erase(Principal::of(dismiss->client));
    env_.dismissed(dismiss->client);
  } else {
    env_.event(std::get<Event>(effect));
  }
}

void Replica::seal(Effects::Send send) {
  send.header.deployment = gate_.membership().deployment;
  send.header.sender = self_;
  Bytes bytes = unsealed(send.header, send.body);
  env_.charge(Op::CopyByte, bytes.size());
  if (send.options.auth == AuthKind::Bare)
    return release(share(std::move(bytes)), std::move(send.to), send.options.after, send.options.loopback);
  if (send.options.auth != AuthKind::Signature) {
    append(bytes, macs(send.header, bytes, send.to));
    return release(share(std::move(bytes)), std::move(send.to), send.options.after, send.options.loopback);
  }
  Ticket ticket(next_ticket_++);
  SignJob job{share(bytes)};
  sealing_.emplace(ticket,
                   PendingSeal{std::move(bytes), std::move(send.to), send.options.after, send.options.loopback});
  env_.run(std::move(job), ticket);
}

Bytes Replica::macs(const Header& header, Span message, const std::vector<Destination>& to) {
  CHECK(!to.empty());
  Bytes auth;
  env_.charge(Op::HashByte, message.size());
  if (header.auth == AuthKind::Mac) {
    CHECK(to.size() == 1);
    bool to_client = to[0].kind == Destination::Kind::Client;
    CHECK(to_client || to[0].kind == Destination::Kind::Server);
    env_.charge(Op::Mac, 1);
    append(auth, keys_.mac(to_client ? Principal::of(to[0].client) : Principal::of(to[0].server), message));
    return auth;
  }
  // AllServers leaves the site at 0: authenticators are used by the flat group only.
  SiteId site = to[0].server.site;
  env_.charge(Op::Mac, gate_.membership().site(site).servers);
  for (std::uint16_t i = 0; i < gate_.membership().site(site).servers; ++i) {
    Principal peer = Principal::of(ServerId{site, ServerIndex(i)});
    append(auth, peer == self_ ? crypto::Mac{} : keys_.mac(peer, message));
  }
  return auth;
}

void Replica::release(SharedBytes sealed, std::vector<Destination> to, Ticket after, bool loopback) {
  PendingSend send{std::move(sealed), std::move(to), loopback};
  const bool waits = after.value != 0 && (not_durable_.contains(after) || after >= lost_records_from_);
  if (!waits) return transmit(send);
  if (!log_lost_) held_.emplace(after, std::move(send));
}

void Replica::transmit(const PendingSend& send) {
  if (!send.to.empty()) {
    env_.charge(Op::Send, send.to.size());
    env_.send(send.to, send.sealed);
  }
  if (send.loopback) loopback_.push_back(send.sealed);
}

void Replica::reject(Reject reason, const Principal* peer) {
  ++rejects_[static_cast<std::size_t>(reason)];
  if (peer == nullptr) return;
  auto it = rejects_by_peer_.find(*peer);
  if (it != rejects_by_peer_.end())
    ++it->second;
  else if (rejects_by_peer_.size() < limits_.max_counted_peers)
    rejects_by_peer_.emplace(*peer, 1);
}

std::uint64_t Replica::rejected_total() const {
  std::uint64_t total = 0;
  for (auto n : rejects_) total += n;
  return total;
}

void Replica::status(StatusList& out) const {
  out.emplace_back("self", to_string(self_));
  out.emplace_back("delivered", std::to_string(delivered_));
  if (log_lost_) out.emplace_back("log_lost", "yes: says nothing that others count on");
  for (std::size_t i = 0; i < rejects_.size(); ++i)
    if (rejects_[i] != 0)
      out.emplace_back("rejected_" + std::string(to_string(static_cast<Reject>(i))), std::to_string(rejects_[i]));
  for (const auto& [peer, count] : rejects_by_peer_)
    out.emplace_back("rejected_from_" + to_string(peer), std::to_string(count));
  core_.status(out);
}

}  // namespace seneschal
