#include "replication/client_roster.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "crypto/exchange.hpp"
#include "runtime/directory.hpp"

namespace seneschal::replication {

namespace {
constexpr ClientId kLastId = kLastClientId;  // never enrolled, so that there is always a next one

ClientId after(ClientId id) {
  return id >= kLastId ? id : id.next();
}

EnrolledClient as_enrolled(const Enroll& order) {
  return {{order.id, order.home}, order.node, order.keys};
}
}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::Done: return "done";
    case Verdict::Malformed: return "this is no operation of an administrator";
    case Verdict::IdUsed: return "this id is, or was, or may have been somebody's: ids only grow";
    case Verdict::IdTooFar: return "this id is too far above the next one";
    case Verdict::UnknownSite: return "there is no such home site";
    case Verdict::BadKeys: return "these keys are of low order";
    case Verdict::Full: return "there are as many clients as there may be";
    case Verdict::UnknownClient: return "there is no such client";
    case Verdict::IsAdministrator: return "the administrator cannot be revoked";
  }
  return "unknown";
}

ClientRoster::ClientRoster(const Membership& membership, std::uint64_t reach)
    : administrator_(membership.administrator), reach_(reach), sites_(membership.sites.size()) {
  for (const ClientInfo& info : membership.clients) {
    first_.emplace(info.id, info);
    members_.emplace(info.id, Known{info, {}, {}});
    next_ = std::max(next_, after(info.id));
  }
  CHECK(!administrator_ || first_.contains(*administrator_));
}

const ClientInfo* ClientRoster::member(ClientId id) const {
  auto it = members_.find(id);
  return it == members_.end() || it->second.revoked ? nullptr : &it->second.info;
}

bool ClientRoster::may_order(ClientId id, Seq seq) const {
  auto it = members_.find(id);
  if (it == members_.end()) return false;
  return !it->second.revoked || seq.value <= it->second.revoked->value + reach_;
}

ClientRoster::Outcome ClientRoster::administer(Seq seq, Span operation, Effects& fx) {
  Outcome outcome;
  Verdict verdict = Verdict::Malformed;
  if (const auto order = decode<Administration>(operation)) {
    if (const auto* lists = std::get_if<ListMembers>(&order->what)) {
      outcome.result = encode(list(lists->from));
      return outcome;
    }
    if (const auto* joins = std::get_if<Enroll>(&order->what)) verdict = enroll(*joins, fx);
    if (const auto* leaves = std::get_if<Revoke>(&order->what)) {
      verdict = revoke(seq, leaves->id);
      if (verdict == Verdict::Done) outcome.left = leaves->id;
    }
  }
  outcome.result = encode(Administered{verdict, next_});
  return outcome;
}

Verdict ClientRoster::enroll(const Enroll& order, Effects& fx) {
  if (order.id < next_) return Verdict::IdUsed;
  if (order.id.value - next_.value >= kMaxIdStep || order.id >= kLastId) return Verdict::IdTooFar;
  if (order.home.value >= sites_) return Verdict::UnknownSite;
  // A client that left just now counts: it has its place until its key is forgotten.
  if (members_.size() >= kMaxMembers) return Verdict::Full;
  if (!crypto::acceptable(order.keys)) return Verdict::BadKeys;
  const EnrolledClient client = as_enrolled(order);
  members_.emplace(order.id, Known{client.info, order, {}});
  next_ = after(order.id);
  forget_digest();
  fx.enroll(client);
  return Verdict::Done;
}

Verdict ClientRoster::revoke(Seq seq, ClientId id) {
  if (is_administrator(id)) return Verdict::IsAdministrator;
  auto it = members_.find(id);
  if (it == members_.end() || it->second.revoked) return Verdict::UnknownClient;
  it->second.revoked = seq;
  forget_digest();
  leaving_.emplace(seq, id);
  return Verdict::Done;
}

