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

TEST_F(Attach, AThousandOfFourThousandMembersAtOneNodeInLessThanFiveSecondsTimingSensitive) {
  ASSERT_NO_FATAL_FAILURE(deploy(4000));
  std::vector<ClientId> ids;
  for (std::uint32_t i = 0; i < 1000; ++i) ids.push_back(ClientId(4 * i + 1));  // all at the first site
  const Attached attached = attach(ids);
  ASSERT_TRUE(attached.host);
  EXPECT_LT(attached.wall, 5s);
  RecordProperty("milliseconds", static_cast<int>(attached.wall / 1ms));
  EXPECT_TRUE(serve(*attached.host));
}

// With nobody else there, and with three thousand others attached: each thousand takes as long.
TEST_F(Attach, TheFourthThousandIsAsFastAsTheFirstTimingSensitive) {
  for (const std::uint32_t members : {1000u, 4000u}) {
    ASSERT_NO_FATAL_FAILURE(deploy(members));
    std::vector<Attached> hosts;
    for (std::uint32_t first = 1; first < members; first += 1000) {
      std::vector<ClientId> ids;
      for (std::uint32_t i = 0; i < 1000; ++i) ids.push_back(ClientId(first + i));  // 250 at each site
      hosts.push_back(attach(ids));
      const Attached& last = hosts.back();
      ASSERT_TRUE(last.host);
      EXPECT_LT(last.wall, 5s) << members << " members, from " << first;
      const std::string name = std::to_string(members) + "_members_" + std::to_string(first - 1) + "_attached";
      RecordProperty(name + "_wall_ms", static_cast<int>(last.wall / 1ms));
      RecordProperty(name + "_processor_ms", static_cast<int>(last.processor / 1ms));
      // Twice, and what the machine's other work and the clock's grain add.
      EXPECT_LT(last.processor, 2 * hosts.front().processor + 200ms) << members << " members, from " << first;
    }
    EXPECT_TRUE(serve(*hosts.back().host));
    hosts.clear();
    undeploy();
  }
}

// As a thousand programs of one client would: each reads who belongs to the deployment, which four thousand members
// make a little longer.
TEST_F(Attach, AThousandSessionsOfOneClientEachInLessThanFiveSecondsTimingSensitive) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;  // 1,024 is what many systems begin with
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  for (const std::uint32_t members : {1000u, 4000u}) {
    ASSERT_NO_FATAL_FAILURE(deploy(members));
    std::vector<Attached> hosts;
    std::chrono::microseconds wall{}, processor{};
    for (std::uint32_t id = 1; id <= 1000; ++id) {
      hosts.push_back(attach({ClientId(id)}));
      ASSERT_TRUE(hosts.back().host) << id;
      wall += hosts.back().wall;
      processor += hosts.back().processor;
    }
    EXPECT_LT(processor, 5s) << members << " members";  // wall time is as long, unless the machine is busy
    RecordProperty(std::to_string(members) + "_members_wall_ms", static_cast<int>(wall / 1ms));
    RecordProperty(std::to_string(members) + "_members_processor_ms", static_cast<int>(processor / 1ms));
    EXPECT_TRUE(serve(*hosts.back().host));
    undeploy();
  }
}

}  // namespace
}  // namespace seneschal::lab
