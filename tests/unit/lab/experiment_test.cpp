#include "lab/experiment.hpp"
#include "lab/files.hpp"
#include "lab/floors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace seneschal::lab {
namespace {

const std::string kSource = SENESCHAL_SOURCE_DIR;

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/seneschal-lab-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string message_of(const std::string& text) {
  Folder folder;
  EXPECT_TRUE(write_file(folder.file("e.toml"), text));
  auto loaded = load_experiment(folder.file("e.toml"));
  return loaded ? "" : loaded.error().message.substr(folder.path().size() + 1);
}

const std::string kSeries =
    "name = \"e\"\n[[series]]\nid = \"a\"\nruntime = \"live\"\nprotocol = \"steward\"\ntopology = \"" + kSource +
    "/configs/topologies/lan.toml\"\nmeasure_s = 1\n";

TEST(Experiment, AllShippedFilesAreGood) {
  for (const auto& entry : std::filesystem::directory_iterator(kSource + "/configs/experiments")) {
    auto loaded = load_experiment(entry.path().string());
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->name, entry.path().stem().string());
    EXPECT_FALSE(loaded->series.empty());
    EXPECT_FALSE(loaded->figures.empty());
  }
}

TEST(Experiment, DemoIsWhatItPromises) {
  auto demo = load_experiment(kSource + "/configs/experiments/demo.toml");
  ASSERT_TRUE(demo);
  const Series* sim = demo->find("steward-sim-f5");
  ASSERT_NE(sim, nullptr);
  EXPECT_EQ(sim->server_count(), 80u);
  EXPECT_EQ(demo->find("bft-sim-f5")->servers, (std::vector<std::uint16_t>{4, 3, 3, 3, 3}));
  EXPECT_EQ(demo->find("steward-live")->server_count(), 20u);
  EXPECT_EQ(demo->find("steward-live")->keys.site_bits, 2048u);
  EXPECT_EQ(demo->find("bft-live")->server_count(), 4u);
  EXPECT_EQ(sim->clients, (std::vector<std::uint32_t>{1, 5, 10, 20}));
  // The live part stays below three minutes: measured and cut time of all points.
  Duration live{};
  for (const Series& s : demo->series)
    if (s.runtime == RuntimeKind::Live)
      live += (s.warmup + s.measure + s.cooldown) * static_cast<std::int64_t>(s.clients.size() * s.seeds.size());
  EXPECT_LT(live, 130s);
}

TEST(Experiment, EveryAttackOfRedteamIsLiveAndSimulatedAndJudged) {
  const auto redteam = load_experiment(kSource + "/configs/experiments/redteam.toml");
  ASSERT_TRUE(redteam) << redteam.error().message;
  RuntimeKind part = RuntimeKind::Live;
  for (const Series& s : redteam->series) {
    const bool live = s.runtime == RuntimeKind::Live;
    EXPECT_EQ(s.id.starts_with("live-"), live) << s.id;
    EXPECT_FALSE(live && part == RuntimeKind::Sim) << s.id << " stands among the simulated ones";
    part = s.runtime;
    const bool is_of =
        std::ranges::any_of(redteam->figures, [&](const Figure& f) { return f.series == s.id || f.other == s.id; });
    EXPECT_TRUE(is_of) << s.id << " is in no figure";
    if (s.topology.size() != 5) continue;  // what needs f = 2 is live alone: the simulated ones have f = 5
    const std::string other = live ? "sim-" + s.id.substr(5) : "live-" + s.id.substr(4);
    const Series* twin = redteam->find(other);
    ASSERT_NE(twin, nullptr) << other;
    EXPECT_EQ(twin->setting, s.setting) << "the report shows them together";
  }
}

