#include "lab/load.hpp"

#include "lab/files.hpp"
#include "lab/process.hpp"
#include "lab/sim/protocols.hpp"

#include <algorithm>
#include <cstdio>

namespace seneschal::lab {

replication::WorkloadSettings workload_settings(const Deployment& deployment, const LoadSpec& spec, ClientId id) {
  replication::WorkloadSettings settings;
  settings.dialect = replication::dialect_of(deployment.options.application);
  settings.payload = spec.payload_bytes;
  settings.update_percent = static_cast<std::uint8_t>(spec.update_percent);
  settings.seed = keyed_draw(spec.seed, hash_name("load"), id.value, 0, 0);
  settings.delay = Duration(static_cast<std::int64_t>(settings.seed % std::uint64_t{200'000'000}));
  return settings;
}

Result<Duration> run_load(const Deployment& deployment, const Cluster& cluster, const LoadSpec& spec) {
  std::vector<ClientId> ids;
  for (std::uint32_t c = 1; c <= spec.clients; ++c) ids.push_back(ClientId(c));
  auto attached =
      ClientHost::attach(deployment, cluster, cluster.keys, ids, [&](const Membership& members, ClientId id) {
        auto settings = sim::client_settings(deployment, members, *members.client(id));
        settings.first_timestamp = ClientHost::first_timestamp();
        return std::make_unique<replication::WorkloadCore>(members, settings,
                                                           workload_settings(deployment, spec, id));
      });
  if (!attached) return std::unexpected(attached.error());
  ClientHost& host = **attached;
  const Instant started = ClientHost::now();
  if (Status good = write_file(spec.out, load_header(started, spec.clients)); !good)
    return std::unexpected(good.error());
  std::FILE* out = std::fopen(spec.out.c_str(), "a");
  if (out == nullptr) return failure(spec.out + ": cannot be written");

  host.start();
  const auto collect = [&] {
    for (std::size_t i = 0; i < host.size(); ++i)
      for (const auto& done : static_cast<replication::WorkloadCore&>(host.core(i)).take_completions())
        std::fputs(
            load_line({ids[i], done.finished, done.finished - done.started, !done.query, done.retries}).c_str(), out);
    return interrupted();
  };
  Status ran = host.run(started + spec.length, collect);
  const Duration length = std::min(ClientHost::now() - started, spec.length);
  const bool lost = std::ferror(out) != 0;
  if ((std::fclose(out) != 0 || lost) && ran) ran = failure(spec.out + ": cannot be written; is the disk full?");
  if (!ran) return std::unexpected(ran.error());
  return length;
}

}  // namespace seneschal::lab
