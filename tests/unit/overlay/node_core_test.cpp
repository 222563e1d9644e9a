#include "overlay/node_core.hpp"

#include "tests/unit/overlay/twin.hpp"

#include <gtest/gtest.h>

namespace seneschal::overlay {
namespace {

constexpr Port kPort{7};
constexpr GroupId kGroup{1};

// 0-1-2-3 in a ring, and a chord 0-2 that is long.
std::vector<std::pair<int, int>> ring() {
  return {{0, 1}, {1, 2}, {2, 3}, {0, 3}};
}
std::vector<std::pair<int, int>> mesh5() {
  std::vector<std::pair<int, int>> links;
  for (int a = 0; a < 5; ++a)
    for (int b = a + 1; b < 5; ++b) links.emplace_back(a, b);
  return links;
}

void open_all(Twin& twin, int nodes, bool join = false) {
  for (int i = 0; i < nodes; ++i) {
    ASSERT_TRUE(twin.core(i).open(kPort));
    if (!join) continue;
    ASSERT_TRUE(twin.core(i).join(twin.now, kPort, kGroup));
  }
}

EndpointId at(int node) {
  return {Twin::id(node), kPort};
}

TEST(OverlayNode, RoutesConvergeAndUnicastArrives) {
  Twin twin(4, ring());
  open_all(twin, 4);
  twin.start();
  twin.run_for(1s);
  for (int from = 0; from < 4; ++from)
    for (int to = 0; to < 4; ++to)
      ASSERT_TRUE(twin.core(from).send(twin.now, kPort, at(to), pattern(100, static_cast<std::uint8_t>(from))))
          << from << to;
  twin.run_for(100ms);
  for (int to = 0; to < 4; ++to) {
    ASSERT_EQ(twin.inbox(to).size(), 4u);
    for (const auto& got : twin.inbox(to))
      EXPECT_TRUE(
          equal(got.delivery.payload, *pattern(100, static_cast<std::uint8_t>(got.delivery.source.node.value))));
  }
}

TEST(OverlayNode, UnfragmentedPayloadArrivesAsTheSameObject) {
  Twin twin(4, ring());
  open_all(twin, 4, true);
  twin.start();
  twin.run_for(1s);
  const SharedBytes small = pattern(200);
  const SharedBytes large = pattern(100'000);
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, kGroup, small));
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, kGroup, large));
  twin.run_for(100ms);
  EXPECT_TRUE(twin.inbox(0).empty());  // nothing of one's own
  for (int node = 1; node < 4; ++node) {
    ASSERT_EQ(twin.inbox(node).size(), 2u);
    EXPECT_EQ(twin.inbox(node)[0].delivery.bytes(), small);
    EXPECT_EQ(twin.inbox(node)[1].delivery.bytes(), large);  // all pieces were windows into it
  }
}

TEST(OverlayNode, MulticastCrossesEachLinkOfTheTreeOnce) {
  // A chain of sites with two leaves: 0-1-2, 2-3, 2-4; members everywhere but at 1.
  Twin twin(5, {{0, 1}, {1, 2}, {2, 3}, {2, 4}});
  open_all(twin, 5);
  for (int node : {0, 2, 3, 4}) ASSERT_TRUE(twin.core(node).join(twin.now, kPort, kGroup));
  ASSERT_TRUE(twin.core(3).open(Port(8)));
  ASSERT_TRUE(twin.core(3).join(twin.now, Port(8), kGroup));
  twin.start();
  twin.run_for(1s);
  twin.data_crossed.clear();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(twin.core(0).send(twin.now, kPort, kGroup, pattern(300)));
  twin.run_for(100ms);
  const std::map<std::pair<int, int>, int> expected = {{{0, 1}, 10}, {{1, 2}, 10}, {{2, 3}, 10}, {{2, 4}, 10}};
  EXPECT_EQ(twin.data_crossed, expected);
  EXPECT_EQ(twin.inbox(1).size(), 0u);
  EXPECT_EQ(twin.inbox(2).size(), 10u);
  EXPECT_EQ(twin.inbox(3).size(), 20u);
  EXPECT_EQ(twin.core(1).counters().forwarded, 10u);
}

