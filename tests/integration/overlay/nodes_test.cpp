#include "tests/integration/overlay/daemons.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace seneschal::overlay {
namespace {

const std::string kChain = R"(
[[link]]
from = 1
to = 2
delay_ms = 20
[[link]]
from = 2
to = 3
delay_ms = 20
)";

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<Byte>(i * 7 + (i >> 8));
  return bytes;
}

// Sends from node 1 to node 3, which sends it back; how long that took.
Duration round_trip(Session& near, Session& far, const Bytes& bytes) {
  const auto begin = std::chrono::steady_clock::now();
  send(near, 1000, to(3, 2000), bytes);
  const auto there = far.receive(10s);
  EXPECT_TRUE(there.has_value());
  if (!there) return {};
  EXPECT_EQ(*there->bytes, bytes);
  send(far, 2000, there->source, *there->bytes);
  const auto back = near.receive(10s);
  EXPECT_TRUE(back.has_value());
  if (!back) return {};
  EXPECT_EQ(*back->bytes, bytes);
  return std::chrono::steady_clock::now() - begin;
}

TEST(OverlayNodes, SessionsReachEachOtherAcrossShapedLinks) {
  Daemons daemons;
  daemons.configure(3, kChain);
  daemons.start_all(3);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3}) && daemons.reaches(3, {1, 2}); }));
  Session near = daemons.session(1, 1000);
  Session far = daemons.session(3, 2000);
  EXPECT_EQ(near.node(), NodeId(1));
  // Four crossings of 20 ms each: never less.
  EXPECT_GE(round_trip(near, far, pattern(200)), 80ms);
  EXPECT_GE(round_trip(near, far, pattern(256 * 1024)), 80ms);
  round_trip(near, far, {});

  const auto links = daemons.json(2, "links")["links"];
  ASSERT_EQ(links.size(), 2u);
  EXPECT_TRUE(links[0]["up"]);
  EXPECT_GE(links[0]["packets"], 190);
  EXPECT_GE(links[0]["wire_bytes"], 256 * 1024);
  EXPECT_GE(links[0]["fidelity"]["packets"], 190);
  EXPECT_GE(links[0]["rtt_ms"], 40.0);
  EXPECT_EQ(links[0]["queue_drops"], 0);
  const auto status = daemons.json(2, "status");
  EXPECT_GT(status["forwarded"], 380);
  EXPECT_GT(status["cpu_user_us"].get<int>() + status["cpu_system_us"].get<int>(), 0);
}

TEST(OverlayNodes, GroupsReachAllMembersButTheSender) {
  Daemons daemons;
  daemons.configure(3, kChain);
  daemons.start_all(3);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3}); }));
  std::vector<Session> members;
  for (int node : {1, 2, 3, 3}) {
    members.push_back(daemons.session(node, 100 + static_cast<std::uint32_t>(members.size())));
    ASSERT_TRUE(members.back().join(Port(99 + static_cast<std::uint32_t>(members.size())), GroupId(7)));
  }
  std::this_thread::sleep_for(300ms);  // memberships travel
  send(members[0], 100, GroupId(7), pattern(5000));
  for (std::size_t i = 1; i < members.size(); ++i) {
    const auto got = members[i].receive(5s);
    ASSERT_TRUE(got.has_value()) << i;
    EXPECT_EQ(*got->bytes, pattern(5000));
    EXPECT_EQ(std::get<GroupId>(got->target), GroupId(7));
  }
  EXPECT_FALSE(members[0].receive(100ms).has_value());
}

