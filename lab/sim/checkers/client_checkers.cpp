#include "lab/sim/checkers/client_checkers.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "replication/applications.hpp"
#include "replication/messages.hpp"
#include "replication/observed_application.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {
/// What this process itself says, not what it passes on.
template <class M>
std::optional<M> own(const Principal& from, const SealedParts& parts) {
  if (parts.header.sender != from || !header_fits<M>(parts.header, 0)) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}
std::string seq_text(Seq seq) {
  return "seq " + std::to_string(seq.value);
}
}  // namespace

// ---- Shadow ----

Shadow::Shadow(const std::string& application) {
  auto made = replication::make_application(application);
  CHECK(made.has_value());
  application_ = std::make_unique<replication::ObservedApplication>(std::move(*made), nullptr);
}

Bytes Shadow::query(Seq seq, Span operation) {
  CHECK(seq <= highest());
  for (; at_ < seq.value; ++at_)
    for (const Operation& next : history_[at_]) (void)application_->apply(next.client, next.bytes);
  for (; at_ > seq.value; --at_)
    for (std::size_t i = 0; i < history_[at_ - 1].size(); ++i) application_->undo();
  return application_->query(operation);
}

// ---- Queries ----

Queries::Queries(const Facts& facts, Verdict& verdict) : Checker(facts, verdict), shadow_(facts.application) {}

void Queries::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_client() || facts_.two_faced.contains(from.client())) return;
  Client& client = clients_[from.client()];
  if (auto update = own<replication::Update>(from, parts)) {
    if (update->timestamp == client.asked.timestamp) client.asked.ordered = true;
  } else if (auto query = own<replication::Query>(from, parts)) {
    if (query->min_seq < client.known)
      fail(at, to_string(from) + " asks for what was known at " + seq_text(query->min_seq) + " and has seen " +
                   seq_text(client.known));
    if (query->timestamp != client.asked.timestamp)
      client.asked = {query->timestamp, query->min_seq, std::move(query->operation.value)};
  }
}

// What a correct server says of a state must be true of it, whether its client takes it or not.
void Queries::on_told(Instant at, ServerId server, ClientId id, const SealedParts& parts) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || !facts_.correct(server)) return;
  const Asked& asked = found->second.asked;
  const auto answer = own<replication::Answer>(Principal::of(server), parts);
  if (!answer || answer->timestamp != asked.timestamp) return;
  const std::string where =
      "server " + to_string(server) + " answers client " + std::to_string(id.value) + " at " + seq_text(answer->seq);
  if (answer->seq < asked.min_seq) return fail(at, where + ", which asked for " + seq_text(asked.min_seq));
  if (answer->seq > shadow_.highest()) return fail(at, where + ", which nobody has executed");
  if (shadow_.query(answer->seq, asked.operation) != answer->result.value)
    fail(at, where + " with what was not so then");
}

void Queries::on_applied(Instant, ServerId server, ClientId client, Span operation, Span) {
  servers_[server].applied.push_back({client, Bytes(operation.begin(), operation.end())});
}

void Queries::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind == EventKind::Accepted) return taken(at, self, event);
  if (!self.is_server()) return;
  Server& server = servers_[self.server()];
  if (event.kind == EventKind::Executed) return executed(server, event.seq);
  if (event.kind != EventKind::UpdateDone) return;
  // The administrator's orders go to no application.
  if (facts_.membership.administrator && event.who == Principal::of(*facts_.membership.administrator)) return;
  if (server.applied.empty())
    return fail(at, to_string(self) + " says that an update of " + to_string(event.who) +
                        " is done, which its application never saw");
  server.of_this_seq.push_back(std::move(server.applied.front()));
  server.applied.pop_front();
}

void Queries::executed(Server& server, Seq seq) {
  auto operations = std::exchange(server.of_this_seq, {});
  if (seq == shadow_.highest().next()) shadow_.extend(std::move(operations));
}

void Queries::taken(Instant at, const Principal& self, const Event& event) {
  Client& client = clients_[self.client()];
  const Asked& asked = client.asked;
  const Seq known = client.known;
  client.known = std::max(known, event.seq);
  if (event.timestamp != asked.timestamp || asked.ordered) return;
  const std::string where = to_string(self) + " takes an answer of " + seq_text(event.seq);
  if (event.seq < known) return fail(at, where + " and has seen " + seq_text(known));
  if (event.seq > shadow_.highest()) return fail(at, where + ", which nobody has executed");
  // In the flat baseline equal answers may be of different states: that of one of them is the client's.
  const Seq last = facts_.protocol == Protocol::Bft ? shadow_.highest() : event.seq;
  for (Seq seq = event.seq; seq <= last; ++seq)
    if (crypto::sha256(shadow_.query(seq, asked.operation)) == event.digest) return;
  fail(at, where + " that no executed state gives");
}

