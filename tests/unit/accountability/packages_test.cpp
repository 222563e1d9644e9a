// Case study 1: what packages need, as an apt mirror's lists tell it.
#include "accountability/packages.hpp"

#include "accountability/debian_version.hpp"
#include "base/prng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <cstdlib>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

// Paragraphs as a mirror's Packages file has them, other fields and continued lines included.
constexpr std::string_view kFirst = R"(Package: libc6
Source: glibc
Version: 2.36-9
Installed-Size: 12990
Depends: libgcc-s1
Description: GNU C Library: Shared libraries
 Contains the standard libraries that are used by nearly all programs on
 the system.

Package: libgcc-s1
Version: 12.2.0-14
Pre-Depends: libc6 (>= 2.35)
Depends: gcc-12-base (= 12.2.0-14)

Package: gcc-12-base
Version: 12.2.0-14

Package: exim4
Version: 4.96-15
Provides: mail-transport-agent, default-mta (= 4.96)
Depends: libc6 (>= 2.34)

Package: postfix
Version: 3.7.5-2
Provides: mail-transport-agent
Depends: libc6

Package: mutt
Version: 2.2.9-1
Depends: libc6 (>= 2.36), exim4 | mail-transport-agent,
 libnowhere1

Package: doc
Version: 1
Recommends: mutt
)";

constexpr std::string_view kSecond = R"(Package: exim4
Version: 4.96-16
Provides: mail-transport-agent
Depends: libc6 (>= 2.34)

Package: mutt
Version: 2.2.9-1
Depends: libc6 (>= 2.36), exim4 | mail-transport-agent, libnowhere1

Package: reader
Version: 1
Depends: mutt, libc6:any
)";

