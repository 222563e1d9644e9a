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
  bool behind = message.body().checkpoint < context_.history.checkpoint();
  if (theirs >= ours && !behind) return std::nullopt;
  auto [last, first] = answered_.try_emplace(message.signer(), now);
  if (!first && now - last->second < context_.settings.reconcile_spacing) return Reject::Overloaded;
  last->second = now;
  if (behind) fx.forward(Destination::to(message.signer().server()), context_.checkpoint.sealed);
  std::size_t sent = 0;
  for (Seq seq = theirs.next(); seq <= ours && sent < context_.settings.reconcile_entries; ++seq, ++sent) {
    const Entry* entry = context_.history.find(seq);
    if (entry == nullptr || !entry->order || !entry->batch) break;  // not kept any more: needs a snapshot
    if (!context_.may_draw(now, message.signer().server(), ordered_entry_size(*entry))) return Reject::Overloaded;
    fx.send(Destination::to(message.signer().server()), ordered_entry(*entry), {.auth = AuthKind::Bare});
  }
  return std::nullopt;
}

void Reconciliation::progressed(Instant now) {
  fruitless_ = 0;
  bool behind = context_.heard > context_.history.aru();
  Duration wait = behind ? context_.settings.reconcile_after : context_.settings.reconcile_idle;
  next_ = now + wait;
  // In the middle of catching up the next question follows at once.
  if (helpful_ && behind) next_ = now + context_.settings.reconcile_spacing;
}

void Reconciliation::entry_came(Instant now, const Principal& from) {
  if (!from.is_server()) return;
  helpful_ = from.server();
  next_ = std::min(next_, now + context_.settings.reconcile_spacing);
}

void Reconciliation::on_tick(Instant now, Effects& fx) {
  // Something above our ARU became known: do not wait for the idle period.
  if (context_.heard > context_.history.aru() && fruitless_ == 0)
    next_ = std::min(next_, now + context_.settings.reconcile_after);
  if (now < next_) return;
  ask(now, fx);
}

void Reconciliation::ask(Instant now, Effects& fx) {
  bool behind = context_.heard > context_.history.aru();
  std::uint16_t n = context_.own().servers;
  ServerId to;
  if (helpful_) {
    to = *helpful_;
    helpful_.reset();
  } else if (behind && fruitless_ == 0 && !context_.views.is_representative()) {
    // Who leads is where things are going on; neighbours are often behind for the same reason.
    to = context_.views.representative();
  } else if (std::uint32_t turn = turn_++;
             context_.sites() > 1 && turn % 3 == 2 && (behind || context_.views.is_representative() || n == 1)) {
    // Between sites the representatives ask, and whoever is stuck.
    std::uint32_t other = 1 + (turn / 3) % static_cast<std::uint32_t>(context_.sites() - 1);
    SiteId site(static_cast<std::uint16_t>((context_.self.site.value + other) % context_.sites()));
    const SiteInfo& info = context_.membership.site(site);
    std::uint32_t index = context_.views.representative(site).index.value + turn / 3;
    to = {site, ServerIndex(static_cast<std::uint16_t>(index % info.servers))};
  } else if (n > 1) {
    std::uint32_t other = 1 + turn_ % (n - 1u);
    to = context_.local(ServerIndex(static_cast<std::uint16_t>((context_.self.index.value + other) % n)));
  } else {
    next_ = now + context_.settings.reconcile_idle;
    return;
  }
  // Ever more rarely, but only once f+1 have been of no help. Who asks for nothing in particular does not count.
  const std::uint32_t rounds = behind ? fruitless_++ / (context_.own().faults + 1u) : 0;
  Duration wait = context_.settings.reconcile_after * (1 << std::min(rounds, 3u));
  next_ = now + (behind ? std::min(wait, context_.settings.reconcile_idle) : context_.settings.reconcile_idle);
  if (to != context_.self)
    fx.send(Destination::to(to), ReconcileRequest{context_.history.aru(), context_.history.checkpoint()},
            {.auth = to.site == context_.self.site ? AuthKind::Mac : AuthKind::Bare});
}

}  // namespace seneschal::steward
