// What an operator may do to a deployment at any moment: kill its starter or a daemon, start it twice, cut its files.
// Whatever happened, its daemons are found and named, and only they are ever ended.
#include "daemons.hpp"

#include <gmock/gmock.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>
#include <functional>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

class Lifecycle : public Daemons {
 protected:
  /// Keys once, so that `up` has nothing to do but to start.
  std::string keys() {
    const std::string folder = dir_ + "/keys-made-before";
    if (!fs::exists(folder)) {
      EXPECT_EQ(run({"keygen", "--deployment", dir_ + "/up.toml", "--out", folder}).code, 0);
    }
    return folder;
  }
  std::vector<std::string> up_words() {
    return {kProgram, "lab", "up", dir_ + "/up.toml", "--out", dir_, "--keys", keys()};
  }
  Outcome up_with_keys() {
    auto words = up_words();
    words.erase(words.begin());
    return run(words);
  }
  Outcome lab(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> words{"lab", command, "--out", dir_};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  void expect_all_gone() {
    EXPECT_THAT(processes_of_folder(), testing::IsEmpty());
    EXPECT_FALSE(load_state(dir_));
  }
};

// Between any two steps of a start: before the state is written, between fork and exec, before a daemon has its lock.
TEST_P(Lifecycle, UpIsKilledAtManyMomentsAndDownEndsEverything) {
  const auto words = up_words();
  constexpr int kMoments = 24;
  int found_running = 0;
  for (int i = 0; i < kMoments; ++i) {
    const auto starter = spawn(words, {.output = dir_ + "/killed.log"});
    ASSERT_TRUE(starter);
    ::usleep(static_cast<useconds_t>(i < 12 ? i * 4'000 : (i - 10) * 30'000));
    send_signal(*starter, SIGKILL);
    wait_for(*starter, 5s);
    if (i % 3 == 2) {  // it never claims success over what is not there
      const Outcome again = up_with_keys();
      EXPECT_THAT(again.code, AnyOf(0, 2)) << again.text;
      if (again.code == 2) {
        EXPECT_THAT(again.text, HasSubstr("already runs"));
      }
      if (again.code == 0) {
        EXPECT_EQ(client(1, {"put", "moment", std::to_string(i)}).code, 0);
      }
    }
    const Outcome down = lab("down");
    if (down.code != 0) {
      EXPECT_THAT(down.text, HasSubstr("nothing runs"));
    }
    found_running += down.code == 0 ? 1 : 0;
    ::usleep(100'000);  // time for one that was not found to show itself
    expect_all_gone();
  }
  EXPECT_GT(found_running, 0);
  const Outcome at_last = up_with_keys();
  ASSERT_EQ(at_last.code, 0) << at_last.text;
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  EXPECT_EQ(lab("down").code, 0);
  expect_all_gone();
}

TEST_P(Lifecycle, OfTwoUpsAtOnceOneStartsTheDeployment) {
  const auto words = up_words();
  const auto first = spawn(words, {.output = dir_ + "/first.log"});
  const auto second = spawn(words, {.output = dir_ + "/second.log"});
  ASSERT_TRUE(first && second);
  const int one = wait_for(*first, 60s).value_or(-1), other = wait_for(*second, 60s).value_or(-1);
  EXPECT_EQ((one == 0) + (other == 0), 1) << *read_file(dir_ + "/first.log") << *read_file(dir_ + "/second.log");
  EXPECT_THAT(*read_file(dir_ + (one == 0 ? "/second.log" : "/first.log")),
              AnyOf(HasSubstr("is at work on"), HasSubstr("already runs")));
  EXPECT_EQ(processes_of_folder().size(), sites());
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  EXPECT_EQ(lab("down").code, 0);
  expect_all_gone();
}

TEST_P(Lifecycle, ItsDaemonsAreFoundWhateverTheFilesSay) {
  ASSERT_EQ(up_with_keys().code, 0);
  const std::string path = dir_ + "/state.json", whole = *read_file(path);
  const auto cut_to = [&](const std::string& text) { std::ofstream(path, std::ios::trunc) << text; };
  const std::vector<std::function<void()>> damages = {
      [&] { cut_to(whole.substr(0, whole.size() / 2)); }, [&] { cut_to(""); },
      [&] { cut_to("{\"name\":\"x\",\"nodes\":[]}"); },   [&] { fs::remove(path); },
      [&] { fs::remove_all(dir_ + "/daemons"); },  // the locks themselves
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    damages[i]();
    const Outcome status = lab("status");
    EXPECT_EQ(status.code, 0) << i << status.text;
    if (i < 4) {
      EXPECT_THAT(status.text, HasSubstr("state.json is"));
    }
    EXPECT_EQ(client(1, {"put", "a", std::to_string(i)}).code, 0) << i;
    const Outcome again = up_with_keys();
    EXPECT_EQ(again.code, 2) << i;
    EXPECT_THAT(again.text, HasSubstr("already runs")) << i;
    EXPECT_EQ(processes_of_folder().size(), sites()) << i;
  }
  EXPECT_EQ(lab("down").code, 0);
  expect_all_gone();
}

// The number of a daemon that ended belongs to somebody else now.
TEST_P(Lifecycle, NoOtherProcessIsEverEnded) {
  ASSERT_EQ(up_with_keys().code, 0);
  const std::string lock = dir_ + "/daemons/node-2.lock", said = *read_file(lock);
  kill_node(1);
  const auto innocent = spawn({"sleep", "600"}, {});
  ASSERT_TRUE(innocent);
  auto json = said;
  json.replace(json.find("\"pid\":") + 6, json.find(',', json.find("\"pid\":")) - json.find("\"pid\":") - 6,
               std::to_string(innocent->pid));
  ASSERT_TRUE(write_file(lock, json));
  EXPECT_THAT(lab("status").text, HasSubstr("ended"));
  EXPECT_EQ(lab("stop", {"2"}).code, 0);
  EXPECT_TRUE(alive(*innocent));
  EXPECT_EQ(lab("down").code, 0);
  EXPECT_TRUE(alive(*innocent));
  end_all({*innocent}, 0s);
  expect_all_gone();
}

TEST_P(Lifecycle, DaemonsAreStartedStoppedAndRestartedOneByOne) {
  ASSERT_EQ(up_with_keys().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  kill_node(1);
  const Outcome missing = lab("status");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.text, HasSubstr("node 2 (s1): ended"));
  EXPECT_THAT(up_with_keys().text, HasSubstr("lab start NODE"));
  const Outcome started = lab("start", {"2"});
  EXPECT_EQ(started.code, 0) << started.text;
  EXPECT_EQ(value_of(1, "participating"), "yes");
  EXPECT_THAT(lab("start", {"2"}).text, HasSubstr("node 2 already runs"));
  EXPECT_EQ(lab("stop", {"s1"}).code, 0) << "by its site's name";
  EXPECT_EQ(processes_of_folder().size(), sites() - 1);
  EXPECT_EQ(client(1, {"put", "a", "2"}).code, 0);
  const auto before = load_state(dir_)->nodes[0].process;
  EXPECT_EQ(lab("restart", {"1", "2"}).code, 0);
  EXPECT_NE(load_state(dir_)->nodes[0].process, before);
  EXPECT_EQ(client(3, {"get", "a"}).text, "2\n");
  const Outcome unknown = lab("start", {"9"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.text, HasSubstr("expected one of: 1 (s0), 2 (s1)"));
  EXPECT_EQ(lab("down").code, 0);
  expect_all_gone();
}

TEST_P(Lifecycle, ADaemonStartedByHandIsOneOfTheFoldersAndRunsOnce) {
  ASSERT_EQ(up_with_keys().code, 0);
  kill_node(1);
  ASSERT_TRUE(start_node(1));
  EXPECT_EQ(lab("status").code, 0);
  const Outcome twice = run({"node", "--config", dir_ + "/nodes.toml", "--node", "2"});
  EXPECT_EQ(twice.code, 1);
  EXPECT_THAT(twice.text, HasSubstr("already runs from this folder"));
  EXPECT_EQ(client(2, {"put", "a", "1"}).code, 0);
  EXPECT_EQ(lab("down").code, 0);
  expect_all_gone();
}

TEST_P(Lifecycle, AnotherUserIsToldWhoseItIs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(up_with_keys().code, 0);
  const auto as_another = [&](const std::string& command) {
    const std::string log = "/tmp/seneschal-other-" + std::to_string(::getpid()) + ".log";
    const auto process = spawn(
        {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", kProgram, "lab", command, "--out", dir_},
        {.output = log});
    EXPECT_TRUE(process);
    Outcome outcome{wait_for(*process, 60s).value_or(-1), ""};
    outcome.text = *read_file(log);
    ::unlink(log.c_str());
    return outcome;
  };
  for (const fs::perms mode : {fs::perms(0755), fs::perms(0700)}) {
    fs::permissions(dir_, mode);
    const Outcome down = as_another("down");
    if (down.code == 126 || down.code == 127) GTEST_SKIP() << "another user cannot run the program: " << down.text;
    EXPECT_EQ(down.code, 1);
    EXPECT_THAT(down.text, HasSubstr("belongs to user root"));
    const Outcome status = as_another("status");
    EXPECT_EQ(status.code, 1);
    EXPECT_THAT(status.text, AllOf(HasSubstr("user root"), Not(HasSubstr("can decide nothing"))));
    EXPECT_EQ(processes_of_folder().size(), sites());
  }
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  EXPECT_EQ(lab("down").code, 0);
}

TEST_P(Lifecycle, APortInUseIsNamedAtOnce) {
  const std::string text = *read_file(dir_ + "/up.toml");
  const int port = std::stoi(text.substr(text.find("base_port = ") + 12)) + 2;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  (void)keys();
  const auto begin = std::chrono::steady_clock::now();
  const Outcome refused = up_with_keys();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.text, HasSubstr("node 3: cannot listen on 127.0.0.1:" + std::to_string(port)));
  EXPECT_THAT(refused.text, HasSubstr("in use"));
  EXPECT_THAT(processes_of_folder(), testing::IsEmpty());
  ::close(fd);
  EXPECT_EQ(up_with_keys().code, 0);
  EXPECT_EQ(lab("down").code, 0);
}

INSTANTIATE_TEST_SUITE_P(Protocols, Lifecycle, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