TEST(OverlayNode, EndpointsOfOneNodeReachEachOtherDirectly) {
  Twin twin(2, {{0, 1}});
  for (int port = 1; port <= 3; ++port) {
    ASSERT_TRUE(twin.core(0).open(Port(static_cast<std::uint32_t>(port))));
    ASSERT_TRUE(twin.core(0).join(twin.now, Port(static_cast<std::uint32_t>(port)), kGroup));
  }
  twin.start();
  const SharedBytes large = pattern(200'000);
  ASSERT_TRUE(twin.core(0).send(twin.now, Port(1), kGroup, large));
  ASSERT_TRUE(twin.core(0).send(twin.now, Port(1), EndpointId{Twin::id(0), Port(2)}, large));
  ASSERT_EQ(twin.inbox(0).size(), 3u);
  for (const auto& got : twin.inbox(0)) EXPECT_EQ(got.delivery.owner, large);
  EXPECT_EQ(twin.inbox(0)[0].port, Port(2));
  EXPECT_EQ(twin.inbox(0)[1].port, Port(3));
}

TEST(OverlayNode, ADeadLinkIsFoundAndAvoidedUnderASecond) {
  Twin twin(4, ring());
  open_all(twin, 4);
  twin.start();
  twin.run_for(2s);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(1)), Twin::id(1));
  twin.wire(0, 1).cut = twin.wire(1, 0).cut = true;
  twin.run_for(900ms);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(1)), Twin::id(3));
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(10)));
  twin.run_for(100ms);
  EXPECT_EQ(twin.inbox(1).size(), 1u);
  twin.wire(0, 1).cut = twin.wire(1, 0).cut = false;
  twin.run_for(1s);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(1)), Twin::id(1));
}

TEST(OverlayNode, ALinkThatDiesInOneDirectionIsAvoidedInBoth) {
  Twin twin(4, ring());
  twin.start();
  twin.run_for(2s);
  twin.wire(0, 1).cut = true;
  twin.run_for(900ms);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(1)), Twin::id(3));
  EXPECT_EQ(twin.core(1).routes().next_hop(Twin::id(0)), Twin::id(2));
}

TEST(OverlayNode, ADeadNodeHasNoRouteAndComesBack) {
  Twin twin(3, {{0, 1}, {1, 2}});
  open_all(twin, 3, true);
  twin.start();
  twin.run_for(1s);
  twin.kill(2);
  twin.run_for(1s);
  EXPECT_EQ(twin.core(0).send(twin.now, kPort, at(2), pattern(10)).error(), Reject::NoRoute);
  EXPECT_EQ(twin.core(0).counters().drops.at(Reject::NoRoute), 1u);
  twin.boot(2, 2);
  ASSERT_TRUE(twin.core(2).open(kPort));
  twin.core(2).start(twin.now);
  twin.run_for(1s);
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(2), pattern(10)));
  twin.run_for(100ms);
  EXPECT_EQ(twin.inbox(2).size(), 1u);
}

TEST(OverlayNode, RoutesFollowTheMeasuredLatency) {
  Twin twin(3, {{0, 1}, {1, 2}, {0, 2}});
  twin.both(0, 2, {.delay = 100ms});
  twin.start();
  twin.run_for(3s);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(2)), Twin::id(1));
  EXPECT_EQ(twin.core(0).links()[1].cost_us, 100'000u);
  twin.both(0, 1, {.delay = 150ms});
  twin.run_for(6s);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(2)), Twin::id(2));
}

TEST(OverlayNode, ConfiguredCostsIgnoreMeasurement) {
  Twin twin(3, {{0, 1}, {1, 2}, {0, 2}}, [](NodeConfig& config) { config.routing = RoutingMode::Configured; });
  twin.both(0, 2, {.delay = 100ms});
  twin.start();
  twin.run_for(5s);
  EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(2)), Twin::id(2));
}

TEST(OverlayNode, JitterDoesNotMakeRoutesFlap) {
  Twin twin(5, mesh5());
  for (auto [a, b] : mesh5()) twin.both(a, b, {.delay = 20ms, .jitter = 8ms, .loss_percent = 2});
  twin.start();
  twin.run_for(5s);
  const std::uint64_t before = twin.core(0).counters().routes_built;
  twin.run_for(15s);
  EXPECT_LE(twin.core(0).counters().routes_built - before, 5u);  // no more than a refresh of each node
  for (int to = 1; to < 5; ++to) EXPECT_EQ(twin.core(0).routes().next_hop(Twin::id(to)), Twin::id(to));
}

