// The graph beside a replica, when its folder cannot be gone on with.
#include "accountability/online.hpp"
#include "crypto/fake/fake_keys.hpp"
#include "replication/kv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;
namespace kv = replication::kv;

std::map<std::string, std::string> lines_of(const Observed& observed) {
  StatusList list;
  if (const auto status = observed.status()) status(list);
  return {list.begin(), list.end()};
}

// Ordering never waits for the graph: whatever is in its folder, the server runs, and with it the others.
TEST(GraphOnline, ADamagedGraphStopsNoServer) {
  crypto::KeyPlan plan;
  plan.deployment = DeploymentId(7);
  plan.sites = {{SiteId(0), 4, 1, false}};
  const auto self = Principal::of(ServerId{SiteId(0), ServerIndex(0)});
  const auto keys = crypto::fake::Registry(plan, 1).keys(self);
  std::string folder = (fs::temp_directory_path() / "online-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  Recorder::Settings settings;
  settings.folder = folder + "/graph";
  settings.application = "kv";
  const auto live = [&](int updates) {
    auto observed = observe(std::make_unique<kv::KvApplication>(), settings, self, *keys);
    EXPECT_TRUE(observed.has_value()) << observed.error().message;
    for (int i = 0; i < updates; ++i) {
      (void)observed->application->apply(ClientId(1), kv::put("key" + std::to_string(i), as_span("value")));
      observed->application->settle();
    }
    if (observed->recorder) observed->recorder->settle();
    return lines_of(*observed);
  };
  EXPECT_FALSE(live(6000).contains("graph_trouble"));
  const std::string kept = folder + "/kept";
  fs::copy(settings.folder, kept, fs::copy_options::recursive);
  for (const char* const file : {"graph-1.seg", "open.log", "payloads-1.seg", "head"}) {
    fs::remove_all(settings.folder);
    fs::copy(kept, settings.folder, fs::copy_options::recursive);
    const std::string path = settings.folder + "/" + file;
    fs::resize_file(path, fs::file_size(path) / 2);
    const auto damaged = fs::file_size(path);
    const auto lines = live(100);
    ASSERT_TRUE(lines.contains("graph_trouble")) << file;
    EXPECT_THAT(lines.at("graph_trouble"), testing::HasSubstr("no graph is built: ")) << file;
    EXPECT_EQ(lines.at("graph_folder"), settings.folder);
    EXPECT_EQ(fs::file_size(path), damaged) << file << " stays as it is, for whoever looks into it";
  }
  fs::remove_all(settings.folder);
  EXPECT_FALSE(live(10).contains("graph_trouble")) << "moved away: it begins anew";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace seneschal::accountability