// ---- OwnTimestamps ----

void OwnTimestamps::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_client() || facts_.two_faced.contains(from.client())) return;
  const auto update = own<replication::Update>(from, parts);
  if (!update || update->timestamp.value == 0) return;
  const std::uint64_t operation = hash64(update->operation.value);
  const auto [said, fresh] = said_.try_emplace({from, update->timestamp}, operation);
  if (!fresh && said->second != operation)
    fail(at, to_string(from) + " says two things under timestamp " + std::to_string(update->timestamp.value));
}

// ---- Served ----

void Served::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_client() || facts_.two_faced.contains(from.client())) return;
  const auto update = own<replication::Update>(from, parts);
  if (!update || update->timestamp.value == 0) return;
  Issued& issued = waiting_[from];
  if (update->timestamp > issued.timestamp) issued = {update->timestamp, at};
}

void Served::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind != EventKind::UpdateDone) return;
  const auto served = waiting_.find(event.who);
  if (served == waiting_.end() || served->second.timestamp > event.timestamp) return;
  const Issued done = served->second;
  waiting_.erase(served);
  for (const auto& [client, issued] : waiting_)
    if (done.at - issued.at > facts_.served_within)
      return fail(at, to_string(self) + " executes an update of " + to_string(event.who) + " that was issued " +
                          std::to_string((done.at - issued.at) / std::chrono::milliseconds(1)) + " ms after one of " +
                          to_string(client) + " that still waits");
}

// ---- Office ----

ServerId Office::in_office(SiteId site) const {
  const SiteInfo& info = facts_.membership.site(site);
  std::vector<std::uint64_t> views;
  for (std::uint16_t i = 0; i < info.servers; ++i) {
    const ServerId id{site, ServerIndex(i)};
    const auto view = views_.find(id);
    if (facts_.correct(id)) views.push_back(view == views_.end() ? 0 : view->second);
  }
  std::ranges::sort(views, std::greater{});
  return {site, ServerIndex(static_cast<std::uint16_t>(views[info.faults] % info.servers))};
}

bool Office::needed(SiteId site) const {
  const std::size_t sites = facts_.membership.sites.size();
  const SiteId leader(static_cast<std::uint16_t>(global_.value % sites));
  if (site == leader) return true;
  std::size_t good = 0;
  for (std::uint16_t other = 0; other < sites; ++other)
    if (SiteId(other) != leader && SiteId(other) != site) good += facts_.correct(in_office(SiteId(other))) ? 1 : 0;
  return good + 1 < facts_.membership.site_majority();
}

// The time since the last look counts for those who have been in office.
void Office::pass(Instant at) {
  if (at <= looked_) return;  // processes are seen a little out of turn
  const Duration passed = at - std::exchange(looked_, at);
  if (waiting_.empty()) return;
  for (std::uint16_t i = 0; i < facts_.membership.sites.size(); ++i) {
    const SiteId site(i);
    const ServerId representative = in_office(site);
    if (facts_.correct(representative) || !needed(site)) continue;
    Duration& spent = spent_[site];
    spent += passed;
    if (spent > facts_.office_within * facts_.membership.site(site).faults)
      fail(at, "the faulty server " + to_string(representative) +
                   " represents its site although clients have waited for " +
                   std::to_string(spent / std::chrono::milliseconds(1)) + " ms under such ones");
  }
}

void Office::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  pass(at);
  if (!from.is_client() || facts_.two_faced.contains(from.client())) return;
  const auto update = own<replication::Update>(from, parts);
  if (update && update->timestamp.value != 0) waiting_[from] = std::max(waiting_[from], update->timestamp);
}

void Office::on_event(Instant at, const Principal& self, const Event& event) {
  pass(at);
  if (event.kind == EventKind::ViewEntered && self.is_server()) {
    views_[self.server()] = event.sub_view;
    global_ = std::max(global_, GlobalView(event.view));
  }
  if (event.kind == EventKind::Accepted) waiting_.erase(self);
}

}  // namespace seneschal::lab::sim