TEST(OverlayNode, LinkStatesSurviveHeavyLoss) {
  Twin twin(4, ring());
  for (auto [a, b] : ring()) twin.both(a, b, {.delay = 10ms, .jitter = 5ms, .loss_percent = 25});
  open_all(twin, 4, true);
  twin.start();
  twin.run_for(10s);
  for (int node = 0; node < 4; ++node) {
    EXPECT_EQ(twin.core(node).link_states().entries().size(), 4u);
    for (const auto& [origin, entry] : twin.core(node).link_states().entries())
      EXPECT_EQ(entry.state.groups.size(), 1u);
  }
}

TEST(OverlayNode, HellosLeaveASlowLinkAlone) {
  Twin twin(2, {{0, 1}});
  twin.start();
  twin.run_for(1s);
  const auto before = twin.core(0).links()[0].counters;
  twin.run_for(10s);
  const auto after = twin.core(0).links()[0].counters;
  const std::uint64_t wire_bits =
      8 * (after.bytes_sent - before.bytes_sent + kIpUdpBytes * (after.packets_sent - before.packets_sent));
  EXPECT_LT(wire_bits / 10, 2'500'000u / 100);  // less than one per cent of 2.5 Mbps
  EXPECT_GT(after.packets_sent, before.packets_sent);
}

TEST(OverlayNode, StaticRoutesWorkFromTheFirstInstantWithoutHellos) {
  Twin twin(4, ring(), [](NodeConfig& config) {
    config.routing = RoutingMode::Static;
    config.static_groups = {{kGroup, {Twin::id(0), Twin::id(1), Twin::id(2), Twin::id(3)}}};
  });
  open_all(twin, 4, true);
  twin.start();
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, kGroup, pattern(10)));
  twin.run_for(1s);
  for (int node = 1; node < 4; ++node) EXPECT_EQ(twin.inbox(node).size(), 1u);
  const std::uint64_t steps = twin.steps;
  twin.run_for(3600s);
  EXPECT_EQ(twin.steps, steps);  // an idle network costs nothing
}

TEST(OverlayNode, StaticNodesLearnGroupsOverLossyLinksAndAfterRestart) {
  Twin twin(3, {{0, 1}, {1, 2}}, [](NodeConfig& config) { config.routing = RoutingMode::Static; });
  twin.both(0, 1, {.loss_percent = 50});
  open_all(twin, 3, true);
  twin.start();
  twin.run_for(30s);
  twin.boot(0, 2);
  ASSERT_TRUE(twin.core(0).open(kPort));
  ASSERT_TRUE(twin.core(0).join(twin.now, kPort, kGroup));
  twin.core(0).start(twin.now);
  twin.run_for(30s);
  twin.both(0, 1, {});
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, kGroup, pattern(10)));
  ASSERT_TRUE(twin.core(2).send(twin.now, kPort, kGroup, pattern(10)));
  twin.run_for(1s);
  EXPECT_EQ(twin.inbox(0).size(), 1u);
  EXPECT_EQ(twin.inbox(1).size(), 2u);
  EXPECT_EQ(twin.inbox(2).size(), 1u);
}

TEST(OverlayNode, LargeMessagesAreCutAndPutTogether) {
  for (bool encode : {false, true}) {
    Twin twin(3, {{0, 1}, {1, 2}});
    twin.encode = encode;
    twin.both(0, 1, {.delay = 5ms, .jitter = 5ms});
    open_all(twin, 3);
    twin.start();
    twin.run_for(1s);
    twin.data_crossed.clear();
    for (std::size_t size : {0uz, 1uz, 1351uz, 1352uz, 5000uz, 256uz * 1024})
      ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(2), pattern(size)));
    EXPECT_EQ(twin.core(0).send(twin.now, kPort, at(2), pattern(256 * 1024 + 1)).error(), Reject::TooLong);
    twin.run_for(1s);
    ASSERT_EQ(twin.inbox(2).size(), 6u);
    for (const auto& got : twin.inbox(2))
      EXPECT_TRUE(equal(got.delivery.payload, *pattern(got.delivery.payload.size())));
  }
}

