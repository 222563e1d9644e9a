#include "lab/sim/checkers/kept_word.hpp"

#include "bft/records.hpp"
#include "steward/records.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {
template <class M>
std::optional<M> said_in(const SealedParts& parts) {
  if (parts.header.protocol != M::kProtocol || parts.header.type != M::kType) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}
}  // namespace

// `recorded`: the log must have it before it is said.
void KeptWord::says(Instant at, ServerId id, const char* what, const Statement& statement, const Digest& digest,
                    bool recorded) {
  Server& server = servers_[id];
  const std::string name = std::string(what) + " of " + digest.brief() + " (view " + std::to_string(statement.view) +
                           "." + std::to_string(statement.sub_view) + ", seq " + std::to_string(statement.seq.value) +
                           ")";
  if (server.lost) return fail(at, "server " + to_string(id) + " lost its log and still sends a " + name);
  auto [found, fresh] = server.said.emplace(statement, digest);
  if (!fresh && found->second != digest && given_up(statement, found->second)) {
    found->second = digest;
    fresh = true;
  }
  if (!fresh && found->second != digest)
    return fail(at, "server " + to_string(id) + " sends a " + name + " and had sent one of " + found->second.brief());
  if (!recorded || !facts_.logs || !fresh) return;
  const auto durable = server.on_disk.find(statement);
  if (durable == server.on_disk.end() || durable->second != digest)
    fail(at, "server " + to_string(id) + " sends a " + name + " before its disk has it");
}

// [BFT 9] Only PrePrepares and Prepares may be said anew, when 2f+1 backups promised never to prepare the first.
bool KeptWord::given_up(const Statement& statement, const Digest& digest) const {
  if (facts_.protocol != Protocol::Bft || statement.type == bft::Commit::kType) return false;
  const auto found = promised_.find({{bft::Prepare::kType, statement.view, 0, statement.seq}, digest});
  if (found == promised_.end()) return false;
  std::size_t correct = 0;
  for (const ServerId& id : found->second) correct += facts_.correct(id) ? 1 : 0;
  return correct + facts_.byzantine_in(SiteId(0)) >= facts_.membership.site(SiteId(0)).quorum();
}

void KeptWord::prepares(Instant at, ServerId id, const Statement& statement, const Digest& digest) {
  if (const auto found = promised_.find({statement, digest}); found != promised_.end() && found->second.contains(id))
    return fail(at, "server " + to_string(id) + " prepares " + digest.brief() + " and had promised never to");
  says(at, id, "Prepare", statement, digest, true);
}

void KeptWord::promises(Instant at, ServerId id, const Statement& statement, const Digest& digest) {
  const std::string name =
      "promise not to prepare " + digest.brief() + " at seq " + std::to_string(statement.seq.value);
  Server& server = servers_[id];
  if (server.lost) return fail(at, "server " + to_string(id) + " lost its log and still sends a " + name);
  const auto said = server.said.find(statement);
  if (said != server.said.end() && said->second == digest)
    return fail(at, "server " + to_string(id) + " sends a " + name + " and has prepared it");
  const Promise promise(statement, digest);
  if (facts_.logs && !promised_on_disk_[promise].contains(id))
    return fail(at, "server " + to_string(id) + " sends a " + name + " before its disk has it");
  promised_[promise].insert(id);
}

// [Steward 8] A promise, an attempt and a local view are on the disk before anything that reveals them.
void KeptWord::reveals(Instant at, ServerId id, const char* what, const Views& views) {
  if (!facts_.logs) return;
  const Views& kept = servers_[id].views;
  const auto demand = [&](const char* which, std::uint64_t revealed, std::uint64_t on_disk) {
    if (revealed > on_disk)
      fail(at, "server " + to_string(id) + " sends a " + what + " of " + which + " " + std::to_string(revealed) +
                   " before its disk has it");
  };
  demand("gv", views.promised.value, kept.promised.value);
  demand("lv", views.local.value, kept.local.value);
  demand("attempted gv", views.attempted.value, kept.attempted.value);
}

