#include "lab/sim/checkers/stable_checkers.hpp"

#include "lab/sim/checkers/order_checkers.hpp"
#include "steward/records.hpp"

namespace seneschal::lab::sim {

// ---- Settled ----

void Settled::on_site_signed(Instant, SiteId site, Span message) {
  const auto parts = parse_sealed(message);
  if (!parts || parts->header.protocol != ProtocolId::Steward || parts->header.type != steward::Checkpoint::kType)
    return;
  if (const auto checkpoint = decode<steward::Checkpoint>(parts->body))
    signers_[{checkpoint->seq, checkpoint->digest}].insert(site);
}

bool Settled::signed_by_majority(Seq seq, const Digest& digest) const {
  const auto signers = signers_.find({seq, digest});
  return signers != signers_.end() && signers->second.size() >= facts_.membership.site_majority();
}

// Its log is shown again when it starts again.
void Settled::on_durable(Instant, ServerId server, Span bytes) {
  if (!steward::may_be<steward::StableRecord>(bytes)) return;
  const auto record = steward::decode_record(bytes);
  if (!record) return;
  const auto& proof = std::get<steward::StableRecord>(record->what).proof;
  if (proof.checkpoints.empty()) return;
  Seq& newest = stable_[Principal::of(server)];
  newest = std::max(newest, proof.checkpoints.items.front().body.seq);
}

void Settled::on_event(Instant at, const Principal& self, const Event& event) {
  if (!self.is_server()) return;
  Seq& stable = stable_[self];
  if (tells_stable(event)) {
    if (!signed_by_majority(event.seq, event.digest))
      fail(at, to_string(self) + " takes the Checkpoint at " + std::to_string(event.seq.value) +
                   " for stable, which no majority of sites has signed");
    stable = std::max(stable, event.seq);
  }
  Seq& executed = executed_[self];
  if (event.kind == EventKind::Executed) executed = event.seq;
  if (tells_state(event) && event.seq > executed) {
    if (!signed_by_majority(event.seq, event.digest))
      fail(at, to_string(self) + " installs the state of " + std::to_string(event.seq.value) +
                   ", whose Checkpoint is not stable");
    executed = event.seq;
  }
  if (event.kind != EventKind::Prepared && event.kind != EventKind::Shared) return;
  if (event.seq <= stable && event.seq.value != 0)
    fail(at, to_string(self) + " votes at seq " + std::to_string(event.seq.value) +
                 ", under the stable Checkpoint at " + std::to_string(stable.value));
}

// ---- Recoverable ----

void Recoverable::count(ServerId server, Seq seq, int by) {
  const auto entry = certificates_.try_emplace(seq).first;
  if ((entry->second[server.site] += by) == 0) entry->second.erase(server.site);
}

void Recoverable::on_durable(Instant, ServerId server, Span bytes) {
  if (!facts_.logs || !facts_.correct(server)) return;
  Disk& disk = disks_[server];
  Kept kept;
  if (steward::may_be<steward::OrderedRecord>(bytes)) {
    if (const auto record = steward::decode_record(bytes)) {
      kept.seq = std::get<steward::OrderedRecord>(record->what).entry.value.proposal.body.seq;
      count(server, kept.seq, 1);
    }
  } else if (steward::may_be<steward::SnapshotRecord>(bytes)) {
    if (const auto record = steward::decode_record(bytes)) {
      const auto& piece = std::get<steward::SnapshotRecord>(record->what);
      kept = {piece.seq,  true, piece.proof.has_value(), piece.first, static_cast<std::uint32_t>(piece.chunks.size()),
              piece.total};
    }
  }
  disk.records.push_back(kept);
  if (kept.state_piece && kept.first + kept.chunks >= kept.total) disk.state = newest_state(disk.records);
}

Seq Recoverable::newest_state(const std::deque<Kept>& records) {
  Seq newest;
  Seq reading;
  std::uint32_t next = 0;
  for (const Kept& kept : records) {
    if (!kept.state_piece) continue;
    if (kept.first == 0) {
      reading = kept.proof ? kept.seq : Seq{};
      next = 0;
    }
    if (kept.first != next || kept.seq != reading) continue;
    next += kept.chunks;
    if (next >= kept.total) newest = std::max(newest, reading);
  }
  return newest;
}

void Recoverable::on_forgotten(Instant at, ServerId server, std::size_t records) {
  if (!facts_.logs || !facts_.correct(server)) return;
  Disk& disk = disks_[server];
  const Seq state = disk.state;
  std::set<Seq> gone;
  for (; records > 0 && !disk.records.empty(); --records) {
    const Kept kept = disk.records.front();
    disk.records.pop_front();
    if (kept.seq == Seq{} || kept.state_piece) continue;
    count(server, kept.seq, -1);
    gone.insert(kept.seq);
  }
  disk.state = newest_state(disk.records);
  if (disk.state < state)
    for (const auto& [seq, sites] : certificates_)
      if (seq > disk.state && seq <= state) gone.insert(seq);
  for (Seq seq : gone) check(at, seq);
}

// Its disk is shown again right after this: what is not there by the next event is gone.
void Recoverable::on_restarted(ServerId server, bool lost) {
  if (!facts_.logs || !facts_.correct(server)) return;
  if (lost) lost_[server.site].insert(server);
  Disk disk = std::exchange(disks_[server], {});
  for (const Kept& kept : disk.records) {
    if (kept.seq == Seq{} || kept.state_piece) continue;
    count(server, kept.seq, -1);
    unsure_.insert(kept.seq);
  }
  for (const auto& [seq, sites] : certificates_)
    if (seq <= disk.state) unsure_.insert(seq);
  executed_.erase(server);
  if (!lost) disks_[server].must_know = Seq{};
}

Seq Recoverable::rebuilt(const Disk& disk) {
  std::set<Seq> ordered;
  for (const Kept& kept : disk.records)
    if (kept.seq > disk.state && !kept.state_piece) ordered.insert(kept.seq);
  Seq last = disk.state;
  for (Seq seq : ordered) {
    if (seq != last.next()) break;
    last = seq;
  }
  return last;
}

void Recoverable::on_sent(Instant at, const Principal& from, const SealedParts&) {
  if (!facts_.logs || !from.is_server() || !facts_.correct(from.server())) return;
  const auto disk = disks_.find(from.server());
  if (disk == disks_.end() || !std::exchange(disk->second.must_know, std::nullopt)) return;
  const Seq knows = rebuilt(disk->second);
  if (executed_[from.server()] < knows)
    fail(at, "server " + to_string(from.server()) + " starts again at seq " +
                 std::to_string(executed_[from.server()].value) + ", and its disk has all up to " +
                 std::to_string(knows.value));
}

void Recoverable::on_event(Instant at, const Principal& self, const Event& event) {
  if (!facts_.logs) return;
  if (self.is_server() && (event.kind == EventKind::Executed || tells_state(event))) {
    Seq& executed = executed_[self.server()];
    executed = std::max(executed, event.seq);
  }
  for (Seq seq : std::exchange(unsure_, {})) check(at, seq);
  if (!tells_stable(event) || event.seq <= stable_) return;
  const Seq before = std::exchange(stable_, event.seq);
  for (Seq seq = before.next(); seq <= stable_; ++seq) check(at, seq);
}

bool Recoverable::excused(SiteId site) const {
  const auto lost = lost_.find(site);
  return lost != lost_.end() && lost->second.size() + facts_.byzantine_in(site) > facts_.membership.site(site).faults;
}

bool Recoverable::has(SiteId site, Seq seq) const {
  if (const auto entry = certificates_.find(seq); entry != certificates_.end() && entry->second.contains(site))
    return true;
  return std::ranges::any_of(disks_, [&](const auto& d) { return d.first.site == site && d.second.state >= seq; });
}

void Recoverable::check(Instant at, Seq seq) {
  if (seq > stable_) return;
  std::size_t without = 0;
  for (std::uint16_t s = 0; s < facts_.membership.sites.size(); ++s)
    if (!excused(SiteId(s)) && !has(SiteId(s), seq)) ++without;
  if (without >= facts_.membership.site_majority())
    fail(at, "seq " + std::to_string(seq.value) + ", under the stable Checkpoint at " +
                 std::to_string(stable_.value) + ", is on no correct server's disk at " + std::to_string(without) +
                 " sites, a majority");
}

}  // namespace seneschal::lab::sim
