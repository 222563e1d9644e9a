// Load on a running deployment: many clients in one process, every accepted operation written down.
#pragma once
#include "lab/client_host.hpp"
#include "lab/load_file.hpp"
#include "replication/workload.hpp"

namespace seneschal::lab {

struct LoadSpec {
  std::uint32_t clients = 1;
  std::uint32_t payload_bytes = 200;
  std::uint32_t update_percent = 100;
  std::uint64_t seed = 1;
  Duration length{};  // of the whole load
  std::string out;    // file for the measurements
};

/// What client `id` does: closed loop; clients start spread over the first 200 ms, so that they do not march in step.
replication::WorkloadSettings workload_settings(const Deployment& deployment, const LoadSpec& spec, ClientId id);

/// Runs clients 1 to `spec.clients` for `spec.length`, or until Ctrl-C; returns how long that was. `out` appears with
/// its first line when all are attached.
Result<Duration> run_load(const Deployment& deployment, const Cluster& cluster, const LoadSpec& spec);

}  // namespace seneschal::lab