void KeptWord::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_server() || parts.header.sender != from || !facts_.correct(from.server())) return;
  const ServerId id = from.server();
  if (facts_.protocol == Protocol::Steward) {
    if (auto m = said_in<steward::PrePrepare>(parts))
      says(at, id, "PrePrepare", {m->kType, m->gv.value, m->lv.value, m->seq}, replication::digest_of(m->batch),
           true);
    else if (auto vote = said_in<steward::Prepare>(parts))
      says(at, id, "Prepare", {vote->kType, vote->gv.value, vote->lv.value, vote->seq}, vote->digest, true);
    else if (auto wish = said_in<steward::NewRep>(parts))
      reveals(at, id, "NewRep", {.local = wish->lv});
    else if (auto attempt = said_in<steward::GlobalViewAttempt>(parts))
      reveals(at, id, "GlobalViewAttempt", {.attempted = attempt->gv});
    else if (auto state = said_in<steward::ServerState>(parts))
      reveals(at, id, "ServerState", {.promised = state->key.gv, .local = state->key.lv});
    else if (auto claim = said_in<steward::AruClaim>(parts))
      reveals(at, id, "AruClaim", {.promised = claim->gv});
    return;
  }
  if (auto m = said_in<bft::PrePrepare>(parts))
    says(at, id, "PrePrepare", {m->kType, m->view.value, 0, m->seq}, replication::digest_of(m->batch), true);
  else if (auto prepare = said_in<bft::Prepare>(parts))
    prepares(at, id, {prepare->kType, prepare->view.value, 0, prepare->seq}, prepare->digest);
  else if (auto doubt = said_in<bft::Doubt>(parts); doubt && doubt->final)
    promises(at, id, {bft::Prepare::kType, doubt->view.value, 0, doubt->seq}, doubt->digest);
  else if (auto commit = said_in<bft::Commit>(parts))
    says(at, id, "Commit", {commit->kType, commit->view.value, 0, commit->seq}, commit->digest, true);
  else if (auto checkpoint = said_in<bft::Checkpoint>(parts))
    says(at, id, "Checkpoint", {checkpoint->kType, 0, 0, checkpoint->seq}, checkpoint->digest, false);
}

void KeptWord::on_share(Instant at, ServerId id, Span message) {
  if (!facts_.correct(id)) return;
  const auto parts = parse_sealed(message);
  if (!parts) return;
  if (auto p = said_in<steward::Proposal>(*parts))
    says(at, id, "share of a Proposal", {p->kType, p->gv.value, p->lv.value, p->seq}, p->digest, true);
  else if (auto a = said_in<steward::Accept>(*parts))
    says(at, id, "share of an Accept", {a->kType, a->gv.value, 0, a->seq}, a->digest, true);
}

void KeptWord::on_durable(Instant, ServerId id, Span record) {
  if (!facts_.logs || !facts_.correct(id)) return;
  if (facts_.protocol == Protocol::Steward)
    record_steward(servers_[id], record);
  else
    record_bft(id, record);
}

void KeptWord::record_steward(Server& server, Span bytes) {
  const auto record = steward::decode_record(bytes);
  if (!record) return;
  if (auto* proposed = std::get_if<steward::ProposedRecord>(&record->what)) {
    const steward::PrePrepare& m = proposed->pre_prepare.value;
    server.on_disk[{steward::PrePrepare::kType, m.gv.value, m.lv.value, m.seq}] = replication::digest_of(m.batch);
  } else if (auto* prepared = std::get_if<steward::PreparedRecord>(&record->what)) {
    const steward::PrePrepare& m = prepared->pre_prepare.value.body;
    server.on_disk[{steward::Prepare::kType, m.gv.value, m.lv.value, m.seq}] = replication::digest_of(m.batch);
  } else if (auto* certificate = std::get_if<steward::CertificateRecord>(&record->what)) {
    server.on_disk[{steward::Proposal::kType, certificate->gv.value, certificate->lv.value, certificate->seq}] =
        certificate->digest;
  } else if (auto* accepted = std::get_if<steward::AcceptedRecord>(&record->what)) {
    const steward::Proposal& p = accepted->proposal.body;
    server.on_disk[{steward::Accept::kType, p.gv.value, 0, p.seq}] = p.digest;
  } else if (auto* promise = std::get_if<steward::PromiseRecord>(&record->what)) {
    server.views.promised = std::max(server.views.promised, promise->gv);
  } else if (auto* local = std::get_if<steward::LocalViewRecord>(&record->what)) {
    server.views.local = std::max(server.views.local, local->lv);
  } else if (auto* attempt = std::get_if<steward::AttemptRecord>(&record->what)) {
    server.views.attempted = std::max(server.views.attempted, attempt->gv);
  }
}

void KeptWord::record_bft(ServerId id, Span bytes) {
  const auto record = bft::decode_record(bytes);
  if (!record) return;
  Server& server = servers_[id];
  if (auto* adopted = std::get_if<bft::AdoptedRecord>(&record->what)) {
    const bft::PrePrepare& m = adopted->proposal.value;
    const Digest digest = replication::digest_of(m.batch);
    server.on_disk[{bft::PrePrepare::kType, m.view.value, 0, m.seq}] = digest;
    server.on_disk[{bft::Prepare::kType, m.view.value, 0, m.seq}] = digest;
  } else if (auto* promise = std::get_if<bft::PromiseRecord>(&record->what)) {
    promised_on_disk_[{{bft::Prepare::kType, promise->view.value, 0, promise->seq}, promise->digest}].insert(id);
  } else if (auto* prepared = std::get_if<bft::PreparedRecord>(&record->what)) {
    server.on_disk[{bft::Commit::kType, prepared->view.value, 0, prepared->seq}] = prepared->digest;
  }
}

// What was appended may be back although nobody was told that it was durable.
void KeptWord::on_restarted(ServerId id, bool lost) {
  Server& server = servers_[id];
  server.lost = server.lost || lost;
}

}  // namespace seneschal::lab::sim
