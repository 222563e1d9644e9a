#include "emulator/topology.hpp"

#include "emulator/link_toml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace seneschal::emulator {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTwoSites = "name = \"t\"\n[[site]]\nname = \"east\"\n[[site]]\nname = \"west\"\n";  // 5 lines

std::string error_of(const std::string& text) {
  const auto topology = parse_topology(text, "t.toml");
  return topology ? "" : topology.error().message;
}

std::string config_path(const std::string& name) {
  return std::string(SENESCHAL_SOURCE_DIR) + "/configs/topologies/" + name;
}

TEST(Topology, ContinentalFilesAreFiveSitesFullMeshFiftyMillisecondsOneWay) {
  for (const auto& [name, bps] :
       {std::pair("continental-10mbps.toml", 10'000'000u), std::pair("continental-5mbps.toml", 5'000'000u),
        std::pair("continental-2.5mbps.toml", 2'500'000u)}) {
    const auto topology = load_topology(config_path(name));
    ASSERT_TRUE(topology) << topology.error().message;
    ASSERT_EQ(topology->size(), 5u);
    for (std::size_t from = 0; from < 5; ++from)
      for (std::size_t to = 0; to < 5; ++to) {
        const LinkConfig* link = topology->link(from, to);
        if (from == to) {
          EXPECT_EQ(link, nullptr);
          continue;
        }
        ASSERT_NE(link, nullptr);
        EXPECT_EQ(link->delay, 50ms);
        EXPECT_EQ(link->bandwidth_bps, bps);
        EXPECT_EQ(link->loss_ppm, 0u);
      }
    EXPECT_EQ(topology->lan, Topology::default_lan());
  }
}

TEST(Topology, LanFileLoads) {
  const auto topology = load_topology(config_path("lan.toml"));
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->link(0, 1)->delay, 100us);
  EXPECT_EQ(topology->link(0, 1)->bandwidth_bps, 1'000'000'000u);
}

TEST(Topology, LinksOverrideTheDefaultInBothDirectionsUnlessOneWay) {
  const auto topology = parse_topology(std::string(kTwoSites) +
                                           "[[site]]\nname = \"mid\"\n"
                                           "[link_default]\ndelay_ms = 50\nloss_percent = 0.5\n"
                                           "[[link]]\nfrom = \"east\"\nto = \"west\"\ndelay_ms = 38\n"
                                           "[[link]]\nfrom = \"mid\"\nto = \"west\"\none_way = true\n"
                                           "bandwidth_mbps = 1.86\nqueue_kib = 10\n",
                                       "t.toml");
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->link(0, 1)->delay, 38ms);
  EXPECT_EQ(topology->link(1, 0)->delay, 38ms);
  EXPECT_EQ(topology->link(1, 0)->loss_ppm, 5000u);
  EXPECT_EQ(topology->link(2, 1)->bandwidth_bps, 1'860'000u);
  EXPECT_EQ(topology->link(2, 1)->queue_bytes, 10'240u);
  EXPECT_EQ(topology->link(1, 2)->bandwidth_bps, 0u);
}

TEST(Topology, WithoutMeshOnlyListedLinksExistAndDelaysAddUp) {
  const auto topology = parse_topology(std::string(kTwoSites) +
                                           "[[site]]\nname = \"mid\"\n"
                                           "[[link]]\nfrom = \"east\"\nto = \"mid\"\ndelay_ms = 10\n"
                                           "[[link]]\nfrom = \"mid\"\nto = \"west\"\ndelay_ms = 20\n",
                                       "t.toml");
  ASSERT_FALSE(topology);  // mesh is the default, and asks for a default delay
  const auto listed = parse_topology("mesh = false\n" + std::string(kTwoSites) +
                                         "[[site]]\nname = \"mid\"\n"
                                         "[[link]]\nfrom = \"east\"\nto = \"mid\"\ndelay_ms = 10\n"
                                         "[[link]]\nfrom = \"mid\"\nto = \"west\"\ndelay_ms = 20\n",
                                     "t.toml");
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_EQ(listed->link(0, 1), nullptr);
  EXPECT_EQ(listed->shortest_delays()[0 * 3 + 1], 30ms);
}

