// Many clients of one process attach to running daemons: what one of them costs does not grow with the others.
#include "program.hpp"

#include "lab/client_host.hpp"
#include "lab/keys.hpp"
#include "lab/sim/protocols.hpp"
#include "replication/workload.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <chrono>
#include <ctime>
#include <filesystem>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;

class Attach : public testing::Test {
 protected:
  void deploy(std::uint32_t clients) {
    char name[] = "/tmp/seneschal-attach-XXXXXX";
    dir_ = ::mkdtemp(name);
    emulator::LinkConfig link;
    link.delay = 1ms;
    deployment_.name = "attach";
    deployment_.protocol = Protocol::Bft;
    deployment_.topology = emulator::Topology::uniform(4, link);
    deployment_.servers = default_servers(Protocol::Bft, 1, 4);
    deployment_.clients = clients;
    deployment_.options.durability = "none";
    deployment_.keys = {1024, 1024};
    ASSERT_TRUE(crypto::generate_keys(key_plan(deployment_), dir_ + "/keys"));
    ClusterOptions options;
    options.program = kProgram;
    options.keys = dir_ + "/keys";
    auto cluster = start_cluster(deployment_, dir_ + "/up", options);
    ASSERT_TRUE(cluster) << cluster.error().message;
    cluster_ = *cluster;
    const Status ready = wait_ready(cluster_, deployment_, 60s);
    ASSERT_TRUE(ready) << ready.error().message;
  }
  void TearDown() override { undeploy(); }
  void undeploy() {
    if (dir_.empty()) return;
    stop_cluster(cluster_);
    fs::remove_all(dir_);
    dir_.clear();
  }

  struct Attached {
    std::unique_ptr<ClientHost> host;
    std::chrono::microseconds wall{};
    std::chrono::microseconds processor{};  // of this process and of all daemons
  };
  /// What `client load` does before its first operation.
  Attached attach(const std::vector<ClientId>& ids) {
    const double cpu = cpu_of_all();
    const auto begin = std::chrono::steady_clock::now();
    auto host =
        ClientHost::attach(deployment_, cluster_, cluster_.keys, ids, [&](const Membership& members, ClientId id) {
          EXPECT_EQ(members.clients.size(), 1u) << "a client knows itself and the servers";
          replication::WorkloadSettings load;
          load.operations = 1;
          load.seed = id.value;
          return std::make_unique<replication::WorkloadCore>(
              members, sim::client_settings(deployment_, members, *members.client(id)), load);
        });
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_TRUE(host) << host.error().message;
    return {host ? std::move(*host) : nullptr, std::chrono::duration_cast<std::chrono::microseconds>(took),
            std::chrono::microseconds(static_cast<std::int64_t>(1e3 * (cpu_of_all() - cpu)))};
  }
  /// All of these were served, each once.
  static bool serve(ClientHost& host) {
    host.start();
    const auto done = [&] {
      for (std::size_t i = 0; i < host.size(); ++i)
        if (static_cast<replication::WorkloadCore&>(host.core(i)).completed() == 0) return false;
      return true;
    };
    return host.run(ClientHost::now() + 60s, done) && done();
  }

  std::string dir_;
  Deployment deployment_;
  Cluster cluster_;

 private:
  double cpu_of_all() const {
    double ms = 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    for (const ClusterNode& node : cluster_.nodes) ms += cpu_ms(node.process).value_or(0);
    return ms;
  }
};

/// So many times what it takes where few are there, and what the machine's other work and the clock's grain add.
bool about_as_much(std::chrono::microseconds all, std::size_t times, std::chrono::microseconds few) {
  return all < static_cast<std::int64_t>(times) * (2 * few + 200ms);
}

// Among a thousand members and among four thousand, with nobody attached and with thousands: a client takes as long.
// Processor time is judged, which other programs on this machine do not change; the report has both.
TEST_F(Attach, TakesAClientAsLongWhoeverElseIsThere) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;  // 1,024 is what many systems begin with
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  constexpr std::uint32_t kAtATime = 250;
  std::vector<Attached> hosts;
  const auto several = [&](const std::string& name, std::uint32_t first, std::uint32_t count) -> Attached& {
    std::vector<ClientId> ids;
    for (std::uint32_t i = 0; i < count; ++i) ids.push_back(ClientId(first + i));  // a quarter at each site
    Attached attached = attach(ids);
    RecordProperty(name + "_wall_ms", static_cast<int>(attached.wall / 1ms));
    RecordProperty(name + "_processor_ms", static_cast<int>(attached.processor / 1ms));
    hosts.push_back(std::move(attached));
    return hosts.back();
  };
  ASSERT_NO_FATAL_FAILURE(deploy(1000));
  const auto few = several("250_of_1000", 1, kAtATime).processor;
  ASSERT_TRUE(hosts.back().host && serve(*hosts.back().host));
  hosts.clear();
  undeploy();

  ASSERT_NO_FATAL_FAILURE(deploy(4000));
  EXPECT_TRUE(about_as_much(several("250_of_4000", 1, kAtATime).processor, 1, few));
  EXPECT_TRUE(about_as_much(several("3000_of_4000", 251, 12 * kAtATime).processor, 12, few));
  EXPECT_TRUE(about_as_much(several("250_beside_3250", 3251, kAtATime).processor, 1, few));
  ASSERT_TRUE(hosts.back().host && serve(*hosts.back().host));
  // As programs of one client would: a session each, which reads who belongs to the deployment.
  std::chrono::microseconds singles{};
  for (std::uint32_t id = 3501; id < 3501 + kAtATime; ++id) {
    hosts.push_back(attach({ClientId(id)}));
    ASSERT_TRUE(hosts.back().host) << id;
    singles += hosts.back().processor;
  }
  RecordProperty("250_sessions_processor_ms", static_cast<int>(singles / 1ms));
  EXPECT_TRUE(about_as_much(singles, 4, few)) << "a session costs a few clients";
  EXPECT_TRUE(serve(*hosts.back().host));
}

}  // namespace
}  // namespace seneschal::lab