TEST(OverlayNode, PiecesArePacedToTheLink) {
  Twin twin(2, {{0, 1}}, [](NodeConfig& config) { config.peers[0].bandwidth_bps = 10'000'000; });
  twin.both(0, 1, {.delay = 5ms, .bandwidth_bps = 10'000'000, .queue_bytes = 8 * 1024});
  open_all(twin, 2);
  twin.start();
  twin.run_for(1s);
  const Instant begin = twin.now;
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(256 * 1024)));
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(256 * 1024)));
  twin.run_for(2s);
  EXPECT_EQ((twin.queue_dropped[{0, 1}]), 0);
  ASSERT_EQ(twin.inbox(1).size(), 2u);
  // 2 x 256 KiB at 10 Mbps are 0.42 s, plus headers and delay: the link was neither overrun nor left idle.
  EXPECT_GT(twin.inbox(1)[1].at - begin, 420ms);
  EXPECT_LT(twin.inbox(1)[1].at - begin, 470ms);
}

TEST(OverlayNode, APacedQueueThatIsFullRefusesWholeMessages) {
  Twin twin(2, {{0, 1}}, [](NodeConfig& config) {
    config.peers[0].bandwidth_bps = 1'000'000;
    config.limits.paced_bytes = 300'000;
  });
  open_all(twin, 2);
  twin.start();
  twin.run_for(1s);
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(200'000)));
  EXPECT_EQ(twin.core(0).send(twin.now, kPort, at(1), pattern(200'000)).error(), Reject::QueueFull);
  EXPECT_EQ(twin.core(0).links()[0].counters.drops.at(Reject::QueueFull), 1u);
  EXPECT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(500)));  // small ones pass
  twin.run_for(3s);
  EXPECT_EQ(twin.inbox(1).size(), 2u);
}

TEST(OverlayNode, ReliableServiceDeliversUnderLoss) {
  Twin twin(3, {{0, 1}, {1, 2}}, {}, 3);
  for (auto [a, b] : {std::pair{0, 1}, std::pair{1, 2}})
    twin.both(a, b, {.delay = 10ms, .jitter = 4ms, .loss_percent = 20});
  twin.encode = true;
  open_all(twin, 3);
  twin.start();
  twin.run_for(3s);
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(
        twin.core(0).send(twin.now, kPort, at(2), pattern(50'000, static_cast<std::uint8_t>(i)), Service::Reliable));
  twin.run_for(10s);
  ASSERT_EQ(twin.inbox(2).size(), 20u);
  std::set<Bytes> seen;
  for (const auto& got : twin.inbox(2)) seen.insert(to_bytes(got.delivery.payload));
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_GT(twin.core(0).links()[0].counters.retransmitted, 50u);
}

TEST(OverlayNode, ReliablePacketsTakeTheNewWayWhenTheirLinkDies) {
  Twin twin(4, ring());
  open_all(twin, 4);
  twin.start();
  twin.run_for(2s);
  twin.wire(0, 1).cut = twin.wire(1, 0).cut = true;
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(1), pattern(20'000), Service::Reliable));
  twin.run_for(3s);
  ASSERT_EQ(twin.inbox(1).size(), 1u);
  EXPECT_TRUE(equal(twin.inbox(1)[0].delivery.payload, *pattern(20'000)));
}

TEST(OverlayNode, AFullReliableQueuePushesBack) {
  // The second hop is slow; the first hop's sender keeps what the middle node cannot take.
  Twin twin(3, {{0, 1}, {1, 2}}, [](NodeConfig& config) {
    config.limits.reliable_bytes = config.self == Twin::id(1) ? 30'000 : 4'000'000;
    for (PeerConfig& peer : config.peers) peer.bandwidth_bps = peer.id == Twin::id(2) ? 1'000'000 : 20'000'000;
  });
  open_all(twin, 3);
  twin.start();
  twin.run_for(1s);
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(2), pattern(100'000), Service::Reliable));
  twin.run_for(20s);
  EXPECT_EQ(twin.inbox(2).size(), 4u);
  EXPECT_GT(twin.core(1).links()[0].counters.drops.at(Reject::QueueFull), 0u);
}

TEST(OverlayNode, OpenPortsAndGroupsAreBounded) {
  Twin twin(1, {}, [](NodeConfig& config) { config.limits.max_ports = 3; });
  NodeCore& core = twin.core(0);
  EXPECT_EQ(core.join(twin.now, kPort, kGroup).error(), Reject::NotOurs);
  EXPECT_EQ(core.send(twin.now, kPort, at(0), pattern(1)).error(), Reject::NotOurs);
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(core.open(Port(i)));
  EXPECT_EQ(core.open(Port(1)).error(), Reject::Duplicate);
  EXPECT_EQ(core.open(Port(9)).error(), Reject::Overloaded);
  for (std::uint32_t i = 0; i < kMaxGroups; ++i) ASSERT_TRUE(core.join(twin.now, Port(0), GroupId(i)));
  EXPECT_EQ(core.join(twin.now, Port(0), GroupId(9999)).error(), Reject::Overloaded);
  ASSERT_TRUE(core.join(twin.now, Port(1), GroupId(0)));
  core.close(twin.now, Port(0));
  EXPECT_EQ(core.groups().size(), 1u);
  core.leave(twin.now, Port(1), GroupId(0));
  EXPECT_TRUE(core.groups().empty());
}

TEST(OverlayNode, CountsStrangersUnknownPortsAndLoops) {
  Twin twin(2, {{0, 1}});
  open_all(twin, 2);
  twin.start();
  twin.run_for(1s);
  NodeCore& core = twin.core(1);
  core.on_datagram(twin.now, Twin::id(5), pattern(100));
  core.on_stranger();
  EXPECT_EQ(core.counters().drops.at(Reject::UnknownPeer), 2u);
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, EndpointId{Twin::id(1), Port(99)}, pattern(1)));
  twin.run_for(100ms);
  EXPECT_EQ(core.counters().drops.at(Reject::NotOurs), 1u);

  Frame frame;
  frame.owner = share({});
  frame.header.source = at(1);
  frame.header.to_node = Twin::id(1);
  core.on_frame(twin.now, Twin::id(0), frame);  // claims to be from ourselves
  EXPECT_EQ(core.links()[0].counters.drops.at(Reject::NotOurs), 1u);
  frame.header.source = at(0);
  frame.header.to_node = Twin::id(0);
  core.on_frame(twin.now, Twin::id(0), frame);  // ttl 0
  EXPECT_EQ(core.links()[0].counters.drops.at(Reject::Expired), 1u);
  frame.header.kind = TargetKind::Multicast;
  frame.header.source = {Twin::id(3), kPort};  // no such source in the map
  core.on_frame(twin.now, Twin::id(0), frame);
  EXPECT_EQ(core.links()[0].counters.drops.at(Reject::Duplicate), 1u);
}

TEST(OverlayNode, ARestartedNodeOutbidsItsOwnOldLinkState) {
  Twin twin(3, {{0, 1}, {1, 2}});
  open_all(twin, 3, true);
  twin.start();
  twin.run_for(1s);
  twin.boot(0, 1);  // lost even its boot number
  twin.core(0).start(twin.now);
  twin.run_for(2s);
  EXPECT_TRUE(twin.core(2).link_states().find(Twin::id(0))->state.groups.empty());
}

TEST(OverlayNode, SurvivesGarbageFromItsNeighbour) {
  Prng prng(5);
  Twin twin(3, {{0, 1}, {1, 2}});
  twin.encode = true;
  open_all(twin, 3, true);
  twin.start();
  twin.run_for(1s);
  for (int i = 0; i < 30000; ++i) {
    Bytes bytes(prng.below(prng.chance(1, 10) ? 1500 : 120));
    for (Byte& byte : bytes) byte = prng.chance(1, 3) ? Byte{0} : static_cast<Byte>(prng.next());
    if (bytes.size() >= 4 && prng.chance(9, 10)) {
      bytes[0] = 0x53, bytes[1] = 0x4e, bytes[2] = 1;
      bytes[3] = static_cast<Byte>(prng.below(8));
    }
    twin.core(1).on_datagram(twin.now, Twin::id(prng.chance(1, 2) ? 0 : 2), share(std::move(bytes)));
    if (i % 100 == 0) twin.run_for(1ms);
  }
  std::uint64_t drops = 0;
  for (const LinkReport& link : twin.core(1).links()) drops += link.counters.drops.total();
  EXPECT_GT(drops, 20000u);
  EXPECT_LE(twin.core(1).reassembler().partial_bytes(), twin.core(1).config().limits.partial_bytes);
  twin.run_for(3s);
  ASSERT_TRUE(twin.core(0).send(twin.now, kPort, at(2), pattern(10)));
  twin.run_for(200ms);
  EXPECT_FALSE(twin.inbox(2).empty());
}

}  // namespace
}  // namespace seneschal::overlay
