// What operators found, read while somebody writes it. What is signed and noticed: GraphCommands (integration).
#include "accountability/findings.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <atomic>
#include <filesystem>
#include <thread>

namespace seneschal::accountability {
namespace {

TEST(GraphFindings, AreReadWholeWhileTheyAreWritten) {
  const std::string folder = testing::TempDir() + "seneschal-findings-" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto key = *crypto::PrivateKey::generate(crypto::Scheme::Ed25519);
  ASSERT_TRUE(load_findings(folder));
  constexpr std::uint32_t kMarks = 200;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    FindingsLog log;
    for (std::uint32_t i = 1; i <= kMarks; ++i) {
      Finding finding;
      finding.mark = {ClientId(i), UpdateId(i)};
      finding.time = "2026-01-01T00:00:00Z";
      EXPECT_TRUE(add_finding(folder, log, finding, key));
    }
    done = true;
  });
  std::size_t least = 0, readings = 0;
  while (!done) {
    const auto log = load_findings(folder);
    ASSERT_TRUE(log) << (writer.join(), log.error().message);
    EXPECT_GE(log->entries.size(), least);
    least = log->entries.size();
    ++readings;
  }
  writer.join();
  EXPECT_GT(readings, 3u);
  EXPECT_EQ(load_findings(folder)->findings.marks.size(), kMarks);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace seneschal::accountability
