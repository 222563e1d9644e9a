// Case study 1: what packages need, as an apt mirror's lists tell it.
#include "accountability/packages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
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

  ClientId client(const std::string& name) const { return client_of_name(folder_, name).value(); }
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
      if (store_->graph().client(id) != kCycleClient) found.insert(graph_.names[store_->graph().client(id).value]);
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
  const ClientId font = *client_of_name(folder, "font7");
  const Colours colours = mark(store.graph(), {{{font, UpdateId(1)}}, {}});
  EXPECT_EQ(colours.suspect(), 2u);
  EXPECT_EQ(dependants(store.graph(), made->names.size())[font.value], 2u);
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
  const auto counts = dependants(store_->graph(), graph_.names.size());
  for (std::size_t i = 2; i < graph_.names.size(); ++i)
    EXPECT_EQ(counts[i], touched({graph_.names[i]}).size() - 1) << graph_.names[i];
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
}

}  // namespace
}  // namespace seneschal::accountability
