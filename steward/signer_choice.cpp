#include "steward/signer_choice.hpp"

namespace seneschal::steward {
namespace {
/// What one miss weighs in answers.
constexpr std::uint32_t kStrain = 64;
}  // namespace

std::set<ServerIndex> SignerChoice::initial(const SiteInfo& site, ServerIndex representative) {
  std::set<ServerIndex> set;
  for (std::uint16_t i = 0; i < site.quorum(); ++i)
    set.insert(ServerIndex(static_cast<std::uint16_t>((representative.value + i) % site.servers)));
  return set;
}

void SignerChoice::reset(ServerIndex representative) {
  chosen_ = initial(site_, representative);
  epoch_ = 0;
  for (Seat& seat : seats_) seat.needs_asking = false;
  for (std::uint16_t i = 0; i < site_.servers; ++i)
    if ((seats_[i].excluded || seats_[i].distrusted) && chosen_.contains(ServerIndex(i))) replace(ServerIndex(i));
}

void SignerChoice::resume(std::set<ServerIndex> chosen, std::uint64_t epoch) {
  chosen_ = std::move(chosen);
  epoch_ = epoch;
}

void SignerChoice::answered(ServerIndex server, Duration after) {
  Seat& seat = seats_[server.value];
  if (seat.strain > 0) --seat.strain;
  seat.usual += (after - seat.usual) / 8;
}

bool SignerChoice::missed(ServerIndex server) {
  if (server == self_ || !chosen_.contains(server)) return false;
  if ((seats_[server.value].strain += kStrain) <= kStrain) return false;
  return replace(server);
}

bool SignerChoice::distrust(ServerIndex server) {
  seats_[server.value].distrusted = true;
  return server != self_ && chosen_.contains(server) && replace(server);
}

bool SignerChoice::exclude(ServerIndex server) {
  seats_[server.value].excluded = true;
  return chosen_.contains(server) && replace(server);
}

bool SignerChoice::replace(ServerIndex server) {
  // Whoever lost its place longest ago gets the next chance; among those who never did, the usual answer time
  // decides.
  std::optional<ServerIndex> best;
  auto rank = [&](ServerIndex i) {
    const Seat& s = seats_[i.value];
    return std::tuple(s.distrusted, s.demoted_at, s.usual, i);
  };
  for (std::uint16_t i = 0; i < site_.servers; ++i) {
    ServerIndex candidate(i);
    if (chosen_.contains(candidate) || seats_[i].excluded) continue;
    if (!best || rank(candidate) < rank(*best)) best = candidate;
  }
  if (!best) return false;
  const Seat& place = seats_[server.value];
  if (seats_[best->value].distrusted && place.distrusted && !place.excluded) return false;
  ++epoch_;
  seats_[server.value].demoted_at = epoch_;
  seats_[server.value].strain = 0;
  seats_[best->value].strain = 0;
  chosen_.erase(server);
  chosen_.insert(*best);
  return true;
}

}  // namespace seneschal::steward