TEST(OverlayNodes, LinksChangeWhileTrafficFlows) {
  Daemons daemons;
  daemons.configure(3, kChain);
  daemons.start_all(3);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3}) && daemons.reaches(3, {1, 2}); }));
  Session near = daemons.session(1, 1000);
  Session far = daemons.session(3, 2000);
  round_trip(near, far, pattern(100));
  EXPECT_EQ(daemons.ctl(1, "link set 1 2 delay_ms=120.5 bandwidth_mbps=5").code, 0);
  EXPECT_GE(round_trip(near, far, pattern(100)), 180ms);
  const auto link = daemons.json(1, "links")["links"][0];
  EXPECT_EQ(link["model"]["delay_ms"], 120.5);
  EXPECT_EQ(link["model"]["bandwidth_mbps"], 5.0);
  EXPECT_EQ(daemons.ctl(1, "link set 1 2 loss_percent=100").code, 0);
  send(near, 1000, to(3, 2000), pattern(1));
  EXPECT_FALSE(far.receive(400ms).has_value());
  EXPECT_GT(daemons.json(1, "links")["links"][0]["losses"], 0);

  for (const auto& [arguments, expected] : {std::pair{"link set 2 1 delay_ms=1", "is set at node 2"},
                                            std::pair{"link set 1 3 delay_ms=1", "no link from 1 to 3"},
                                            std::pair{"link set 1 2 dely_ms=1", "not a property"},
                                            std::pair{"link set 1 2 loss_percent=101", "from 0 to 100"},
                                            std::pair{"link set 1 2 bandwidth_mbps=1e-7", "would be 0"},
                                            std::pair{"link set 1 2 delay_ms=1e30", "from 0 to 3.6e+06"},
                                            std::pair{"link set 1 2 delay_ms=-1", "from 0 to"}}) {
    const Outcome outcome = daemons.ctl(1, arguments);
    EXPECT_EQ(outcome.code, 1) << arguments;
    EXPECT_NE(outcome.out.find(expected), std::string::npos) << outcome.out;
  }
  for (const char* arguments : {"link set 1 2", "link set 1 2 delay_ms", "status now", "nonsense", "--what"})
    EXPECT_EQ(daemons.ctl(1, arguments).code, 2) << arguments;
}

TEST(OverlayNodes, AWrongDelayOrBandwidthThatIsCorrectedHoldsNothingUp) {
  Daemons daemons;
  daemons.configure(2, "[[link]]\nfrom = 1\nto = 2\ndelay_ms = 5\n");
  daemons.start_all(2);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2}) && daemons.reaches(2, {1}); }));
  Session near = daemons.session(1, 1000);
  Session far = daemons.session(2, 2000);
  // 256 KiB at 8 kb/s would take 260 s.
  for (const char* wrong : {"delay_ms=60000", "bandwidth_mbps=0.008"}) {
    ASSERT_EQ(daemons.ctl(1, std::string("link set 1 2 ") + wrong).code, 0);
    send(near, 1000, to(2, 2000), pattern(256 * 1024));
    send(near, 1000, to(2, 2000), pattern(10));
    EXPECT_FALSE(far.receive(1s).has_value()) << wrong;
    ASSERT_EQ(daemons.ctl(1, "link set 1 2 delay_ms=5 bandwidth_mbps=0").code, 0);
    // Of the large one, packets may have been lost for want of room; what is sent after it is not held up.
    const auto begin = std::chrono::steady_clock::now();
    std::size_t small = 0;
    while (const auto got = far.receive(3s)) {
      small = got->bytes->size() == 10 ? 1 : 0;
      if (small == 1) break;
    }
    EXPECT_EQ(small, 1u) << wrong;
    send(near, 1000, to(2, 2000), pattern(20));
    while (const auto got = far.receive(3s))
      if (got->bytes->size() == 20) break;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s) << wrong;
    while (far.receive(500ms)) {
    }
  }
}

TEST(OverlayNodes, ANodeWithFewDescriptorsRefusesSessionsAndIsQuiet) {
  Daemons daemons;
  daemons.configure(1, "");
  daemons.start_all(1);
  const auto used = static_cast<rlim_t>(
      std::distance(std::filesystem::directory_iterator("/proc/" + std::to_string(daemons.pid(1)) + "/fd"), {}));
  // First what is left to the node itself, then not even that: a session can no longer be accepted to be refused.
  for (const rlim_t left : {40, 2}) {
    const rlimit few{used + left, used + left};
    ASSERT_EQ(::prlimit(daemons.pid(1), RLIMIT_NOFILE, &few, nullptr), 0);
    std::vector<Session> sessions;
    std::size_t opened = 0;
    for (std::uint32_t i = 0; i < 60; ++i) {
      auto session = Session::connect(daemons.session_path(1));
      ASSERT_TRUE(session);
      if (session->open(Port(1000 + i))) ++opened;
      sessions.push_back(std::move(*session));
    }
    EXPECT_LE(opened, left);
    EXPECT_EQ(opened > 0, left == 40);
    const long before = daemons.cpu_ticks(1);
    std::this_thread::sleep_for(1s);
    EXPECT_LT(daemons.cpu_ticks(1) - before, ::sysconf(_SC_CLK_TCK) / 4) << "it spins";
    if (left == 40) {
      EXPECT_GT(daemons.json(1, "status")["sessions"]["refused_without_descriptor"], 0);
    }
  }
  const std::string log = daemons.log(1);
  const auto first = log.find("ulimit -n");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("ulimit -n", first + 1), std::string::npos) << log;
  const rlimit more{256, 256};
  (void)::prlimit(daemons.pid(1), RLIMIT_NOFILE, &more, nullptr);  // raising the hard limit takes a privilege
  EXPECT_EQ(daemons.stop(1), 0);
}