TEST(Experiment, SavedFileRepeatsTheRun) {
  Folder folder;
  auto demo = load_experiment(kSource + "/configs/experiments/demo.toml");
  ASSERT_TRUE(demo);
  ASSERT_TRUE(save_experiment(*demo, folder.path()));
  auto again = load_experiment(folder.file("experiment.toml"));
  ASSERT_TRUE(again) << again.error().message;
  const auto text = read_file(folder.file("experiment.toml"));
  ASSERT_TRUE(save_experiment(*again, folder.path() + "/2"));
  EXPECT_EQ(*text, *read_file(folder.path() + "/2/experiment.toml"));
  ASSERT_EQ(again->series.size(), demo->series.size());
  for (std::size_t i = 0; i < demo->series.size(); ++i) {
    EXPECT_EQ(again->series[i].topology.links, demo->series[i].topology.links);
    EXPECT_EQ(again->series[i].options, demo->series[i].options);
    EXPECT_EQ(again->series[i].measure, demo->series[i].measure);
  }
}

TEST(Experiment, ErrorsNameLineAndHint) {
  EXPECT_EQ(message_of(kSeries + "clients = [1]\n"), "");
  EXPECT_THAT(message_of(kSeries), testing::HasSubstr("'clients' is missing or empty"));
  EXPECT_THAT(message_of(kSeries + "client = [1]\n"), testing::AllOf(testing::HasSubstr("'clients' is missing")));
  EXPECT_THAT(message_of(kSeries + "clients = [1]\npayload_byte = 3\n"),
              testing::AllOf(testing::StartsWith("e.toml:9:"), testing::HasSubstr("did you mean 'payload_bytes'")));
  EXPECT_THAT(message_of(kSeries + "clients = [0]\n"), testing::HasSubstr("e.toml:8:"));
  EXPECT_THAT(message_of(kSeries + "clients = [5000]\n"), testing::HasSubstr("at most 4096"));
  EXPECT_THAT(message_of(kSeries + "clients = [1]\nservers = [4, 4]\n"), testing::HasSubstr("lists 2 sites"));
  EXPECT_THAT(message_of(kSeries + "clients = [1]\nservers = [4, 4, 4, 4, 5]\n"),
              testing::HasSubstr("exactly 3f+1 = 4"));
  EXPECT_THAT(message_of(kSeries + "clients = [1]\noptions = { fanout = \"colector\" }\n"),
              testing::HasSubstr("did you mean \"collector\""));
  EXPECT_THAT(
      message_of(kSeries + "clients = [1]\n[[figure]]\nkind = \"show\"\ntitle = \"t\"\nseries = \"b\"\nmetric = "
                           "\"throughput\"\n"),
      testing::HasSubstr("unknown series 'b'"));
  EXPECT_THAT(message_of("name = \"x\"\n"), testing::HasSubstr("no [[series]] is listed"));
  EXPECT_FALSE(load_experiment("/nonexistent/e.toml"));
}

