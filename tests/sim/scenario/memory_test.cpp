// What servers keep is bounded: their heap does not grow with what they have executed.
#include "lab/sim/assembly.hpp"
#include "lab/sim/scenario.hpp"

#include <gtest/gtest.h>

#include <malloc.h>
#include <algorithm>

#if defined(__SANITIZE_ADDRESS__)
#define SENESCHAL_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SENESCHAL_UNDER_ASAN 1
#endif
#endif
#ifdef SENESCHAL_UNDER_ASAN
// Declared here: not every compiler's package has the header of the sanitizer's interface.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

/// Bytes that are allocated now.
std::size_t heap() {
#ifdef SENESCHAL_UNDER_ASAN
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

class FlatMemory : public testing::TestWithParam<Protocol> {};

TEST_P(FlatMemory, TheHeapDoesNotGrowWithWhatWasExecuted) {
  Deployment deployment;
  emulator::LinkConfig link;
  link.delay = 10ms;
  link.bandwidth_bps = 10'000'000;
  deployment.protocol = GetParam();
  deployment.topology = emulator::Topology::uniform(3, link);
  deployment.servers = default_servers(GetParam(), 1, 3);
  deployment.clients = 12;
  deployment.options.log_growth_kb = 256;       // the log begins anew every few seconds
  deployment.options.checkpoint_interval = 32;  // all that is kept for others is there after some seconds
  AssemblyOptions options;                      // without checkers: they remember everything
  options.workload = [](ClientId client) {
    replication::WorkloadSettings load;
    load.payload = 200;
    load.seed = client.value;
    return load;
  };
  auto built = Assembly::build(deployment, pinned_costs(), options);
  ASSERT_TRUE(built.has_value()) << built.error().message;
  Assembly& assembly = **built;
  assembly.start();
  std::size_t done = 0, done_early = 0, early = 0, late = 0;
  Instant at;
  for (int second = 1; second <= 60; ++second) {
    assembly.world().run_until(at = at + 1s);
    for (const ClientPart& client : assembly.clients()) done += client.workload->take_completions().size();
    if (second <= 20) continue;
    if (second <= 30) done_early = done;
    (second <= 30 ? early : late) = std::max(second <= 30 ? early : late, heap());
  }
  if (early == 0) GTEST_SKIP() << "the allocator does not tell";
  ASSERT_GT(done, done_early + 6000);
  // The bounded memory of proofs that were checked fills up meanwhile, some 10 bytes per update. What forgot to
  // forget would take a node of a map at least.
  const double grown = static_cast<double>(late) - static_cast<double>(early);
  const double of_each =
      grown / static_cast<double>(done - done_early) / static_cast<double>(assembly.servers().size());
  EXPECT_LT(of_each, 24) << "bytes per update and server, of " << early << " for all";
}

INSTANTIATE_TEST_SUITE_P(Protocols, FlatMemory, testing::Values(Protocol::Steward, Protocol::Bft),
                         [](const auto& protocol) { return std::string(to_string(protocol.param)); });

}  // namespace
}  // namespace seneschal::lab::sim