TEST(OverlayNodes, AKilledNodeIsAvoided) {
  Daemons daemons;
  daemons.configure(4, R"(
[[link]]
a = 1
b = 2
[[link]]
a = 2
b = 3
[[link]]
a = 3
b = 4
delay_ms = 5
[[link]]
a = 1
b = 4
delay_ms = 5
)");
  daemons.start_all(4);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3, 4}) && daemons.reaches(3, {1, 2, 4}); }));
  Session near = daemons.session(1, 1000);
  Session far = daemons.session(3, 2000);
  round_trip(near, far, pattern(100));
  daemons.stop(2, SIGKILL);
  // The way round: both ends must have found it before the test's datagram is sent.
  ASSERT_TRUE(
      eventually([&] { return !daemons.reaches(1, {2}) && !daemons.reaches(3, {2}) && daemons.reaches(1, {3}); }));
  EXPECT_GE(round_trip(near, far, pattern(100)), 20ms);
  daemons.start(2);  // its stale sockets are no obstacle
  EXPECT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3, 4}); }));
}

TEST(OverlayNodes, StrangersAndGarbageAreCountedAndChangeNothing) {
  Daemons daemons;
  daemons.configure(3, kChain);
  daemons.start_all(3);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3}) && daemons.reaches(3, {1, 2}); }));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(daemons.ports[1]);
  const int stranger = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::srand(1);
  for (int i = 0; i < 500; ++i) {
    Bytes bytes(static_cast<std::size_t>(std::rand() % 1500));
    for (Byte& byte : bytes) byte = static_cast<Byte>(std::rand());
    ::sendto(stranger, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ::close(stranger);
  EXPECT_TRUE(eventually([&] {
    return daemons.json(1, "status")["drops"].value(std::string(to_string(Reject::UnknownPeer)), 0) >= 400;
  }));

  // A session that talks nonsense is ended; a control connection gets an error.
  for (const Bytes& nonsense : {Bytes{}, Bytes{200}, Bytes{4, 1}, Bytes{5, 0, 0}, Bytes(300'000, 4), Bytes{0, 1}}) {
    auto session = Session::connect(daemons.session_path(1));
    ASSERT_TRUE(session);
    if (::send(session->fd(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL) < 0) continue;
    if (nonsense.empty()) continue;
    EXPECT_TRUE(eventually([&] {
      session->receive(10ms);
      return !session->alive();
    })) << static_cast<int>(nonsense[0]);
  }
  Session near = daemons.session(1, 1000);
  Session far = daemons.session(3, 2000);
  auto thief = Session::connect(daemons.session_path(1));
  ASSERT_TRUE(thief);
  const Status taken = thief->open(Port(1000));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("somebody else"), std::string::npos) << taken.error().message;
  EXPECT_GE(round_trip(near, far, pattern(100)), 80ms);
}

// Of node 1's peers one is there, at one's address nobody listens, and the system refuses to send to the third.
TEST(OverlayNodes, UnreachablePeersAreCountedAndTheOthersGoOn) {
  Daemons daemons;
  daemons.configure(3, "[[link]]\na = 1\nb = 2\n[[link]]\na = 1\nb = 3\n[[link]]\na = 1\nb = 4\n");
  std::ofstream(daemons.config(), std::ios::app)
      << "[[node]]\nid = 4\naddress = \"192.0.2.1:7000\"\nsession = \"4.session\"\ncontrol = \"4.control\"\n";
  daemons.start(1);
  daemons.start(2);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2}); }));
  // Nothing can be sent from 127.0.0.1 to an address outside this machine.
  EXPECT_TRUE(eventually([&] { return daemons.json(1, "status")["send_drops"] > 0; }));

  Session near = daemons.session(1, 1000);
  Session far = daemons.session(2, 2000);
  for (int i = 0; i < 5; ++i) {
    send(near, 1000, to(3, 2000), pattern(100));
    send(near, 1000, to(4, 2000), pattern(100));
    send(near, 1000, to(2, 2000), pattern(200));
    const auto got = far.receive(5s);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(*got->bytes, pattern(200));
  }
  const auto status = daemons.json(1, "status");
  EXPECT_EQ(status["drops"].value(std::string(to_string(Reject::NoRoute)), 0), 10);
  EXPECT_EQ(status["links_up"], std::vector<int>{2});
  const auto links = daemons.json(1, "links");
  for (const auto& link : links["links"]) {
    EXPECT_EQ(link["up"], link["to"] == 2);
    EXPECT_EQ(link["under_way"], 0);  // nothing is kept for them
    EXPECT_EQ(link["waiting_packets"], 0);
  }
  EXPECT_EQ(daemons.stop(1, SIGTERM), 0);
}

