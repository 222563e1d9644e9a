#include "steward/updates.hpp"

namespace seneschal::steward {
namespace {
/// A client that repeats itself faster than this is not passed on again.
constexpr Duration kForwardSpacing = 20ms;
/// Each time that it was passed on so often in vain the other servers of the site are given the update, too.
constexpr std::uint32_t kAlone = 3;
/// A representative is given so often in Local_T what it would be suspected for.
constexpr std::int64_t kTries = 3;
/// What an update that the leader site's representative left out weighs in those that it did not. The second one
/// before the first is made up for, and so many of the next ones go to others of its site at once.
constexpr std::uint32_t kLeftOut = 8;
constexpr std::uint32_t kShown = 64;
/// Bytes of a reply or answer without its result, about.
}  // namespace

std::optional<Reject> Updates::on_update(Instant now, const Verified<Update>& message, Effects& fx) {
  const ClientInfo* client = context_.execution.roster().member(message.signer().client());
  if (client == nullptr) return Reject::UnknownClient;
  if (client->home != context_.self.site) return Reject::WrongSite;
  return take(now, message.embed(), Leg::ToRepresentative, true, fx);
}

std::optional<Reject> Updates::on_forwarded(Instant now, const Verified<ForwardedUpdate>& message, Effects& fx) {
  const ForwardedUpdate& m = message.body();
  // Inside a site only a neighbour's word counts: anybody could else make a server watch what nobody gave to its
  // representative. [Steward 3.3]
  if (m.leg != Leg::ToLeaderSite) {
    if (!context_.is_local(message.signer())) return Reject::WrongSite;
    if (message.header().auth == AuthKind::Bare) return Reject::BadSignature;
  }
  if (m.leg != Leg::ToRepresentative && !context_.views.at_leader_site()) return Reject::NotLeaderSite;
  return take(now, m.update, m.leg, false, fx);
}

std::optional<Reject> Updates::take(Instant now, const Signed<Update>& update, Leg leg, bool direct, Effects& fx) {
  if (update.header.auth != AuthKind::Signature) return Reject::Malformed;  // others could not check a MAC
  ClientId client = update.signer().client();
  Timestamp timestamp = update.body.timestamp;
  // The gate knows some who left: their updates may be in entries under way, but begin no new one. [Membership 4]
  if (context_.execution.roster().member(client) == nullptr) return Reject::UnknownClient;
  // Timestamps start at 1; with 0 a restarted client asks which was its last. It is answered, never ordered.
  if (timestamp.value == 0 && !direct) return Reject::StaleTimestamp;
  if (timestamp.value == 0 || context_.execution.clients().executed(client, timestamp)) {
    return direct ? service_.reply_again(now, client, timestamp, fx) : std::optional(Reject::AlreadyExecuted);
  }
  auto known = watched_.entries().find(client);
  bool again = known != watched_.entries().end() && known->second.timestamp == timestamp;
  if (!again && !watched_.watch(client, timestamp, now, share(update.sealed))) return Reject::StaleTimestamp;
  Sent& sent = sent_[client];
  if (again) {
    // The first operation under a timestamp is the one that is watched; the client gains nothing by a second.
    bool from_afar = leg == Leg::ToLeaderSite && sent.leg != Leg::ToLeaderSite;
    // A server that has the update and is not the representative retransmits it without being asked.
    bool nudged = leg == Leg::ToRepresentative && context_.views.is_representative();
    if ((!direct && !from_afar && !nudged) || now - sent.last < kForwardSpacing) return Reject::Duplicate;
  } else {
    sent = {};
  }
  const bool chosen = direct && !again && chosen_by(client, timestamp);
  if (direct) say_majority_lost(now, client, timestamp, fx);
  if (!again || leg == Leg::ToLeaderSite) sent.leg = leg;
  if (direct || leg == Leg::ToLeaderSite) sent.first_hand = true;
  sent.last = now;
  if (context_.views.at_leader_site()) {
    // A representative must not be able to starve one client or one site without being replaced. [Steward 3.3]
    if (leg == Leg::ToLeaderSite) {
      fx.send(Destination::to(context_.self.site), ForwardedUpdate{Leg::InsideLeaderSite, update},
              {.auth = AuthKind::Authenticator});
      sent.give(now);
    }
    if (orders()) {
      sent.give(now);
      sequencing_.submit(now, update);
    } else if (leg == Leg::ToRepresentative) {
      pass_on(now, update, Way::Usual, fx);
    }
  } else {
    pass_on(now, update, chosen ? Way::Chosen : Way::Usual, fx);
  }
  if (!again) sent.count = 1;
  // Those it was passed on to watch, and leave trying again to whoever passes on, unless it goes on for long: a
  // representative must not be suspected for an update that it was never shown. A repeat does not put it off.
  const Instant due = now + (leg == Leg::InsideLeaderSite ? 2 : 1) * retry_after();
  retry_at(client, again ? std::min(due, sent.due) : due);
  return std::nullopt;
}

void Updates::retry_at(ClientId client, Instant at) {
  sent_[client].due = at;
  retries_.set(client, at);
}

/// Whether its last two updates came here first: this server is its contact. A client that gives an update to
/// everybody, because nobody answered, is then not taken for one. The earlier one need not be executed here yet: that
/// the client goes on says that it is, and a representative that lets this server lag must not keep it from knowing.
bool Updates::chosen_by(ClientId client, Timestamp timestamp) {
  const auto* last = context_.execution.clients().find(client);
  const Timestamp before = std::exchange(given_here_[client], timestamp);
  return before.value != 0 && (last == nullptr || last->timestamp <= before);
}

void Updates::pass_on(Instant now, const Signed<Update>& update, Way way, Effects& fx) {
  const Views& views = context_.views;
  Sent& sent = sent_[update.signer().client()];
  sent.give(now);
  // DEVIATION(TR Fig. 5, 7), [Steward 3.2]: a client's contact sends to the leader site itself, too. Its
  // representative could take its time with everything its site's clients want, and nobody could tell. It gets the
  // update all the same: who leads there may keep what it alone was given to itself, and then f+1 of its site must be
  // told in time.
  const bool contact = way == Way::Chosen || (way == Way::Again && sent.relayed);
  if (!views.is_representative() && contact && !views.at_leader_site() &&
      context_.budgets.may_pass_representative(now, update.signer().client(), update.sealed.size())) {
    if (!sent.relayed) sent.relayed = now;
    fx.send(at_leader_site(sent), ForwardedUpdate{Leg::ToLeaderSite, update}, {.auth = AuthKind::Bare});
  }
  if (!views.is_representative()) {
    // In the end to all of the site: who has it alone can replace no representative. Who has it from a neighbour does
    // not have it alone, and not everybody needs to tell everybody.
    const bool to_all = way == Way::Again && sent.first_hand && sent.count > 0 && sent.count % kAlone == 0;
    return fx.send(to_all ? Destination::to(context_.self.site) : Destination::to(views.representative()),
                   ForwardedUpdate{Leg::ToRepresentative, update},
                   {.auth = to_all ? AuthKind::Authenticator : AuthKind::Mac});
  }
  // At the leader site a representative that abstains orders nothing: the others shall see that. Elsewhere it does
  // all that it is asked for here.
  if (views.at_leader_site() && !views.participating())
    return fx.send(Destination::to(context_.self.site), ForwardedUpdate{Leg::ToRepresentative, update},
                   {.auth = AuthKind::Authenticator});
  if (views.at_leader_site()) return;
  if (!sent.relayed) sent.relayed = now;
  fx.send(at_leader_site(sent), ForwardedUpdate{Leg::ToLeaderSite, update}, {.auth = AuthKind::Bare});
}

// [Steward 3.3] First to the representative; again to f+1 others in turn, never to it: they show it to their site,
// one of them is correct, and only what it does not have from the sender alone can be held against it. Where it has
// left out two, the f+1 get the next ones at once.
std::vector<Destination> Updates::at_leader_site(const Sent& sent) {
  const Views& views = context_.views;
  const ServerId representative = views.representative(views.leader_site());
  const SiteInfo& info = context_.membership.site(representative.site);
  if (neglectful_.representative != representative) neglectful_ = {representative, 0, 0};
  std::vector<Destination> to;
  std::uint32_t first = 0;  // of the others
  if (sent.count > 0) {
    first = (sent.count - 1) * (info.faults + 1u);
  } else {
    to.push_back(Destination::to(representative));
    if (neglectful_.shown == 0) return to;
    first = --neglectful_.shown;
  }
  for (std::uint32_t i = 0; i < info.faults + 1u; ++i) {
    const std::uint32_t next = representative.index.value + 1u + (first + i) % (info.servers - 1u);
    to.push_back(
        Destination::to(ServerId{representative.site, ServerIndex(static_cast<std::uint16_t>(next % info.servers))}));
  }
  return to;
}

void Updates::proposed(Instant now, Seq seq) {
  const Entry* entry = context_.history.find(seq);
  if (entry == nullptr || !entry->batch) return;
  if (!has_room(*entry->batch.batch, context_.settings)) last_full_ = now;
  for (const auto& update : entry->batch.batch->updates) {
    auto sent = sent_.find(update.signer().client());
    auto watched = watched_.entries().find(update.signer().client());
    if (sent == sent_.end() || watched == watched_.entries().end()) continue;
    if (watched->second.timestamp > update.body.timestamp || std::exchange(sent->second.proposed, true)) continue;
    if (!sent->second.missed && sent->second.relayed && neglectful_.strain > 0) --neglectful_.strain;
  }
}

// A correct representative proposes what it is given as soon as it may; with full batches under way others wait in
// turn. One that leaves out what comes from here, though it has room, cannot be convicted from here: others of its
// site are shown it. [Steward 6, Forwarding]
void Updates::note_missed(Instant now, Effects& fx) {
  if (context_.views.at_leader_site()) return;
  const SiteId leader = context_.views.leader_site();
  const Duration measured = timers_.shortest_round_trip(leader);
  const Duration round_trip = measured.count() == 0 ? context_.settings.retransmit_local : measured;
  const Duration due = round_trip + 2 * allowance_ + 2 * timers_.write_time_of(leader);
  std::optional<std::pair<Instant, ClientId>> oldest;
  for (const auto& [client, sent] : sent_) {
    if (!sent.relayed || sent.proposed || sent.missed || *sent.relayed < last_full_) continue;
    if (now - *sent.relayed <= due || !watched_.entries().contains(client)) continue;
    const std::pair at{*sent.relayed, client};
    if (!oldest || at < *oldest) oldest = at;
  }
  if (!oldest) return;
  sent_[oldest->second].missed = true;
  neglectful_.strain += kLeftOut;
  if (neglectful_.strain > kLeftOut) {
    neglectful_.strain = kLeftOut;  // one more is enough to go on
    neglectful_.shown = kShown;
  }
  try_again(now, oldest->second, fx);
}

bool Updates::orders() const {
  const Views& views = context_.views;
  return views.at_leader_site() && views.is_representative() && views.participating();
}

Duration Updates::retry_after() const {
  return std::max(context_.settings.retransmit_wide, 3 * usual_);
}

// A server suspects its representative for what it gave to it itself, so that happens well before Local_T runs out,
// and more than once. `retry_after` knows no bound: clients can make it long with updates of their own.
Duration Updates::hand_over_after() const {
  const Duration local =
      context_.views.at_leader_site() ? timers_.leader_representative_timeout() : timers_.representative_timeout();
  return std::max(context_.settings.retransmit_local, local / kTries);
}

// At the leader site a round inside it is enough: what nobody gave to the representative delays its client, and
// nobody could hold it against anybody.
Duration Updates::give_after() const {
  return context_.views.at_leader_site() ? std::min(hand_over_after(), allowance_) : hand_over_after();
}

// One update that this server has not given to the representative yet, and the one that would be the first reason to
// suspect it. Not all of them, which would add to the load when there is too much of it.
void Updates::hand_over(Instant now, Effects& fx) {
  if (orders()) return;
  std::optional<std::pair<Instant, ClientId>> kept, given;
  const bool leads = context_.views.at_leader_site();
  for (const auto& [client, entry] : watched_.entries()) {
    const Sent& sent = sent_[client];
    if (leads && !sent.given && (sent.proposed || sequencing_.assigned(client, entry.timestamp))) continue;
    auto& oldest = sent.given ? given : kept;
    const std::pair at{sent.given.value_or(entry.since), client};
    if (!oldest || at < *oldest) oldest = at;
  }
  const Duration wait = hand_over_after();
  if (given && now - given->first > kTries * wait) given.reset();  // by now it is suspected: no need to hurry
  if (kept && now - sent_[kept->second].last >= give_after()) try_again(now, kept->second, fx);
  if (given && now - sent_[given->second].last >= wait) try_again(now, given->second, fx);
}

void Updates::try_again(Instant now, ClientId client, Effects& fx) {
  const auto& watched = watched_.entries().at(client);
  Sent& sent = sent_[client];
  sent.last = now;
  Duration wait = retry_after() * (1 << std::min(sent.count, 5u));
  retry_at(client, now + std::min(wait, std::max(context_.settings.retransmit_max, retry_after())));
  auto parts = parse_sealed(*watched.sealed);
  auto body = decode<Update>(parts->body);
  Signed<Update> update{*watched.sealed, parts->header, std::move(*body)};
  if (orders()) {
    sent.give(now);
    sequencing_.submit(now, update);
  } else {
    // Servers that only watch the update retransmit it too: the sender may have withheld it from the others.
    pass_on(now, update, Way::Again, fx);
  }
  ++sent.count;
}

void Updates::on_tick(Instant now, Duration allowance, Effects& fx) {
  allowance_ = allowance;
  note_missed(now, fx);
  while (auto client = retries_.pop(now))
    if (watched_.entries().contains(*client)) try_again(now, *client, fx);
  hand_over(now, fx);
}

void Updates::view_changed(Instant now) {
  for (auto& [client, sent] : sent_) {
    sent.count = 0;
    sent.given.reset();
    sent.relayed.reset();
    sent.proposed = sent.missed = false;
    // Where this server only watches, somebody else passes the update on first; a new representative orders it
    // itself.
    bool watches = !orders() && sent.leg == Leg::InsideLeaderSite && context_.views.at_leader_site();
    retry_at(client, watches ? now + 2 * retry_after() : now);
  }
}

template <class When>
std::optional<Waiting> Updates::longest_waiting(const When& when) const {
  std::optional<Waiting> oldest;
  for (const auto& [client, sent] : sent_) {
    if (!when(sent) || !watched_.entries().contains(client)) continue;
    if (!oldest || *when(sent) < oldest->since) oldest = Waiting{client, *when(sent)};
  }
  return oldest;
}

std::optional<Waiting> Updates::oldest_here() const {
  return longest_waiting([](const Sent& sent) { return sent.given; });
}
std::optional<Waiting> Updates::oldest_anywhere() const {
  return longest_waiting([](const Sent& sent) { return sent.begun; });
}

template <class F>
void Updates::for_each_given(F&& use) const {
  for (const auto& [client, sent] : sent_) {
    auto watched = watched_.entries().find(client);
    if (!sent.given || watched == watched_.entries().end()) continue;
    if (!sequencing_.assigned(client, watched->second.timestamp)) use(*sent.given);
  }
}

std::optional<Instant> Updates::oldest_given() const {
  std::optional<Instant> oldest;
  for_each_given([&](Instant given) { oldest = std::min(oldest.value_or(given), given); });
  return oldest;
}

std::size_t Updates::given_before(Instant when) const {
  std::size_t count = 0;
  for_each_given([&](Instant given) { count += given < when ? 1 : 0; });
  return count;
}

void Updates::majority_lost(Instant now, Effects& fx) {
  for (const auto& [client, entry] : watched_.entries()) {
    const ClientInfo* info = context_.execution.roster().member(client);
    if (info != nullptr && info->home == context_.self.site) say_majority_lost(now, client, entry.timestamp, fx);
  }
}

// The update stays watched: it is ordered when enough sites are back, if its client still wants it or not.
void Updates::say_majority_lost(Instant now, ClientId client, Timestamp timestamp, Effects& fx) {
  if (context_.majority_reached() || !service_.may_answer(now, client, service_.kOverhead)) return;
  auto number = [](std::size_t sites) { return static_cast<std::uint16_t>(sites); };
  fx.send(Destination::to(client),
          replication::NoMajority{timestamp, number(context_.reached), number(context_.membership.site_majority())},
          {.auth = AuthKind::Mac});
}

void Updates::executed(Instant now, const std::vector<ClientId>& clients, Effects& fx) {
  for (ClientId client : clients) {
    const auto* last = context_.execution.clients().find(client);
    CHECK(last != nullptr);
    const ClientInfo* info = context_.execution.roster().member(client);
    if (info != nullptr && info->home == context_.self.site) service_.reply(client, fx);
    auto it = watched_.entries().find(client);
    if (it == watched_.entries().end() || it->second.timestamp > last->timestamp) continue;
    usual_ += (now - it->second.since - usual_) / 8;
    watched_.discharge(client, last->timestamp);
    sent_.erase(client);
    retries_.cancel(client);
  }
  service_.answer_waiting(fx);
}

void Updates::clients_left() {
  const auto gone = [&](ClientId client) { return context_.execution.roster().member(client) == nullptr; };
  watched_.forget_if(gone);
  for (const auto& [client, sent] : sent_)
    if (gone(client)) retries_.cancel(client);
  std::erase_if(sent_, [&](const auto& sent) { return gone(sent.first); });
  std::erase_if(given_here_, [&](const auto& given) { return gone(given.first); });
  service_.clients_left();
  context_.budgets.forget_clients_if(gone);
}

std::optional<Reject> Updates::on_query(Instant now, const Verified<replication::Query>& message, Effects& fx) {
  ClientId id = message.signer().client();
  const ClientInfo* client = context_.execution.roster().member(id);
  if (client == nullptr) return Reject::UnknownClient;
  if (client->home != context_.self.site) return Reject::WrongSite;
  return service_.on_query(now, id, message.body(), fx);
}

}  // namespace seneschal::steward
