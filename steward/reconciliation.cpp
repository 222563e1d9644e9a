#include "steward/reconciliation.hpp"

namespace seneschal::steward {

void Reconciliation::start(Instant now) {
  // Neighbours do not all ask in the same moment.
  next_ = now + context_.settings.reconcile_idle + context_.settings.tick * context_.self.index.value;
}

std::optional<Reject> Reconciliation::on_request(Instant now, const Verified<ReconcileRequest>& message,
                                                 Effects& fx) {
  // The sender is only claimed when it is of another site: an answer costs little and goes out rarely.
  if (context_.is_local(message.signer()) && message.header().auth != AuthKind::Mac) return Reject::BadSignature;
  Seq theirs = message.body().aru;
  Seq ours = context_.history.aru();
  if (context_.is_local(message.signer())) context_.hear(std::min(theirs, ours + 2 * context_.history.window()));
  bool behind = message.body().stable < context_.history.stable();
  if (theirs >= ours && !behind) return std::nullopt;
  auto [last, first] = answered_.try_emplace(message.signer(), now);
  if (!first && now - last->second < context_.settings.reconcile_spacing) return Reject::Overloaded;
  last->second = now;
  if (behind) context_.show_stable(now, {Destination::to(message.signer().server())}, message.signer(), fx);
  std::size_t sent = 0;
  std::size_t bytes = 0;
  for (Seq seq = theirs.next(); seq <= ours && sent < context_.settings.reconcile_entries; ++seq, ++sent) {
    const Entry* entry = context_.history.find(seq);
    if (entry == nullptr || !entry->order || !entry->batch) break;  // not kept any more: needs a snapshot
    const std::size_t size = ordered_entry_size(*entry);
    if (sent > 0 && bytes + size > context_.settings.reconcile_bytes) break;
    if (!context_.may_draw_catching_up(now, message.signer().server(), size)) return Reject::Overloaded;
    bytes += size;
    fx.send(Destination::to(message.signer().server()), ordered_entry(*entry), {.auth = AuthKind::Bare});
  }
  return std::nullopt;
}

void Reconciliation::progressed(Instant now) {
  fruitless_ = 0;
  bool behind = context_.heard > context_.history.aru();
  if (!behind) site_is_behind_ = false;
  Duration wait = behind ? context_.settings.reconcile_after : context_.settings.reconcile_idle;
  next_ = now + wait;
  hurry(now);
}

// In the middle of catching up the next question follows at once. Other sites are asked by one server at a time; who
// is next in turn waits a little for the one before, which may be faulty or not as far.
void Reconciliation::hurry(Instant now) {
  if (context_.heard <= context_.history.aru() || (!helpful_ && !site_is_behind_)) return;
  const Duration step = context_.settings.reconcile_after / 4;
  Instant at = now + context_.settings.reconcile_spacing;
  if (!helpful_) {
    at = at + turns_before() * step;
    // What was asked for is still on its way.
    if (asked_part_ == part()) at = std::max(at, asked_far_at_ + step);
  }
  next_ = std::min(next_, at);
}

void Reconciliation::entry_came(Instant now, const Verified<OrderedEntry>& message, Effects& fx) {
  const Principal& from = message.signer();
  if (!from.is_server()) return;
  if (context_.is_local(from)) {
    helpful_ = from.server();
  } else {
    // Neighbours had nothing: the site is behind as a whole. Then each entry crosses the wide area once: whoever
    // asked for it passes it on, and they take turns.
    site_is_behind_ = true;
    if (asked_far_ == from.server())
      for (std::uint16_t i = 0; i < context_.own().servers; ++i)
        if (const ServerIndex index(i); index != context_.self.index)
          fx.forward(Destination::to(context_.local(index)), message.bytes());
  }
  hurry(now);
}

std::uint64_t Reconciliation::part() const {
  return context_.history.aru().value / context_.settings.reconcile_entries;
}

std::uint32_t Reconciliation::turns_before() const {
  const std::uint32_t n = context_.own().servers;
  return (context_.self.index.value + n - static_cast<std::uint32_t>(part() % n)) % n;
}

void Reconciliation::on_tick(Instant now, Effects& fx) {
  // Something above our ARU became known: do not wait for the idle period.
  if (context_.heard > context_.history.aru() && fruitless_ == 0)
    next_ = std::min(next_, now + context_.settings.reconcile_after);
  if (now < next_) return;
  ask(now, fx);
}

void Reconciliation::ask(Instant now, Effects& fx) {
  const bool behind = context_.heard > context_.history.aru();
  const std::uint16_t n = context_.own().servers;
  if (fruitless_ > context_.own().faults + 1u) site_is_behind_ = false;
  if (behind && (helpful_ || site_is_behind_)) {
    // A neighbour answers at once, if it is not behind for the same reason. Of the others another one each time: each
    // answers a site within bounds. Whose turn it is may be faulty: nobody waits long for it.
    if (helpful_ || n > 1) send(now, helpful_ ? *helpful_ : neighbour(beside_++), fx);
    if (!helpful_) send(now, far_away(), fx);
    helpful_.reset();
  } else if (behind && fruitless_ == 0 && !context_.views.is_representative()) {
    // Who leads is where things are going on; neighbours are often behind for the same reason.
    send(now, context_.views.representative(), fx);
  } else if (std::uint32_t turn = turn_++;
             context_.sites() > 1 && turn % 3 == 2 && (behind || context_.views.is_representative() || n == 1)) {
    // Between sites the representatives ask, and whoever is stuck.
    send(now, far_away(), fx);
  } else if (n > 1) {
    send(now, neighbour(turn_), fx);
  } else {
    next_ = now + context_.settings.reconcile_idle;
    return;
  }
  // Ever more rarely, but only once f+1 have been of no help. Who asks for nothing in particular does not count.
  const std::uint32_t rounds = behind ? fruitless_++ / (context_.own().faults + 1u) : 0;
  Duration wait = context_.settings.reconcile_after * (1 << std::min(rounds, 3u));
  next_ = now + (behind ? std::min(wait, context_.settings.reconcile_idle) : context_.settings.reconcile_idle);
}

/// Each site in turn, its representative first.
ServerId Reconciliation::far_away() {
  const std::uint32_t turn = far_turn_++;
  const auto others = static_cast<std::uint32_t>(context_.sites() - 1);
  const SiteId site(static_cast<std::uint16_t>((context_.self.site.value + 1 + turn % others) % context_.sites()));
  const std::uint32_t index = context_.views.representative(site).index.value + turn / others;
  return {site, ServerIndex(static_cast<std::uint16_t>(index % context_.membership.site(site).servers))};
}

ServerId Reconciliation::neighbour(std::uint32_t turn) const {
  const std::uint16_t n = context_.own().servers;
  const std::uint32_t other = 1 + turn % (n - 1u);
  return context_.local(ServerIndex(static_cast<std::uint16_t>((context_.self.index.value + other) % n)));
}

void Reconciliation::send(Instant now, ServerId to, Effects& fx) {
  if (to == context_.self) return;
  const bool near = to.site == context_.self.site;
  if (!near) {
    asked_far_ = to;
    asked_far_at_ = now;
    asked_part_ = part();
  }
  fx.send(Destination::to(to), ReconcileRequest{context_.history.aru(), context_.history.stable()},
          {.auth = near ? AuthKind::Mac : AuthKind::Bare});
}

}  // namespace seneschal::steward
