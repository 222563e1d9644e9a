#include "lab/floors.hpp"

#include <algorithm>

namespace seneschal::lab {

namespace {

/// The k-th smallest (from 1); the largest if there are fewer.
Duration kth(std::vector<Duration> values, std::size_t k) {
  if (values.empty() || k == 0) return Duration(0);
  std::ranges::sort(values);
  return values[std::min(k, values.size()) - 1];
}

class Delays {
 public:
  explicit Delays(const Series& series)
      : sites_(series.sites()),
        delays_(series.topology.shortest_delays()),
        without_shaping_(series.runtime == RuntimeKind::Live && !series.shaped) {}
  Duration at(std::size_t from, std::size_t to) const {
    return without_shaping_ ? Duration(0) : delays_[from * sites_ + to];
  }

 private:
  std::size_t sites_;
  std::vector<Duration> delays_;
  bool without_shaping_;
};

/// Client to leader site, Proposal to the other sites, an Accept of M-1 of them to the client's site, whose servers
/// answer. [Steward 3.3-3.10]
Duration steward_update(const Series& series, std::size_t client) {
  const Delays delay(series);
  const std::size_t leader = first_leader_site(series);
  const std::size_t majority = series.sites() / 2 + 1;
  const auto proposed = [&](std::size_t site) { return delay.at(client, leader) + delay.at(leader, site); };
  std::vector<Duration> accepts;
  for (std::size_t s = 0; s < series.sites(); ++s)
    if (s != leader) accepts.push_back(proposed(s) + delay.at(s, client));
  return std::max(proposed(client), kth(std::move(accepts), majority - 1));
}

/// Request, PrePrepare, 2f Prepares, 2f+1 Commits, f+1 replies. [PBFT 4.2]
Duration bft_update(const Series& series, std::size_t client) {
  const Delays delay(series);
  std::vector<std::size_t> place;  // of each server; server 0 is the primary
  for (std::size_t s = 0; s < series.sites(); ++s) place.insert(place.end(), series.servers[s], s);
  const std::size_t f = series.faults;
  const std::size_t n = place.size();
  std::vector<Duration> received(n), prepared(n), committed(n), replies(n);
  for (std::size_t i = 0; i < n; ++i) received[i] = delay.at(client, place[0]) + delay.at(place[0], place[i]);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<Duration> prepares;
    for (std::size_t from = 1; from < n; ++from) prepares.push_back(received[from] + delay.at(place[from], place[i]));
    prepared[i] = std::max(received[i], kth(std::move(prepares), 2 * f));
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<Duration> commits;
    for (std::size_t from = 0; from < n; ++from) commits.push_back(prepared[from] + delay.at(place[from], place[i]));
    committed[i] = std::max(prepared[i], kth(std::move(commits), 2 * f + 1));
  }
  for (std::size_t i = 0; i < n; ++i) replies[i] = committed[i] + delay.at(place[i], client);
  return kth(std::move(replies), f + 1);
}

}  // namespace

std::size_t first_leader_site(const Series& series) {
  if (series.protocol == Protocol::Steward) return 0;
  for (std::size_t s = 0; s < series.servers.size(); ++s)
    if (series.servers[s] > 0) return s;
  return 0;
}

Duration update_floor(const Series& series, std::size_t site) {
  return series.protocol == Protocol::Steward ? steward_update(series, site) : bft_update(series, site);
}

Duration query_floor(const Series& series, std::size_t site) {
  if (series.protocol == Protocol::Steward) return Duration(0);  // answered by the client's own site
  const Delays delay(series);
  std::vector<Duration> answers;
  for (std::size_t s = 0; s < series.sites(); ++s)
    for (std::uint16_t i = 0; i < series.servers[s]; ++i) answers.push_back(delay.at(site, s) + delay.at(s, site));
  return kth(std::move(answers), 2u * series.faults + 1);
}

Duration operation_floor(const Series& series, std::size_t site) {
  const auto updates = static_cast<std::int64_t>(series.update_percent);
  return (update_floor(series, site) * updates + query_floor(series, site) * (100 - updates)) / 100;
}

Duration mean_floor(const Series& series, std::uint32_t clients) {
  if (clients == 0) return Duration(0);
  Duration sum{};
  for (std::size_t site = 0; site < series.sites(); ++site) {
    const auto at_site =
        static_cast<std::int64_t>(clients / series.sites() + (site < clients % series.sites() ? 1 : 0));
    if (at_site > 0) sum += operation_floor(series, site) * at_site;
  }
  return sum / static_cast<std::int64_t>(clients);
}

}  // namespace seneschal::lab