TEST(OverlayNodes, StartsAndStopsCleanly) {
  Daemons daemons;
  daemons.configure(2, "[[link]]\na = 1\nb = 2\n");
  daemons.start(1);
  for (const std::string& path : {daemons.session_path(1), daemons.control(1)}) {
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
  }
  // An unreachable peer is a status, not an error.
  EXPECT_FALSE(daemons.json(1, "links")["links"][0]["up"]);

  Outcome second = run_program("node --config " + daemons.config() + " --node 1");
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.out.find("a daemon of this node already runs from this folder"), std::string::npos) << second.out;
  EXPECT_EQ(daemons.ctl(1, "status").code, 0);  // and did no harm to the first

  EXPECT_EQ(daemons.stop(1, SIGTERM), 0);
  EXPECT_FALSE(std::filesystem::exists(daemons.session_path(1)));
  EXPECT_FALSE(std::filesystem::exists(daemons.control(1)));
  EXPECT_EQ(daemons.ctl(1, "status").code, 1);
  daemons.start(2);
  EXPECT_EQ(daemons.stop(2, SIGINT), 0);
}

TEST(OverlayNodes, EndedSessionsCostNothing) {
  Daemons daemons;
  daemons.configure(1, "");
  daemons.start(1);
  const auto cpu_us = [&] {
    const auto status = daemons.json(1, "status");
    return status["cpu_user_us"].get<int>() + status["cpu_system_us"].get<int>();
  };
  {
    const Session session = daemons.session(1, 1000);
  }
  EXPECT_TRUE(eventually([&] { return daemons.json(1, "status")["sessions"]["open"] == 0; }));
  const int before = cpu_us();
  std::this_thread::sleep_for(1s);
  EXPECT_LT(cpu_us() - before, 300'000);  // an idle node uses next to nothing; one that spins, all of it
  (void)daemons.session(1, 1000);         // the port is free again
}

TEST(OverlayNodes, TheFormerNamesOfALinksEndsAreUnderstoodWithANote) {
  Daemons daemons;
  daemons.configure(3, "[[link]]\na = 1\nb = 2\n[[link]]\nfrom = 2\nto = 3\n");
  daemons.start_all(3);
  EXPECT_TRUE(eventually([&] { return daemons.reaches(1, {2, 3}); }));
  const std::string log = daemons.log(1);
  const auto note = log.find("are called 'from' and 'to'");
  EXPECT_NE(note, std::string::npos) << log;
  EXPECT_EQ(log.find("are called 'from' and 'to'", note + 1), std::string::npos) << "once is enough";
  daemons.configure(2, "[[link]]\nfrom = 1\nb = 2\n");
  const Outcome mixed = run_program("node --node 1 --config " + daemons.config());
  EXPECT_EQ(mixed.code, 2);
  EXPECT_NE(mixed.out.find("the key 'to' is missing"), std::string::npos) << mixed.out;
}

TEST(OverlayNodes, BadConfigurationsAreExplained) {
  Daemons daemons;
  const auto complaint = [&](const std::string& rest, const std::string& arguments = " --node 1") {
    daemons.configure(2, rest);
    const Outcome outcome = run_program("node --config " + daemons.config() + arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.out;
    return outcome.out;
  };
  EXPECT_NE(complaint("[[link]]\nfrom = 1\nto = 9\n").find("no node 9"), std::string::npos);
  EXPECT_NE(complaint("[[link]]\nfrom = 1\nto = 2\ndelay_s = 1\n").find("unknown key 'delay_s'"), std::string::npos);
  EXPECT_NE(complaint("", "").find("--node N"), std::string::npos);
  EXPECT_NE(complaint("", " --node 7").find("no node 7"), std::string::npos);
  EXPECT_NE(
      complaint("[[plugin]]\nnode = 1\nlibrary = \"x.so\"\nport = 1\nconfig = \"none\"\n").find("cannot be read"),
      std::string::npos);
  EXPECT_EQ(run_program("node --config /nonexistent").code, 2);
  EXPECT_EQ(run_program("node --confg x").code, 2);
  EXPECT_EQ(run_program("nod").code, 2);
}

TEST(OverlayNodes, ANodeThatMayHaveTooFewDescriptorsDoesNotBegin) {
  Daemons daemons;
  daemons.configure(1, "");
  const std::string command = "ulimit -n 30; exec " SENESCHAL_BINARY_DIR "/bin/seneschal node --config " +
                              daemons.config() + " --node 1 2>&1";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 1024> text{};
  const std::size_t n = std::fread(text.data(), 1, text.size(), pipe);
  EXPECT_EQ(WEXITSTATUS(::pclose(pipe)), 1);
  EXPECT_NE(std::string(text.data(), n).find("may have 30 file descriptors, and a node with 0 plugins needs 40"),
            std::string::npos)
      << text.data();
}

class OverlayPlugins : public testing::TestWithParam<int> {};

TEST_P(OverlayPlugins, AnswerOnTheLoopAndOnThreads) {
  const int count = GetParam();
  Daemons daemons;
  std::string text = "[[link]]\na = 1\nb = 2\n";
  for (int i = 0; i < count; ++i)
    text += "[[plugin]]\nnode = 2\nname = \"echo-" + std::to_string(i) + "\"\nlibrary = \"" + plugin_path("echo") +
            "\"\nport = " + std::to_string(100 + i) + "\n";
  daemons.configure(2, text);
  daemons.start_all(2);
  ASSERT_TRUE(eventually([&] { return daemons.reaches(1, {2}); }));
  Session session = daemons.session(1, 1000);
  for (int i = 0; i < count; ++i) {
    const Target echo = to(2, static_cast<std::uint32_t>(100 + i));
    for (const auto& [sent, expected] :
         {std::pair{"hello", "hello"}, std::pair{"job", "Job"}, std::pair{"time", "Time"}}) {
      send(session, 1000, echo, to_bytes(sent));
      const auto got = session.receive(5s);
      ASSERT_TRUE(got.has_value()) << sent;
      EXPECT_EQ(as_text(*got->bytes), expected);
    }
    send(session, 1000, echo, pattern(256 * 1024));
    const auto got = session.receive(5s);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(*got->bytes, pattern(256 * 1024));
  }
  EXPECT_TRUE(eventually([&] {
    const auto plugins = daemons.json(2, "plugins")["plugins"];
    return std::ranges::all_of(plugins, [&](const auto& plugin) {
      return plugin["state"] == "running" && plugin["own_thread"] == (count > 1) &&
             plugin["status"].value("echoed", "") == "4";
    });
  }));
  EXPECT_EQ(daemons.stop(2), 0);
}

INSTANTIATE_TEST_SUITE_P(OneAndSeveral, OverlayPlugins, testing::Values(1, 4));

TEST(OverlayPlugin, ThatDoesNotLoadIsReportedAndTheNodeGoesOn) {
  Daemons daemons;
  std::string text;
  const auto add = [&](const std::string& library, const std::string& config = "") {
    static int port = 0;
    text += "[[plugin]]\nnode = 1\nname = \"p" + std::to_string(port) + "\"\nlibrary = \"" + library +
            "\"\nport = " + std::to_string(port) + "\n" + config;
    ++port;
  };
  add(plugin_path("wrong_version"));
  add(plugin_path("no_table"));
  add("/nonexistent/libnothing.so");
  add(plugin_path("echo"), "config = \"fail.conf\"\n");
  add(plugin_path("echo"));
  daemons.write("fail.conf", "fail");
  daemons.configure(1, text);
  daemons.start(1);
  const auto state = [&](std::size_t i) {
    return daemons.json(1, "plugins")["plugins"][i]["state"].get<std::string>();
  };
  EXPECT_NE(state(0).find("version 99"), std::string::npos) << state(0);
  EXPECT_NE(state(1).find("not a plugin"), std::string::npos) << state(1);
  EXPECT_NE(state(2).find("cannot be loaded"), std::string::npos) << state(2);
  EXPECT_TRUE(eventually([&] { return state(3) == "failed: told to fail"; })) << state(3);
  EXPECT_TRUE(eventually([&] { return state(4) == "running"; })) << state(4);
  Session session = daemons.session(1, 1000);
  send(session, 1000, to(1, 4), to_bytes("still here"));
  const auto got = session.receive(5s);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(as_text(*got->bytes), "still here");
}

}  // namespace
}  // namespace seneschal::overlay
