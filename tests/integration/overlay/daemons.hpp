// Real nodes on loopback ports of their own, in a folder of their own; all gone when the object is.
#pragma once
#include "overlay/session.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace seneschal::overlay {

inline std::string program() {
  return std::string(SENESCHAL_BINARY_DIR) + "/bin/seneschal";
}
inline std::string plugin_path(const std::string& name) {
  return std::string(SENESCHAL_BINARY_DIR) + "/lib/libtest_" + name + ".so";
}

struct Outcome {
  int code = -1;
  std::string out;  // both streams
};

inline Outcome run_program(const std::string& arguments) {
  Outcome outcome;
  FILE* pipe = ::popen((program() + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    outcome.out.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  return outcome;
}

/// Polls until `condition` holds; false after `patience`.
template <class F>
bool eventually(F condition, Duration patience = 10s) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

class Daemons {
 public:
  Daemons() {
    std::string pattern = (std::filesystem::temp_directory_path() / "seneschal-overlay-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Daemons() {
    while (!pids_.empty()) stop(pids_.begin()->first, SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Writes the file: nodes 1..count and whatever `rest` says.
  void configure(int count, const std::string& rest) {
    std::ofstream out(config());
    out << rest.substr(0, rest.find("[["));
    // All sockets stay open until every port is chosen, so that no port is given twice.
    std::vector<int> sockets;
    for (int id = 1; id <= count; ++id) {
      const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      socklen_t size = sizeof address;
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
      ports[id] = ntohs(address.sin_port);
      sockets.push_back(fd);
      out << "[[node]]\nid = " << id << "\naddress = \"127.0.0.1:" << ports[id] << "\"\nsession = \"" << id
          << ".session\"\ncontrol = \"" << id << ".control\"\n";
    }
    for (int fd : sockets) ::close(fd);
    if (rest.find("[[") != std::string::npos) out << rest.substr(rest.find("[["));
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  void start(int id) {
    // The child allocates nothing: another thread may hold the allocator's lock at the fork.
    const std::string node = std::to_string(id), binary = program(), configured = config();
    const std::string output = (folder_ / (node + ".log")).string();
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execl(binary.c_str(), "seneschal", "node", "--config", configured.c_str(), "--node", node.c_str(), nullptr);
      ::_exit(127);
    }
    pids_[id] = pid;
    ASSERT_TRUE(eventually([&] { return ctl(id, "status").code == 0; })) << log(id);
  }
  void start_all(int count) {
    for (int id = 1; id <= count; ++id) start(id);
  }
  pid_t pid(int id) const { return pids_.at(id); }
  /// CPU time that it has used, in clock ticks.
  long cpu_ticks(int id) const {
    std::ifstream in("/proc/" + std::to_string(pid(id)) + "/stat");
    std::string text((std::istreambuf_iterator<char>(in)), {});
    std::istringstream fields(text.substr(text.rfind(')') + 1));
    std::string skip;
    for (int i = 0; i < 11; ++i) fields >> skip;  // state to cmajflt
    long user = 0, system = 0;
    fields >> user >> system;
    return user + system;
  }
  /// The exit code; -1 if it was killed.
  int stop(int id, int signal = SIGTERM) {
    ::kill(pids_.at(id), signal);
    int status = 0;
    ::waitpid(pids_.at(id), &status, 0);
    pids_.erase(id);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  Outcome ctl(int id, const std::string& arguments) const {
    return run_program("ctl --socket " + control(id) + " " + arguments);
  }
  nlohmann::json json(int id, const std::string& arguments) const {
    const Outcome outcome = ctl(id, arguments + " --json");
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  bool reaches(int id, std::vector<int> others) const {
    std::vector<int> found = json(id, "status")["reachable"];
    return std::ranges::includes(found, others);
  }
  Session session(int id, std::uint32_t port) const {
    auto made = Session::connect(session_path(id));
    EXPECT_TRUE(made) << made.error().message;
    const Status opened = made->open(Port(port));
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*made);
  }

  std::string config() const { return (folder_ / "deployment.toml").string(); }
  std::string session_path(int id) const { return (folder_ / (std::to_string(id) + ".session")).string(); }
  std::string control(int id) const { return (folder_ / (std::to_string(id) + ".control")).string(); }
  std::string log(int id) const {
    std::ifstream in(folder_ / (std::to_string(id) + ".log"));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::map<int, std::uint16_t> ports;

 private:
  std::filesystem::path folder_;
  std::map<int, pid_t> pids_;
};

inline EndpointId to(int node, std::uint32_t port) {
  return {NodeId(static_cast<std::uint16_t>(node)), Port(port)};
}

inline void send(Session& session, std::uint32_t from, const Target& target, const Bytes& bytes) {
  const auto sent = session.send(Port(from), std::array{target}, bytes);
  EXPECT_TRUE(sent) << to_string(sent.error());
}

}  // namespace seneschal::overlay