TEST(Experiment, DefaultsTakeEveryKeyOfASeries) {
  const std::string defaults =
      "name = \"e\"\n[defaults]\nruntime = \"live\"\nprotocol = \"bft\"\ntopology = \"" + kSource +
      "/configs/topologies/continental-10mbps.toml\"\nservers = [0, 4, 0, 0, 0]\nclients = [1]\nmeasure_s = 1\n"
      "[defaults.options]\nbatch_max = 3\nauth = \"signatures\"\nfanout = \"all\"\ndurability = \"wal\"\n"
      "[defaults.keys]\nsite_bits = 1024\n";
  Folder folder;
  ASSERT_TRUE(write_file(folder.file("e.toml"),
                         defaults + "[[series]]\nid = \"a\"\n[[series]]\nid = \"b\"\nprotocol = \"steward\"\n"
                                    "servers = [4, 4, 4, 4, 4]\n[series.options]\nbatch_max = 5\n"
                                    "[series.keys]\nserver_bits = 1024\n"));
  const auto loaded = load_experiment(folder.file("e.toml"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Series &a = *loaded->find("a"), &b = *loaded->find("b");
  EXPECT_EQ(a.runtime, RuntimeKind::Live);
  EXPECT_EQ(a.protocol, Protocol::Bft);
  EXPECT_EQ(a.servers, (std::vector<std::uint16_t>{0, 4, 0, 0, 0}));
  EXPECT_EQ(a.options.batch_max, 3u);
  EXPECT_EQ(a.options.auth, "signatures");
  EXPECT_EQ(a.options.durability, "wal");
  EXPECT_EQ(a.keys.site_bits, 1024u);
  EXPECT_EQ(b.protocol, Protocol::Steward);
  EXPECT_EQ(b.options.batch_max, 5u);
  EXPECT_EQ(b.options.fanout, "all");
  EXPECT_EQ(b.options.durability, "wal");
  EXPECT_EQ(b.keys.site_bits, 1024u);
  EXPECT_EQ(b.keys.server_bits, 1024u);
  EXPECT_THAT(message_of(defaults + "fan_out = 1\n[[series]]\nid = \"a\"\n"), testing::HasSubstr("unknown key"));
}

TEST(Experiment, NamesAreFoldersToo) {
  for (const char* bad : {"..", "a/b", "", "a\\u001bb"}) {
    EXPECT_THAT(message_of("name = \"" + std::string(bad) + "\"\n"), testing::StartsWith("e.toml:1: 'name'")) << bad;
    std::string text = kSeries;
    text.replace(text.find("\"a\""), 3, "\"" + std::string(bad) + "\"");
    EXPECT_THAT(message_of(text + "clients = [1]\n"), testing::StartsWith("e.toml:3: 'id'")) << bad;
  }
}

TEST(Experiment, SimNeedsCosts) {
  std::string text = kSeries + "clients = [1]\n";
  text.replace(text.find("live"), 4, "sim");
  EXPECT_THAT(message_of(text), testing::HasSubstr("'costs' is missing"));
}

TEST(Deployment, SavedFileReadsBackEqual) {
  Folder folder;
  for (const char* name : {"local-steward", "local-bft"}) {
    auto d = load_deployment(kSource + "/configs/deployments/" + name + ".toml");
    ASSERT_TRUE(d) << d.error().message;
    d->options.batch_max = 7;
    ASSERT_TRUE(save_deployment(*d, folder.path()));
    auto back = load_deployment(folder.file("deployment.toml"));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->options, d->options);
    EXPECT_EQ(back->topology, d->topology);
    EXPECT_EQ(to_text(back->roster()), to_text(d->roster()));
  }
}

TEST(Deployment, BftIsOneFlatGroupPlacedOverSites) {
  auto demo = load_experiment(kSource + "/configs/experiments/demo.toml");
  ASSERT_TRUE(demo);
  const Deployment d = deployment_of(*demo->find("bft-sim-f5"), 10);
  const Roster roster = d.roster();
  ASSERT_EQ(roster.membership.sites.size(), 1u);
  EXPECT_EQ(roster.membership.sites[0].servers, 16);
  EXPECT_EQ(roster.directory.servers[0][3], NodeId(1));
  EXPECT_EQ(roster.directory.servers[0][4], NodeId(2));
  EXPECT_EQ(roster.membership.client(ClientId(7))->home, SiteId(0));
  EXPECT_EQ(roster.directory.endpoint(ClientId(7))->node, NodeId(2));
  EXPECT_EQ(d.servers_on(NodeId(5)).size(), 3u);
}

TEST(Floors, AreThoseOfTheProtocols) {
  auto demo = load_experiment(kSource + "/configs/experiments/demo.toml");
  ASSERT_TRUE(demo);
  const Series& steward = *demo->find("steward-sim-f5");
  EXPECT_EQ(update_floor(steward, 0), 100ms);
  for (std::size_t s = 1; s < 5; ++s) EXPECT_EQ(update_floor(steward, s), 150ms);
  EXPECT_EQ(mean_floor(steward, 5), 140ms);
  EXPECT_EQ(mean_floor(steward, 1), 100ms);
  EXPECT_EQ(query_floor(steward, 3), 0ms);
  const Series& bft = *demo->find("bft-live");
  EXPECT_EQ(update_floor(bft, 0), 200ms);
  for (std::size_t s = 1; s < 5; ++s) EXPECT_EQ(update_floor(bft, s), 250ms);
}

TEST(Floors, OneSiteHasNone) {
  Series series;
  series.topology = emulator::Topology::uniform(1, {});
  series.servers = {4};
  EXPECT_EQ(update_floor(series, 0), 0ms);
  series.protocol = Protocol::Bft;
  EXPECT_EQ(update_floor(series, 0), 0ms);
}

}  // namespace
}  // namespace seneschal::lab
