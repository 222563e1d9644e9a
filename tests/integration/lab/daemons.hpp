// Real daemons on this machine that a test kills and starts again.
#pragma once
#include "program.hpp"

#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/node_report.hpp"
#include "lab/process.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <filesystem>

namespace seneschal::lab {

/// Three sites (Steward) or four (BFT), so that one daemon can be missed.
class Daemons : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/seneschal-restart-XXXXXX";
    dir_ = ::mkdtemp(name);
    std::string sites;
    for (int i = 0; i < (GetParam() == "bft" ? 4 : 3); ++i)
      sites += "[[site]]\nname = \"s" + std::to_string(i) + "\"\n";
    ASSERT_TRUE(write_file(dir_ + "/topology.toml",
                           "name = \"near\"\n[link_default]\ndelay_ms = 3\nbandwidth_mbps = 50\n" + sites));
    // Below the ports that the system hands out: nobody takes one while its daemon is down.
    const int port = 12'000 + ::getpid() % 2'000 * 8;
    ASSERT_TRUE(write_file(dir_ + "/up.toml", "name = \"restart\"\nprotocol = \"" + GetParam() +
                                                  "\"\ntopology = \"topology.toml\"\nclients = 12\n" +
                                                  more_of_the_file() + "base_port = " + std::to_string(port) +
                                                  "\n"
                                                  "[keys]\nsite_bits = 1024\nserver_bits = 1024\n"));
  }
  virtual std::string more_of_the_file() const { return ""; }
  void TearDown() override {
    if (const auto cluster = load_state(dir_)) stop_cluster(*cluster);
    std::filesystem::remove_all(dir_);
  }
  Outcome up(const std::string& more = "") {
    std::vector<std::string> words{"lab", "up", dir_ + "/up.toml", "--out", dir_};
    if (!more.empty()) words.push_back(more);
    return run(words);
  }
  Outcome client(int id, std::vector<std::string> words) {
    std::vector<std::string> all{"client", "--deployment", dir_, "--id", std::to_string(id), "--timeout", "120"};
    all.insert(all.end(), words.begin(), words.end());
    return run(all);
  }
  /// The daemon of node `i` as `lab up` started it, until it answers; no file of it may grow beyond `most_kb`.
  Result<ProcessId> start_node(std::size_t i, int most_kb = 0) {
    std::vector<std::string> words{
        kProgram, "node", "--config", dir_ + "/nodes.toml", "--node", std::to_string(i + 1)};
    if (most_kb != 0) {
      const std::vector<std::string> limited{"/bin/bash", "-c",
                                             "ulimit -f " + std::to_string(most_kb) + " && exec \"$0\" \"$@\""};
      words.insert(words.begin(), limited.begin(), limited.end());
    }
    auto process = spawn(words, {.output = dir_ + "/nodes/again" + std::to_string(i + 1) + ".log", .detach = true});
    if (!process) return process;
    const auto running = [&] { return value_of(i, "participating").size() > 1; };
    for (int n = 0; n < 1000 && !running(); ++n) ::usleep(20'000);
    EXPECT_TRUE(running()) << "node " << i + 1;
    return process;
  }
  void kill_node(std::size_t i) {
    const auto cluster = *load_state(dir_);
    ASSERT_TRUE(send_signal(cluster.nodes[i].process, SIGKILL));
    for (int n = 0; n < 500 && alive(cluster.nodes[i].process); ++n) ::usleep(10'000);
    ASSERT_FALSE(alive(cluster.nodes[i].process));
  }
  std::string value_of(std::size_t node, const std::string& name) {
    const auto report = ask_node(load_state(dir_)->nodes[node]);
    if (!report || report->plugins.empty()) return "?";
    const auto it = report->plugins.front().status.find(name);
    return it == report->plugins.front().status.end() ? "-" : it->second;
  }

  /// True if the folder "server_0.2" is of a server of this node; these deployments have one server or one site on
  /// each.
  static bool on_node(std::size_t node, const std::string& folder) {
    const std::string site = "server_" + std::to_string(node) + ".", flat = "server_0." + std::to_string(node);
    return GetParam() == "bft" ? folder == flat : folder.starts_with(site);
  }
  /// Every process that has this folder's configuration on its command line: not what the program says, but what the
  /// system does.
  std::vector<pid_t> processes_of_folder() const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto line = read_file(entry.path().string() + "/cmdline");
      if (line && line->find(dir_ + "/nodes.toml") != std::string::npos) found.push_back(std::stoi(name));
    }
    return found;
  }
  std::size_t sites() const { return GetParam() == "bft" ? 4 : 3; }

  /// All servers' logs of one node.
  std::uintmax_t log_size(std::size_t node) {
    std::uintmax_t size = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir_ + "/data")) {
      const std::string server = file.path().parent_path().filename().string();
      std::error_code gone;  // it may be forgotten just now
      const auto bytes = file.is_regular_file() ? file.file_size(gone) : 0;
      if (on_node(node, server) && !gone) size += bytes;
    }
    return size;
  }

  std::string dir_;
};

}  // namespace seneschal::lab