TEST(Topology, ErrorsNameLineAndHint) {
  const std::string base = kTwoSites;
  const std::string mesh = base + "[link_default]\ndelay_ms = 50\n";  // 7 lines
  EXPECT_THAT(error_of(mesh + "[[link]]\nfrom = \"est\"\nto = \"west\"\n"),
              StartsWith("t.toml:9: 'from' names the unknown site 'est'; expected the name of a [[site]] "
                         "(did you mean 'east'?)"));
  EXPECT_THAT(error_of(base + "[link_default]\ndelay_ms = -1\n"),
              StartsWith("t.toml:7: 'delay_ms' is the number -1; expected a number, 0 to 3.6e+06"));
  EXPECT_THAT(error_of(base + "[link_default]\nbandwidth_mbps = 10\n"),
              StartsWith("t.toml:6: mesh = true needs [link_default] with delay_ms"));
  EXPECT_THAT(error_of(mesh + "[[link]]\nfrom = \"east\"\nto = \"west\"\n[[link]]\nfrom = \"west\"\nto = \"east\"\n"),
              StartsWith("t.toml:11: the link from 'west' to 'east' was already given in line 8"));
  EXPECT_THAT(error_of(mesh + "[[link]]\nfrom = \"east\"\nto = \"east\"\n"),
              StartsWith("t.toml:10: the link leads from 'east' to itself"));
  EXPECT_THAT(error_of(mesh + "[[site]]\nname = \"east\"\n"),
              StartsWith("t.toml:9: the site 'east' is listed twice"));
  EXPECT_THAT(error_of("mesh = false\n" + base), HasSubstr("no path leads from 'east' to 'west'"));
  EXPECT_THAT(error_of("name = \"t\"\n"), HasSubstr("no site is listed"));
  EXPECT_THAT(error_of("[[site]]\nname = \"a\"\n"), HasSubstr("the key 'name' is missing"));
  EXPECT_THAT(error_of(mesh + "loss_percent = 101\n"), StartsWith("t.toml:8: 'loss_percent' is the number 101"));
  EXPECT_THAT(error_of(mesh + "reorder_percent = 1\n"), HasSubstr("reorder_extra_ms"));
  EXPECT_THAT(error_of(mesh + "bandwith_mbps = 1\n"), HasSubstr("did you mean 'bandwidth_mbps'?"));
}

TEST(Topology, NamesAndNumbersThatMeanSomethingElseAreRefused) {
  const std::string link = "[link_default]\ndelay_ms = 5\n";
  EXPECT_THAT(
      error_of(kTwoSites + link + "bandwidth_mbps = 1e-7\n"),
      StartsWith("t.toml:8: 'bandwidth_mbps' is the number 1e-07; expected 0, or a number that is not so small"));
  EXPECT_THAT(error_of("name = \"..\"\n[[site]]\nname = \"a\"\n"), HasSubstr("means a folder"));
  EXPECT_THAT(error_of("name = \"t\"\n[[site]]\nname = \"a\\u001b\"\n"), StartsWith("t.toml:3: 'name'"));
  EXPECT_THAT(error_of("name = \"t\"\n[[site]]\nname = \"\"\n"), HasSubstr("is empty"));
}

TEST(LinkProperties, ACommandSetsThemByTheSameRulesAsAFile) {
  LinkConfig link;
  for (const LinkProperty& property : link_properties()) {
    EXPECT_TRUE(set_link_property(link, property.name, 1)) << property.name;
    EXPECT_EQ(property.get(link), property.factor) << property.name;
    for (double wrong : {-1.0, 1e30, std::nan(""), HUGE_VAL, -HUGE_VAL, 1e-9})
      EXPECT_FALSE(set_link_property(link, property.name, wrong)) << property.name << " " << wrong;
    EXPECT_EQ(property.get(link), property.factor) << property.name;
    EXPECT_TRUE(set_link_property(link, property.name, 0)) << property.name;
    EXPECT_EQ(property.get(link), 0) << property.name;
  }
  const Status tiny = set_link_property(link, "bandwidth_mbps", 1e-7);
  ASSERT_FALSE(tiny);
  EXPECT_THAT(tiny.error().message, HasSubstr("would be 0; expected 0 itself, or at least 1e-06"));
  EXPECT_FALSE(set_link_property(link, "delay", 1));
}

TEST(Topology, TooManySitesAreRefused) {
  std::string text = "name = \"t\"\n[link_default]\ndelay_ms = 1\n";
  for (int i = 0; i < 65; ++i) text += "[[site]]\nname = \"s" + std::to_string(i) + "\"\n";
  EXPECT_THAT(error_of(text), HasSubstr("more than 64 sites"));
}

TEST(Topology, UniformBuildsAMesh) {
  LinkConfig link;
  link.delay = 5ms;
  const Topology topology = Topology::uniform(3, link);
  EXPECT_EQ(topology.link(2, 0)->delay, 5ms);
  EXPECT_EQ(topology.link(1, 1), nullptr);
  EXPECT_EQ(topology.site_index("site2"), 1u);
}

}  // namespace
}  // namespace seneschal::emulator
