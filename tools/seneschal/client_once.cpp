// One operation of one client of a running deployment.
#include "lab/sim/protocols.hpp"
#include "tools/seneschal/client_commands.hpp"

#include <fmt/format.h>

using namespace seneschal;
using namespace seneschal::lab;

Result<Place> open_place(const std::string& dir, const std::string& keys) {
  auto cluster = load_state(dir);
  if (!cluster) return std::unexpected(cluster.error());
  auto deployment = load_deployment(cluster->dir + "/deployment.toml");
  if (!deployment) return std::unexpected(deployment.error());
  if (!keys.empty()) cluster->keys = keys;
  return Place{std::move(*deployment), std::move(*cluster)};
}

Result<replication::Completion> use_once(const Place& place, ClientId id, const Bytes& operation, bool query,
                                         double seconds) {
  const auto make = [&](const Membership& members, ClientId client) {
    auto settings = sim::client_settings(place.deployment, members, *members.client(client));
    settings.first_timestamp = ClientHost::first_timestamp();
    return std::make_unique<replication::ClientCore>(members, settings);
  };
  auto host = ClientHost::attach(place.deployment, place.cluster, place.cluster.keys, {id}, make);
  if (!host) return std::unexpected(host.error());
  auto& core = static_cast<replication::ClientCore&>((*host)->core(0));
  (*host)->start();
  Status submitted;
  const Instant now = ClientHost::now();
  (*host)->replica(0).drive(now, [&](Effects& fx) {
    if (auto number = core.submit(now, operation, query, fx); !number) submitted = std::unexpected(number.error());
  });
  if (!submitted) return std::unexpected(submitted.error());
  std::vector<replication::Completion> done;
  bool told = false;
  const Status ran = (*host)->run(now + Duration(static_cast<std::int64_t>(seconds * 1e9)), [&] {
    if (done.empty()) done = core.take_completions();
    const auto waits = core.no_majority();
    if (waits && !std::exchange(told, true))
      fmt::print(
          stderr,
          "seneschal client: the servers reach {} sites and need {} to order an update; it waits until enough are "
          "back (queries are answered meanwhile)\n",
          waits->reached, waits->needed);
    return !done.empty();
  });
  if (!ran) return std::unexpected(ran.error());
  if (done.empty() && told)
    return failure(
        fmt::format("not ordered after {} s for want of sites; the update stays with the servers and may "
                    "still be ordered when enough sites are back",
                    seconds));
  if (done.empty())
    return failure(fmt::format(
        "no result after {} s: fewer servers than needed answer the same{}{}; see 'seneschal lab status --out {}'",
        seconds,
        place.deployment.administrator != 0
            ? ", or this client was revoked, and servers do not answer whom they do not know"
            : "",
        query ? "" : "; the update may still take effect: servers that have it go on trying to order it",
        place.cluster.dir));
  return std::move(done[0]);
}