class Packages : public testing::Test {
 protected:
  Packages() {
    std::string name = (fs::temp_directory_path() / "packages-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto writer = *StoreWriter::open(folder_, {.payloads = true}, {});
    const auto made =
        generate({{"first", *parse_packages(kFirst, "first")}, {"second", *parse_packages(kSecond, "second")}},
                 *writer, folder_);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    graph_ = *made;
    store_.emplace(*Store::open(folder_));
  }
  ~Packages() override { fs::remove_all(folder_); }

  ClientId client(const std::string& name) const { return clients_of_name(folder_, name).at(0).first; }
  /// Names of the packages that are touched if `names` were corrupt since `release`.
  std::set<std::string> touched(const std::vector<std::string>& names, std::uint64_t release = 1) const {
    Findings findings;
    for (const std::string& name : names)
      findings.marks.insert(
          {client(name), store_->graph().first_of(client(name), store_->graph().at_seq(Seq(release)))});
    const Colours colours = mark(store_->graph(), findings);
    std::set<std::string> found;
    for (UpdateId id = colours.next_touched(UpdateId(1)); id < store_->graph().end();
         id = colours.next_touched(id.next()))
      found.insert(graph_.names[store_->graph().client(id).value]);
    return found;
  }

  std::string folder_;
  PackageGraph graph_;
  std::optional<Store> store_;
};

using Names = std::set<std::string>;

TEST_F(Packages, ACorruptLibraryTouchesAllThatNeedIt) {
  EXPECT_EQ(touched({"gcc-12-base"}),
            (Names{"gcc-12-base", "libc6", "libgcc-s1", "exim4", "postfix", "mutt", "reader"}));
  EXPECT_EQ(touched({"doc"}), Names{"doc"});
}

TEST_F(Packages, PackagesThatNeedEachOtherAreTouchedTogether) {
  EXPECT_EQ(graph_.cycles, 1u);
  EXPECT_EQ(graph_.largest_cycle, 2u);
  EXPECT_TRUE(touched({"libgcc-s1"}).contains("libc6"));
  EXPECT_TRUE(touched({"libc6"}).contains("libgcc-s1"));
}

TEST(WidePackages, WhatHasMoreProvidersThanAFormulaNamesDependsOnEverythingBefore) {
  std::string list;
  for (int i = 0; i < 2500; ++i) list += "Package: font" + std::to_string(i) + "\nVersion: 1\nProvides: font\n\n";
  list += "Package: zathura\nVersion: 1\nDepends: font\n\nPackage: zed\nVersion: 1\nDepends: zathura\n";
  std::string folder = (fs::temp_directory_path() / "packages-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto writer = *StoreWriter::open(folder, {.payloads = true}, {});
  const auto made = generate({{"wide", *parse_packages(list, "wide")}}, *writer, folder);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(made->too_wide, 1u);
  const Store store = *Store::open(folder);
  const ClientId font = clients_of_name(folder, "font7").at(0).first;
  const Colours colours = mark(store.graph(), {{{font, UpdateId(1)}}, {}});
  EXPECT_EQ(colours.suspect(), 2u);
  EXPECT_EQ(dependants(*made)[*made->find("font7")], 2u);
  fs::remove_all(folder);
}

TEST_F(Packages, AnAlternativeThatIsCleanKeepsAPackageClean) {
  EXPECT_EQ(touched({"exim4"}), Names{"exim4"}) << "mutt can have postfix";
  EXPECT_EQ(touched({"exim4", "postfix"}), (Names{"exim4", "postfix", "mutt", "reader"}));
}

TEST_F(Packages, AVersionThatIsNotNewIsNoUpdate) {
  EXPECT_EQ(store_->graph().first_of(client("mutt"), store_->graph().at_seq(Seq(2))), store_->graph().end());
  EXPECT_NE(store_->graph().first_of(client("exim4"), store_->graph().at_seq(Seq(2))), store_->graph().end());
}

TEST_F(Packages, WhatIsCorruptSinceALaterReleaseTouchesOnlyWhatCameThen) {
  EXPECT_EQ(touched({"exim4"}, 2), Names{"exim4"});
  EXPECT_EQ(graph_.unmet, 1u) << "libnowhere1, needed by the one version of mutt";
}

TEST_F(Packages, CountsOfDependantsAreThoseOfMarkingEachPackage) {
  const auto counts = dependants(graph_);
  for (std::uint32_t i = 0; i < graph_.packages.size(); ++i) {
    EXPECT_EQ(counts[i], touched({graph_.packages[i]}).size() - 1) << graph_.packages[i];
    EXPECT_EQ(counts[i], touched_by(graph_, i, 0).size()) << graph_.packages[i];
  }
}

/// The graph of lists, and what touches what in it, worked out by marking its clients: every package is its own here.
struct Made {
  explicit Made(const std::vector<std::string>& lists) {
    std::string name = (fs::temp_directory_path() / "packages-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    auto writer = *StoreWriter::open(folder, {.payloads = true}, {});
    for (const std::string& list : lists)
      releases.push_back({"r" + std::to_string(releases.size()), *parse_packages(list, "list")});
    auto made = generate(releases, *writer, folder);
    EXPECT_TRUE(made.has_value());
    graph = std::move(*made);
    store.emplace(*Store::open(folder));
  }
  ~Made() { fs::remove_all(folder); }
  std::set<std::string> touched(const std::vector<std::string>& names) const {
    Findings findings;
    for (const std::string& name : names)
      findings.marks.insert({clients_of_name(folder, name).at(0).first, UpdateId(1), {}});
    const Colours colours = mark(store->graph(), findings);
    std::set<std::string> found;
    for (UpdateId id = colours.next_touched(UpdateId(1)); id < store->graph().end();
         id = colours.next_touched(id.next()))
      found.insert(graph.packages[graph.rows[id.value - 1].package]);
    return found;
  }
  std::string folder;
  std::vector<Release> releases;
  PackageGraph graph;
  std::optional<Store> store;
};

std::string paragraph(const std::string& name, const std::string& version, const std::string& rest = "") {
  return "Package: " + name + "\nVersion: " + version + "\n" + rest + "\n";
}

TEST(PackageVersions, AnOlderVersionInALaterListIsNoUpdate) {
  const Made made(
      {paragraph("a", "1:2.0-3+deb12u5") + paragraph("b", "1.0"),
       paragraph("a", "1:2.0-3+deb12u3") + paragraph("b", "1.0~rc1") + paragraph("c", "1", "Depends: a\n")});
  EXPECT_EQ(made.graph.older, 2u);
  EXPECT_EQ(made.graph.rows.size(), 3u) << "a, b and c";
  EXPECT_EQ(made.touched({"a"}), (Names{"a", "c"}));
}

TEST(PackageVersions, EachVersionRestsOnTheOneBefore) {  // [TR IV-A]
  const Made made(
      {paragraph("a", "1") + paragraph("lib", "1") + paragraph("a", "3") + paragraph("a", "2", "Depends: lib\n"),
       paragraph("a", "4") + paragraph("user", "1", "Depends: a\n")});
  std::vector<std::string> formulas;
  for (UpdateId id(1); id < made.store->graph().end(); ++id)
    formulas.push_back(made.store->graph().formula(id).text());
  // lib is first among what 2 needs, or later: what counts is the chain 1, 2, 3, 4, and that `user` has the newest.
  EXPECT_EQ(made.touched({"lib"}), (Names{"lib", "a", "user"})) << "2 needed it, and 3 and 4 come from 2";
  EXPECT_EQ(formulas.size(), 6u);
  EXPECT_EQ(formulas[4], "4");
  EXPECT_EQ(formulas[5], "5");
}

TEST(PackageClients, AreTheMaintainers) {  // [TR IV-A]
  const std::string ann = "Maintainer: Ann Ampere <ann@example.org>\n", bob = "Maintainer: Bob <bob@example.org>\n";
  const Made made({paragraph("a", "1", ann) + paragraph("b", "1", ann) + paragraph("c", "1", bob + "Depends: a\n") +
                   paragraph("d", "1", bob)});
  EXPECT_EQ(made.touched({"Ann Ampere"}), (Names{"a", "b", "c"}));
  EXPECT_EQ(made.touched({"ann@example.org"}), (Names{"a", "b", "c"}));
  EXPECT_EQ(made.touched({"Bob <bob@example.org>"}), (Names{"c", "d"}));
  EXPECT_EQ(made.graph.names,
            (std::vector<std::string>{"", "Ann Ampere <ann@example.org>", "Bob <bob@example.org>"}));
}

TEST(PackageEssentials, EverythingRestsOnThemWithoutSayingSo) {
  const std::string list = paragraph("tools", "1", "Essential: yes\nPre-Depends: libc\n") + paragraph("libc", "1") +
                           paragraph("game", "1") + paragraph("font", "1");
  const Made made({list, paragraph("later", "1")});
  const Names all{"tools", "libc", "game", "font", "later"};
  EXPECT_EQ(made.touched({"tools"}), all);
  EXPECT_EQ(made.touched({"libc"}), all) << "tools need it";
  EXPECT_EQ(made.touched({"game"}), Names{"game"});
  const auto declared = *read_dependencies(made.releases, Implicit::Ignored, nullptr);
  EXPECT_EQ(dependants(declared)[*declared.find("tools")], 0u);
  EXPECT_EQ(dependants(declared)[*declared.find("libc")], 1u);
}

TEST(PackageAlternatives, WhatNoNewerVersionProvidesIsNone) {
  const Made made({paragraph("a", "1", "Provides: mail\n") + paragraph("b", "1", "Provides: mail\n"),
                   paragraph("a", "2") + paragraph("reader", "1", "Depends: mail\n")});
  EXPECT_EQ(made.touched({"b"}), (Names{"b", "reader"})) << "a is no alternative any more";
}

// The least solution of what packages need, worked out by itself: nobody is bad who need not be.
std::set<std::string> least(const std::vector<Package>& packages, const std::set<std::string>& seeds) {
  std::set<std::string> bad = seeds, names;
  for (const Package& p : packages) names.insert(p.name);
  for (bool more = true; more;) {
    more = false;
    for (const Package& p : packages) {
      if (bad.contains(p.name)) continue;
      for (const auto& need : p.needs) {
        std::set<std::string> any;
        for (const std::string& name : need) {
          if (names.contains(name)) any.insert(name);
          for (const Package& other : packages)
            if (std::ranges::find(other.provides, name) != other.provides.end()) any.insert(other.name);
        }
        if (any.empty() || !std::ranges::all_of(any, [&](const std::string& n) { return bad.contains(n); })) continue;
        more = bad.insert(p.name).second || more;
      }
    }
  }
  return bad;
}

TEST(PackageCycles, AnOrInsideACycleStaysAnOr) {
  // editor needs a mail reader, any; mutt needs the editor: who corrupts mutt has not got the editor.
  const std::string list = paragraph("editor", "1", "Depends: mutt | pine\n") +
                           paragraph("mutt", "1", "Depends: editor\n") + paragraph("pine", "1", "Depends: editor\n");
  const Made made({list});
  EXPECT_EQ(made.touched({"mutt"}), Names{"mutt"});
  EXPECT_EQ(made.touched({"mutt", "pine"}), (Names{"mutt", "pine", "editor"}));
  EXPECT_EQ(made.touched({"editor"}), (Names{"editor", "mutt", "pine"}));
}

TEST(PackageCycles, RandomCyclesHaveTheLeastSolution) {
  std::size_t in_cycles = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Prng random(seed);
    const std::uint64_t n = random.between(3, 14);
    std::string list;
    for (std::uint64_t i = 0; i < n; ++i) {
      std::string depends;
      for (std::uint64_t k = random.below(4); k > 0; --k) {
        depends += depends.empty() ? "Depends: " : ", ";
        for (std::uint64_t alternatives = random.chance(1, 2) ? 1 : random.between(2, 3); alternatives > 0;
             --alternatives)
          depends += "p" + std::to_string(random.below(n)) + (alternatives > 1 ? " | " : "");
      }
      std::string rest = depends.empty() ? "" : depends + "\n";
      if (random.chance(1, 5)) rest += "Provides: p" + std::to_string(random.below(n)) + "\n";
      list += paragraph("p" + std::to_string(i), "1", rest);
    }
    const Made made({list});
    in_cycles += made.graph.cycles;
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::string one = "p" + std::to_string(i), two = "p" + std::to_string(random.below(n));
      EXPECT_EQ(made.touched({one}), least(made.releases[0].packages, {one})) << "seed " << seed << " " << one;
      EXPECT_EQ(made.touched({one, two}), least(made.releases[0].packages, {one, two}))
          << "seed " << seed << " " << one << " " << two;
      EXPECT_EQ(touched_by(made.graph, static_cast<std::uint32_t>(*made.graph.find(one)), 0).size() + 1,
                made.touched({one}).size());
    }
  }
  EXPECT_GT(in_cycles, 100u);
}

TEST(DebianVersions, AreOrderedAsThePolicySays) {
  // Ascending; each before all that follow.
  const std::vector<std::string_view> ascending = {"~~",
                                                   "~~a",
                                                   "~",
                                                   "0~1",
                                                   "0",
                                                   "0a",
                                                   "0.1~rc1",
                                                   "0.1",
                                                   "0.1+b",
                                                   "0.1.1",
                                                   "0.9",
                                                   "0.10",
                                                   "1.0~~",
                                                   "1.0~beta1~svn1245",
                                                   "1.0~beta1",
                                                   "1.0",
                                                   "1.0-0.1",
                                                   "1.0-1",
                                                   "1.0-1~bpo1.1",
                                                   "1.0-1+b1",
                                                   "1.0-10",
                                                   "1.0a-1",
                                                   "1.0+x",
                                                   "1.0.0",
                                                   "2",
                                                   "1:0~1",
                                                   "1:0",
                                                   "2:0.1",
                                                   "10:0"};
  for (std::size_t i = 0; i < ascending.size(); ++i)
    for (std::size_t k = 0; k < ascending.size(); ++k) {
      if (ascending[i] == "1.0-1" || ascending[k] == "1.0-1") continue;  // 1.0-1~bpo1.1 is before it
      EXPECT_EQ(compare_debian_versions(ascending[i], ascending[k]), i <=> k) << ascending[i] << " " << ascending[k];
    }
  EXPECT_TRUE(compare_debian_versions("1.0-1~bpo1.1", "1.0-1") < 0);
  EXPECT_TRUE(compare_debian_versions("0:1.0-0", "1.0") == 0);
  EXPECT_TRUE(compare_debian_versions("1.00", "1.0") == 0);
  for (const char* const bad : {"", ":1", "a:1", "1:", "1 2", "1_2", "-1", "1:-1"})
    EXPECT_FALSE(is_debian_version(bad)) << bad;
  for (const char* const good : {"1", "1:2", "1:2:3-4", "9.1-1+b2~x", "a"})
    EXPECT_TRUE(is_debian_version(good)) << good;
}

TEST(DebianVersions, AreOrderedAsDpkgOrdersThem) {
  if (std::system("dpkg --compare-versions 1 lt 2 2>/dev/null") != 0) GTEST_SKIP() << "no dpkg here";
  Prng random(7);
  const auto any = [&random] {
    std::string text = std::to_string(random.below(3));
    if (random.chance(1, 5)) text = std::to_string(random.below(2)) + ":" + text;
    for (std::uint64_t n = random.below(7); n > 0; --n) text += "0123a~+.-zA"[random.below(11)];
    return text.ends_with('-') ? text + "1" : text;
  };
  for (int i = 0; i < 400; ++i) {
    const std::string a = any(), b = any();
    const auto order = compare_debian_versions(a, b);
    const std::string relation = order < 0 ? "lt" : order > 0 ? "gt" : "eq";
    EXPECT_EQ(std::system(("dpkg --compare-versions '" + a + "' " + relation + " '" + b + "' 2>/dev/null").c_str()),
              0)
        << a << " " << relation << " " << b;
  }
}

TEST(PackageLists, BadListsAreRefusedWithTheLine) {
  const auto error = [](std::string_view text) {
    const auto parsed = parse_packages(text, "list");
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_THAT(error("Package: a\nVersion: 1\n\nVersion: 2\n"), testing::HasSubstr("list:4"));
  EXPECT_THAT(error("Package: a\n\n"), testing::HasSubstr("list:2"));
  EXPECT_THAT(error(" begins nowhere\n"), testing::HasSubstr("list:1"));
  EXPECT_THAT(error(std::string("\x04\x22\x4d\x18 compressed", 15)), testing::HasSubstr("apt-helper"));
  EXPECT_THAT(error(""), testing::HasSubstr("no packages"));
  EXPECT_THAT(error("Package: a\nVersion: 1 2\n"), testing::HasSubstr("package 'a' has version '1 2'; expected"));
}

}  // namespace
}  // namespace seneschal::accountability
