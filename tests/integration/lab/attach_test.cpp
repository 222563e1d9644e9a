// Many clients of one process attach to running daemons: what one of them costs does not grow with the others.
#include "program.hpp"

#include "lab/client_host.hpp"
#include "lab/keys.hpp"
#include "lab/sim/protocols.hpp"
#include "replication/workload.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;

class Attach : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/seneschal-attach-XXXXXX";
    dir_ = ::mkdtemp(name);
    emulator::LinkConfig link;
    link.delay = 1ms;
    deployment_.name = "attach";
    deployment_.protocol = Protocol::Bft;
    deployment_.topology = emulator::Topology::uniform(4, link);
    deployment_.servers = default_servers(Protocol::Bft, 1, 4);
    deployment_.clients = 4000;
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
  void TearDown() override {
    stop_cluster(cluster_);
    fs::remove_all(dir_);
  }

  std::string dir_;
  Deployment deployment_;
  Cluster cluster_;
};

TEST_F(Attach, AThousandOfFourThousandMembersAtOneNodeInLessThanFiveSecondsTimingSensitive) {
  std::vector<ClientId> ids;
  for (std::uint32_t i = 0; i < 1000; ++i) ids.push_back(ClientId(4 * i + 1));  // all at the first site
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
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_LT(took, 5s);
  RecordProperty("milliseconds", static_cast<int>(took / 1ms));
  // And all of them are served.
  (*host)->start();
  const auto done = [&] {
    for (std::size_t i = 0; i < (*host)->size(); ++i)
      if (static_cast<replication::WorkloadCore&>((*host)->core(i)).completed() == 0) return false;
    return true;
  };
  EXPECT_TRUE((*host)->run(ClientHost::now() + 60s, done));
  EXPECT_TRUE(done());
}

}  // namespace
}  // namespace seneschal::lab
