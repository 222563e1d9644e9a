#include "replication/client_core.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <algorithm>

namespace seneschal::replication {
namespace {
/// A restarted client starts this far above what it found: updates of its former life may still be on their way, and
/// servers that lag may not have told the newest.
constexpr std::uint64_t kRestartGap = 1024;
}  // namespace

ClientSettings ClientSettings::steward(const ClientInfo& client) {
  ClientSettings settings;
  settings.self = client.id;
  settings.home = client.home;
  settings.try_contacts = true;
  return settings;
}

ClientSettings ClientSettings::bft(ClientId client, const Membership& membership, AuthKind auth) {
  ClientSettings settings;
  settings.self = client;
  settings.auth = auth;
  settings.rotate_after = 3;  // one lost datagram says nothing about the primary
  settings.query_quorum = membership.site(SiteId(0)).quorum();
  settings.match_seq = false;
  return settings;
}

namespace {

const SiteInfo& home_of(const Membership& membership, const ClientSettings& settings) {
  CHECK(settings.home.value < membership.sites.size());
  return membership.site(settings.home);
}

}  // namespace

ClientCore::ClientCore(const Membership& membership, ClientSettings settings)
    : settings_(settings),
      contact_(settings.contact, home_of(membership, settings).servers, home_of(membership, settings).faults,
               settings.try_contacts) {
  CHECK(settings.auth == AuthKind::Signature || settings.auth == AuthKind::Authenticator);
  const SiteInfo& site = membership.site(settings.home);
  servers_ = site.servers;
  faults_ = site.faults;
  auto least = static_cast<std::uint16_t>(faults_ + 1);
  reply_quorum_ = std::max(settings.reply_quorum, least);
  query_quorum_ = std::max(settings.query_quorum, least);
  CHECK(reply_quorum_ <= servers_ && query_quorum_ <= servers_ && settings.contact.value < servers_);
  timestamp_ = Timestamp(std::max<std::uint64_t>(settings.first_timestamp.value, 1) - 1);
  wait_ = settings.retry;
  clear_votes();
}

MessageTable ClientCore::message_table() {
  return MessageTable::of<Reply, Answer, NoMajority>();
}

void ClientCore::start(Instant now, std::span<const Record>, Effects& fx) {
  if (!settings_.probe) return;
  probing_ = true;
  send_probe(now, fx);
}

Result<std::uint64_t> ClientCore::submit(Instant now, Bytes operation, bool query, Effects& fx) {
  if (phase_ != Phase::Idle) return failure("client: an operation is outstanding; wait for its result first");
  if (operation.size() > kMaxOperation)
    return failure("client: an operation of " + std::to_string(operation.size()) + " bytes is too long; at most " +
                   std::to_string(kMaxOperation));
  operation_ = std::move(operation);
  current_ = Completion{};
  current_.number = ++submitted_;
  current_.started = now;
  current_.query = query;
  phase_ = Phase::Waiting;
  if (!probing_) begin(now, fx);
  return current_.number;
}

void ClientCore::begin(Instant now, Effects& fx) {
  ++timestamp_;
  attempts_ = 0;
  wait_ = first_wait();
  clear_votes();
  if (current_.query)
    ask(now, fx);
  else
    order(now, false, fx);
}

void ClientCore::order(Instant now, bool to_all, Effects& fx) {
  phase_ = Phase::Ordering;
  ++attempts_;
  Update update;
  update.timestamp = timestamp_;
  update.operation.value = operation_;
  std::vector<Destination> to;
  if (to_all) {
    to.push_back(Destination::to(settings_.home));
  } else {
    to.push_back(Destination::to(ServerId{settings_.home, contact()}));
    if (const auto tried = contact_.also()) to.push_back(Destination::to(ServerId{settings_.home, *tried}));
  }
  fx.send(std::move(to), update, {.auth = settings_.auth});
  arm(now);
}

void ClientCore::ask(Instant now, Effects& fx) {
  phase_ = Phase::Asking;
  ++attempts_;
  Query query;
  query.timestamp = timestamp_;
  query.min_seq = last_seq_;
  query.operation.value = operation_;
  fx.send(Destination::to(settings_.home), query, {.auth = settings_.auth});
  arm(now);
}

void ClientCore::send_probe(Instant now, Effects& fx) {
  fx.send(Destination::to(settings_.home), Update{}, {.auth = settings_.auth});
  arm(now);
}

void ClientCore::arm(Instant now) {
  retry_at_ = now + wait_;
  wait_ = std::min(wait_ * 2, settings_.retry_max);
}

void ClientCore::clear_votes() {
  replies_.assign(servers_, std::nullopt);
  answers_.assign(servers_, std::nullopt);
  stale_.assign(servers_, std::nullopt);
  without_majority_.assign(servers_, std::nullopt);
}

bool ClientCore::is_ours(const Principal& sender) const {
  return sender.is_server() && sender.server().site == settings_.home && sender.server().index.value < servers_;
}

void ClientCore::on_message(Instant now, const Inbound& message, Effects& fx) {
  std::optional<Reject> refused = Reject::UnknownType;
  if (!is_ours(message.sender()))
    refused = Reject::WrongSite;
  else if (auto reply = message.as<Reply>())
    refused = reply->body().stale ? on_stale(now, *reply, fx) : on_reply(now, *reply, fx);
  else if (auto answer = message.as<Answer>())
    refused = on_answer(now, *answer, fx);
  else if (auto notice = message.as<NoMajority>())
    refused = on_no_majority(*notice);
  if (refused) fx.reject(*refused);
}

std::optional<Reject> ClientCore::on_reply(Instant now, const Verified<Reply>& reply, Effects& fx) {
  contact_.heard(reply.signer().server().index);
  if (phase_ != Phase::Ordering || reply.body().timestamp != timestamp_) return Reject::StaleTimestamp;
  auto& vote = replies_[reply.signer().server().index.value];
  if (vote && vote->body() == reply.body()) return Reject::Duplicate;
  vote = reply;  // the newest word of a server is its only one
  // f+1 equal replies: at least one is a correct server's. [Steward 3.10] [PBFT 4.1]
  auto equal_votes = std::ranges::count_if(replies_, [&](const auto& v) { return v && v->body() == reply.body(); });
  if (equal_votes < reply_quorum_) return std::nullopt;
  finish(now, reply.body().seq, reply.body().result.value, fx);
  return std::nullopt;
}

std::optional<Reject> ClientCore::on_answer(Instant now, const Verified<Answer>& answer, Effects& fx) {
  if (phase_ != Phase::Asking || answer.body().timestamp != timestamp_) return Reject::StaleTimestamp;
  answers_[answer.signer().server().index.value] = answer;
  std::vector<Seq> seqs;
  for (const auto& other : answers_)
    if (other && other->body().result == answer.body().result &&
        (!settings_.match_seq || other->body().seq == answer.body().seq))
      seqs.push_back(other->body().seq);
  if (seqs.size() < query_quorum_) {
    // All servers have answered and differ: waiting longer is of no use.
    if (std::ranges::all_of(answers_, [](const auto& a) { return a.has_value(); })) {
      current_.fell_back = true;
      order(now, false, fx);
    }
    return std::nullopt;
  }
  // The f+1-st highest: some correct server has executed as far, so no liar can make later queries wait for ever.
  std::ranges::sort(seqs, std::greater{});
  finish(now, seqs[faults_], answer.body().result.value, fx);
  return std::nullopt;
}

std::optional<Reject> ClientCore::on_no_majority(const Verified<NoMajority>& notice) {
  if (phase_ != Phase::Ordering || notice.body().timestamp != timestamp_) return Reject::StaleTimestamp;
  without_majority_[notice.signer().server().index.value] = notice.body();
  return std::nullopt;
}

std::optional<NoMajority> ClientCore::no_majority() const {
  if (phase_ != Phase::Ordering) return std::nullopt;
  std::vector<NoMajority> said;
  for (const auto& notice : without_majority_)
    if (notice) said.push_back(*notice);
  if (said.size() <= faults_) return std::nullopt;
  std::ranges::sort(said, {}, &NoMajority::reached);
  return said[faults_];
}

std::optional<Reject> ClientCore::on_stale(Instant now, const Verified<Reply>& reply, Effects& fx) {
  stale_[reply.signer().server().index.value] = reply.body().timestamp;
  if (probing_) {
    auto last = supported_stale(2 * std::size_t{faults_} + 1);
    if (!last) return std::nullopt;
    if (last->value != 0) timestamp_ = std::max(timestamp_, *last + kRestartGap);
    probing_ = false;
    retry_at_.reset();
    wait_ = first_wait();
    if (phase_ == Phase::Waiting) begin(now, fx);
    return std::nullopt;
  }
  if (phase_ != Phase::Ordering || reply.body().timestamp <= timestamp_) return Reject::StaleTimestamp;
  // An earlier life got further than this one knows. Nothing was executed under the timestamp in use: it is passed
  // over.
  auto last = supported_stale(std::size_t{faults_} + 1);
  if (!last || *last <= timestamp_) return std::nullopt;
  timestamp_ = *last + kRestartGap;
  ++current_.retries;
  begin(now, fx);
  return std::nullopt;
}

std::optional<Timestamp> ClientCore::supported_stale(std::size_t quorum) const {
  std::vector<Timestamp> reported;
  for (const auto& timestamp : stale_)
    if (timestamp) reported.push_back(*timestamp);
  if (reported.size() < quorum) return std::nullopt;
  std::ranges::sort(reported, std::greater{});
  return reported[faults_];
}

void ClientCore::finish(Instant now, Seq seq, const Bytes& result, Effects& fx) {
  current_.timestamp = timestamp_;
  current_.seq = seq;
  current_.result = result;
  current_.finished = now;
  last_seq_ = std::max(last_seq_, seq);
  const Duration took = now - current_.started;
  usual_ = usual_.count() == 0 ? took : usual_ + (took - usual_) / 4;
  Event event{};
  event.kind = EventKind::Accepted;
  event.seq = seq;
  event.digest = crypto::sha256(result);
  event.who = Principal::of(settings_.self);
  event.timestamp = timestamp_;
  fx.event(event);
  const bool tried = contact_.alone();
  if (!current_.query) contact_.finished(took, current_.retries > 0);
  if (!tried) rough_in_a_row_ = current_.retries == 0 ? 0 : rough_in_a_row_ + 1;
  if (rough_in_a_row_ >= settings_.rotate_after) move_contact();
  completions_.push_back(std::move(current_));
  operation_.clear();
  phase_ = Phase::Idle;
  retry_at_.reset();
}

void ClientCore::move_contact() {
  rough_in_a_row_ = 0;
  for (std::uint16_t step = 1; step < servers_; ++step) {
    auto candidate = static_cast<std::uint16_t>((contact().value + step) % servers_);
    if (replies_[candidate] || answers_[candidate]) return contact_.move_to(ServerIndex(candidate));
  }
}

void ClientCore::on_time(Instant now, Effects& fx) {
  if (!retry_at_ || now < *retry_at_) return;
  retry_at_.reset();
  if (probing_) return send_probe(now, fx);
  if (phase_ != Phase::Ordering && phase_ != Phase::Asking) return;
  ++current_.retries;
  if (phase_ == Phase::Asking && attempts_ < settings_.query_attempts) return ask(now, fx);
  if (phase_ == Phase::Asking) current_.fell_back = true;
  order(now, true, fx);
}

void ClientCore::status(StatusList& out) const {
  static constexpr const char* kPhases[] = {"idle", "waiting", "ordering", "asking"};
  out.emplace_back("phase", kPhases[static_cast<std::size_t>(phase_)]);
  out.emplace_back("timestamp", std::to_string(timestamp_.value));
  out.emplace_back("contact", std::to_string(contact().value));
  out.emplace_back("submitted", std::to_string(submitted_));
  if (auto notice = no_majority())
    out.emplace_back("waits_for_sites", std::to_string(notice->reached) + " of " + std::to_string(notice->needed));
  out.emplace_back("last_seq", std::to_string(last_seq_.value));
}

}  // namespace seneschal::replication
