// `seneschal graph` as a user starts it.
#pragma once
#include "accountability/store.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace seneschal::accountability {

namespace fs = std::filesystem;

struct Ran {
  int code = -1;
  std::string said;  // both outputs
};

inline Ran graph(const std::string& arguments) {
  const std::string command = SENESCHAL_BINARY_DIR "/bin/seneschal graph " + arguments + " 2>&1";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Ran ran;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) ran.said.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

inline std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class GraphCommands : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "seneschal-graph-commands-" + std::to_string(::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_;
};

/// Updates that depend on each other as given, each by another client; update 1 is the lie of client 1.
inline void make_graph(const std::string& folder, const std::vector<std::string>& formulas) {
  auto writer = *StoreWriter::open(folder, {.payloads = true, .application = "kv"}, {});
  for (std::size_t i = 0; i < formulas.size(); ++i) {
    const Bytes operation = replication::kv::put("key/" + std::to_string(i + 1), as_span("value"));
    const std::vector<Bytes> writes = {to_bytes("key/" + std::to_string(i + 1))};
    NewUpdate update;
    update.client = ClientId(static_cast<std::uint32_t>(i % 60'000 + 1));
    update.seq = Seq(i + 1);
    update.formula = *Formula::parse(formulas[i]);
    update.operation = operation;
    update.writes = writes;
    EXPECT_EQ(writer->add(update), UpdateId(i + 1));
  }
  EXPECT_TRUE(writer->seal().has_value());
}

}  // namespace seneschal::accountability