Listed ClientRoster::list(ClientId from) const {
  Listed listed;
  for (auto it = members_.lower_bound(from); it != members_.end() && listed.members.size() < kMaxListed; ++it)
    if (const Known& known = it->second; !known.revoked)
      listed.members.items.push_back({it->first, known.info.home, known.enrolled.has_value()});
  return listed;
}

void ClientRoster::executed(Seq seq, Effects& fx) {
  while (!leaving_.empty() && leaving_.begin()->first.value + reach_ <= seq.value) {
    const ClientId id = leaving_.begin()->second;
    leaving_.erase(leaving_.begin());
    members_.erase(id);
    forget_digest();
    fx.dismiss(id);
  }
}

std::vector<SharedBytes> ClientRoster::pack() const {
  constexpr std::size_t kPerChunk = 256;  // about 24 KiB
  RosterHead head{next_, 0, {}};
  for (const auto& [id, info] : first_)
    if (!members_.contains(id)) head.forgotten.items.push_back(id);
  std::vector<SharedBytes> packed(1);
  RosterChunk chunk;
  const auto finish = [&] {
    if (chunk.entries.empty()) return;
    packed.push_back(share(encode(chunk)));
    chunk.entries.items.clear();
  };
  for (const auto& [id, known] : members_) {
    if (!known.enrolled && !known.revoked) continue;
    chunk.entries.items.push_back({id, known.enrolled, known.revoked});
    if (chunk.entries.size() == kPerChunk) finish();
  }
  finish();
  head.chunks = static_cast<std::uint32_t>(packed.size() - 1);
  packed[0] = share(encode(head));
  return packed;
}

std::optional<std::size_t> ClientRoster::chunks(Span first) {
  auto head = decode<RosterHead>(first);
  if (!head || head->chunks > kMaxMembers) return std::nullopt;
  return head->chunks + std::size_t{1};
}

Result<ClientRoster> ClientRoster::unpack(std::span<const SharedBytes> chunks) const {
  auto head = chunks.empty() ? std::unexpected(Reject::TooShort) : decode<RosterHead>(*chunks[0]);
  if (!head || head->chunks + std::size_t{1} != chunks.size())
    return failure("snapshot: the head of its roster is damaged");
  ClientRoster other = *this;
  other.forget_digest();
  other.next_ = head->next;
  other.leaving_.clear();
  other.members_.clear();
  for (const auto& [id, info] : first_) other.members_.emplace(id, Known{info, {}, {}});
  for (ClientId id : head->forgotten)
    if (other.members_.erase(id) == 0) return failure("snapshot: its roster is of another deployment");
  for (const SharedBytes& bytes : chunks.subspan(1)) {
    auto chunk = decode<RosterChunk>(*bytes);
    if (!chunk) return failure("snapshot: a chunk of its roster is damaged");
    for (const RosterEntry& entry : chunk->entries) {
      auto first = first_.find(entry.id);
      if (entry.enrolled ? entry.enrolled->id != entry.id || first != first_.end() : first == first_.end())
        return failure("snapshot: its roster is of another deployment");
      const ClientInfo info = entry.enrolled ? as_enrolled(*entry.enrolled).info : first->second;
      other.members_.insert_or_assign(entry.id, Known{info, entry.enrolled, entry.revoked});
      if (entry.revoked) other.leaving_.emplace(*entry.revoked, entry.id);
    }
  }
  return other;
}

// An id names one client for ever: only who came and who went must be told.
void ClientRoster::become(ClientRoster other, Effects& fx) {
  for (const auto& [id, known] : members_)
    if (!other.members_.contains(id)) fx.dismiss(id);
  for (const auto& [id, known] : other.members_)
    if (known.enrolled && !members_.contains(id)) fx.enroll(as_enrolled(*known.enrolled));
  *this = std::move(other);
}

const Digest& ClientRoster::digest() const {
  if (digest_) return *digest_;
  Bytes bytes = to_bytes("seneschal/roster");
  for (const SharedBytes& chunk : pack()) append(bytes, crypto::sha256(*chunk).bytes);
  return digest_.emplace(crypto::sha256(bytes));
}

}  // namespace seneschal::replication
