#include "emulator/world/sim_process.hpp"

#include <algorithm>

namespace seneschal::world {

namespace {
std::uint64_t identity_of(const Principal& who) {
  return static_cast<std::uint64_t>(who.kind) << 32 | who.value;
}

std::uint64_t word_of(const Destination& to) {
  return static_cast<std::uint64_t>(to.kind) << 56 ^ static_cast<std::uint64_t>(to.server.site.value) << 40 ^
         static_cast<std::uint64_t>(to.server.index.value) << 24 ^ to.client.value;
}

/// Jobs of equal cost end in an order of their own: up to this much is added to each.
constexpr std::uint64_t kJobShuffleNs = 1024;
}  // namespace

std::uint64_t fingerprint(Span bytes) {
  constexpr std::size_t kEnd = 32;
  if (bytes.size() <= 2 * kEnd) return hash64(bytes);
  return hash64(bytes.last(kEnd), hash64(bytes.first(kEnd), bytes.size()));
}

SimProcess::SimProcess(World& world, Host& host, Transport& transport, ProcessSetup setup)
    : world_(world),
      host_(host),
      transport_(transport),
      setup_(std::move(setup)),
      slot_(host.add(*this)),
      identity_(identity_of(setup_.self)),
      disk_(setup_.keep_log) {
  make_replica();
}

void SimProcess::make_replica() {
  replica_ = std::make_unique<Replica>(setup_.self, *setup_.membership, setup_.table, *setup_.core, *setup_.keys,
                                       static_cast<Env&>(*this), setup_.cache, setup_.limits);
}

void SimProcess::crash(DiskFate fate) {
  if (!alive_) return;
  alive_ = false;
  disk_.crash(fate, keyed_draw(world_.seed(), hash_name("torn write"), identity_, life_, 0));
  ++life_;
  wanted_ = Instant::never();
}

void SimProcess::restart(Instant at, std::unique_ptr<Core> core, bool lost) {
  CHECK(!alive_ && setup_.keep_log);
  former_.push_back(std::move(replica_));
  setup_.core = std::move(core);
  make_replica();
  log_lost_ = lost;
  // What is read back is on the disk by now, told or not.
  if (setup_.observer != nullptr)
    for (const Bytes& record : disk_.records()) setup_.observer->on_durable(at, setup_.self, record);
  world_.schedule(at, *this, kStart, life_);
}

void SimProcess::fill_disk() {
  if (!alive_ || disk_.failed()) return;
  disk_.fail();
  host_.submit(slot_, kLogLost, life_);
}

void SimProcess::start(Instant at) {
  world_.schedule(at, *this, kStart);
}

void SimProcess::drive(Instant at, Drive input) {
  world_.schedule(at, *this, kDrive, drives_.put(std::move(input)));
}

void SimProcess::fire(Instant now, std::uint32_t kind, std::uint32_t payload) {
  switch (static_cast<Kind>(kind)) {
    case kWake:
      if (now != scheduled_) return;  // another wake was wanted earlier, and has been
      scheduled_ = Instant::never();
      if (!alive_) return;
      if (wanted_ > now) {
        if (wanted_ != Instant::never()) {
          scheduled_ = wanted_;
          world_.schedule(wanted_, *this, kWake);
        }
        return;
      }
      wanted_ = Instant::never();
      return host_.submit(slot_, kWake, 0);
    case kStartJob: return host_.run_job(jobs_.at(payload).cost, *this, kJobDone, payload);
    case kWritten:
      if (payload == life_) written(now);
      return;
    case kArrive:
    case kJobDone:
    case kPersisted:
    case kStart:
    case kLogLost:
    case kDrive: return host_.submit(slot_, kind, payload);
  }
}

Duration SimProcess::run(Instant start, std::uint32_t kind, std::uint32_t payload) {
  started_ = start;
  cost_ = Duration(0);
  effects_hash_ = 0;
  const std::uint64_t input = take(start, kind, payload);
  const Duration cost = host_.scaled(cost_);
  if (!alive_) return Duration(0);
  Trace& trace = world_.trace();
  trace.mix(static_cast<std::uint64_t>(start.ns));
  trace.mix(identity_ << 8 ^ kind);
  trace.mix(input);
  trace.mix(effects_hash_ ^ static_cast<std::uint64_t>(cost.count()));
  release(start + cost);
  return cost;
}

// Gives the input to the replica; returns its word for the trace.
std::uint64_t SimProcess::take(Instant start, std::uint32_t kind, std::uint32_t payload) {
  const Instant shown = clock_.local(start);
  switch (static_cast<Kind>(kind)) {
    case kArrive: {
      const auto [bytes, origin] = inbox_.take(payload);
      if (!alive_) return 0;
      ++taken_;
      if (world_.trace().wants_text()) describe(start, kind, bytes.get());
      replica_->on_datagram(shown, bytes, origin);
      return fingerprint(*bytes);
    }
    case kWake:
      if (alive_) replica_->on_time(shown);
      return 1;
    case kStart:
      // Alive with its start and not before: what arrives until then is lost. A start of an earlier life is void.
      alive_ = payload == life_;
      if (alive_) replica_->start(shown, log_lost_ ? std::vector<Record>() : disk_.records(), log_lost_);
      return 2;
    case kLogLost:
      if (alive_ && payload == life_) replica_->lose_log(shown);
      return 4;
    case kJobDone: {
      PendingJob pending = jobs_.take(payload);
      if (alive_ && pending.life == life_)
        replica_->on_done(shown, pending.ticket, perform(pending.job, *setup_.keys, setup_.self));
      return pending.ticket.value;
    }
    case kPersisted: {
      const PendingRecord pending = persisting_.take(payload);
      if (alive_ && pending.life == life_) replica_->on_done(shown, pending.ticket, Persisted{});
      return pending.ticket.value;
    }
    case kDrive: {
      const Drive input = drives_.take(payload);
      if (alive_) replica_->drive(shown, [&](Effects& fx) { input(shown, fx); });
      return 3;
    }
    case kWritten:
    case kStartJob: break;
  }
  return 0;
}

void SimProcess::send(std::span<const Destination> to, const SharedBytes& sealed) {
  mix(hash64(*sealed));
  for (const Destination& destination : to) mix(word_of(destination));
  if (setup_.observer != nullptr) setup_.observer->on_sent(started_ + host_.scaled(cost_), setup_.self, to, *sealed);
  if (sends_used_ == sends_.size()) sends_.emplace_back();
  OutSend& out = sends_[sends_used_++];
  out.to.assign(to.begin(), to.end());
  out.sealed = sealed;
}

void SimProcess::append(Bytes record, Ticket ticket) {
  mix(hash64(record));
  ++records_;
  disk_.append(std::move(record), ticket);
}

void SimProcess::run(Job job, Ticket ticket) {
  PendingJob pending;
  for (const Charge& charge : costs_of(job, setup_.self)) pending.cost += setup_.costs->cost(charge.op, charge.count);
  pending.cost += Duration(static_cast<std::int64_t>(
      keyed_draw(world_.seed(), hash_name("job order"), identity_, ticket.value, 0) % kJobShuffleNs));
  mix(ticket.value << 8 ^ job.index());
  pending.job = std::move(job);
  pending.ticket = ticket;
  pending.life = life_;
  new_jobs_.push_back(jobs_.put(std::move(pending)));
}

void SimProcess::event(const Event& event) {
  mix(static_cast<std::uint64_t>(event.kind) ^ event.seq.value << 8);
  mix(event.view ^ event.sub_view << 32 ^ event.timestamp.value << 16);
  mix(hash64(event.digest.bytes) ^ event.who.value);
  if (setup_.observer != nullptr) setup_.observer->on_event(started_ + host_.scaled(cost_), setup_.self, event);
}

void SimProcess::accused(const Effects::Accuse& accusation) {
  mix(identity_of(accusation.who) ^ hash_name(accusation.reason));
  if (world_.trace().wants_text())
    world_.trace().text(started_, to_string(setup_.self),
                        "accuses " + to_string(accusation.who) + ": " + accusation.reason);
  if (setup_.observer != nullptr)
    setup_.observer->on_accused(started_ + host_.scaled(cost_), setup_.self, accusation);
}

// What the input caused leaves at its end.
void SimProcess::release(Instant finish) {
  for (std::size_t i = 0; i < sends_used_; ++i) {
    transport_.send(finish, *this, sends_[i].to, sends_[i].sealed);
    sends_[i].sealed.reset();
  }
  sends_used_ = 0;
  for (std::uint32_t job : new_jobs_) world_.schedule(finish, *this, kStartJob, job);
  new_jobs_.clear();
  write_disk(finish);
  if (wanted_ == Instant::never()) return;
  const Instant wake = std::max(wanted_, finish);
  if (wake >= scheduled_) return;
  scheduled_ = wake;
  world_.schedule(wake, *this, kWake);
}

void SimProcess::forget_before(Ticket ticket) {
  const std::size_t forgotten = disk_.forget_before(ticket);
  if (setup_.observer != nullptr && forgotten > 0)
    setup_.observer->on_forgotten(world_.now(), setup_.self, forgotten);
}

// One write at a time: what comes meanwhile is the next group.
void SimProcess::write_disk(Instant from) {
  if (!disk_.begin_write()) return;
  world_.schedule(from + persist_.value_or(setup_.costs->cost(Op::Persist)), *this, kWritten, life_);
}

void SimProcess::written(Instant now) {
  if (disk_.failed()) return;
  for (const SimDisk::Item& item : disk_.finish_write()) {
    if (setup_.keep_log && setup_.observer != nullptr) setup_.observer->on_durable(now, setup_.self, item.record);
    host_.submit(slot_, kPersisted, persisting_.put({item.ticket, life_}));
  }
  write_disk(now);
}

void SimProcess::describe(Instant start, std::uint32_t, const Bytes* bytes) {
  constexpr std::size_t kMaxText = 400;
  std::string text = "<- " + std::to_string(bytes->size()) + " bytes";
  if (auto parts = parse_sealed(*bytes)) {
    text = "<- " + to_string(parts->header.sender);
    if (const MessageType* type = setup_.table.find(parts->header.protocol, parts->header.type)) {
      text += std::string(" ") + type->name;
      if (auto body = type->decode(parts->body, nullptr)) text += " " + type->print(body->get());
    }
  }
  if (text.size() > kMaxText) text = text.substr(0, kMaxText) + "...";
  world_.trace().text(start, to_string(setup_.self), text);
}

}  // namespace seneschal::world
