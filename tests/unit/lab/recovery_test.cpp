// What happens during an experiment, and how long the service takes to get over it.
#include "lab/experiment.hpp"
#include "lab/files.hpp"
#include "lab/metrics.hpp"
#include "lab/plots.hpp"
#include "lab/report_recovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

namespace seneschal::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Two sites whose clients get a result every 100 ms, but for the silences given, in a window of 20 s.
RunData run_with(const std::vector<std::tuple<std::size_t, Duration, Duration>>& silences, Duration mishap_at = 5s) {
  RunData run;
  run.window_begin = Instant{} + 1s;
  run.window_end = run.window_begin + 20s;
  for (std::size_t site = 0; site < 2; ++site)
    for (Instant at = Instant{}; at < run.window_end; at = at + 100ms) {
      bool silent = false;
      for (const auto& [where, from, to] : silences)
        silent = silent || (where == site && at >= run.window_begin + from && at < run.window_begin + to);
      if (!silent) run.samples.push_back({site, at, 100ms, true});
    }
  run.mishaps.push_back({run.window_begin + mishap_at, "it happens", Duration(4s), "1 T2", {}});
  return run;
}

TEST(Recovery, LastsUntilTheLastUnusualSilenceOfAnySite) {
  const auto recoveries = recoveries_of(run_with({{0, 5s, 7s}, {1, 5s, 8s}}));
  ASSERT_EQ(recoveries.size(), 1u);
  EXPECT_DOUBLE_EQ(recoveries[0].at_s, 5);
  ASSERT_TRUE(recoveries[0].service_s);
  EXPECT_NEAR(*recoveries[0].service_s, 3, 0.11);
  ASSERT_TRUE(recoveries[0].full_s);
  EXPECT_NEAR(*recoveries[0].full_s, 3, 0.5);
  EXPECT_NEAR(recoveries[0].throughput_after, 20, 0.5);  // after the bound
}

TEST(Recovery, IsNothingWhereNobodyNoticed) {
  EXPECT_DOUBLE_EQ(recoveries_of(run_with({}))[0].service_s.value(), 0);
}

TEST(Recovery, SilencesAsLongAsBeforeAreUsual) {
  EXPECT_DOUBLE_EQ(recoveries_of(run_with({{0, 1s, 2s}, {0, 10s, 11s}}))[0].service_s.value(), 0);
}

TEST(Recovery, AServiceThatStaysAwayNeverRecovers) {
  const RunData run = run_with({{1, 6s, 21s}});
  EXPECT_FALSE(recoveries_of(run)[0].service_s);
  Point point;
  point.recoveries = recoveries_of(run);
  EXPECT_TRUE(std::isinf(value_of_recoveries(point, Metric::RecoveryOverBound).value()));
}

TEST(Recovery, ClientsOfALostSiteDoNotCount) {
  RunData run = run_with({{1, 5s, 21s}});
  run.mishaps[0].taken = {1};
  EXPECT_DOUBLE_EQ(recoveries_of(run)[0].service_s.value(), 0);
}

TEST(Recovery, TheSlowestDecides) {
  Point point;
  point.recoveries = {{"a", 1, 2.0, 2.5, 4.0, "", 0}, {"b", 9, 3.0, 3.5, 4.0, "", 10}, {"c", 15, 9.0, {}, {}, "", 7}};
  EXPECT_DOUBLE_EQ(value_of_recoveries(point, Metric::RecoveryTime).value(), 3);
  EXPECT_DOUBLE_EQ(value_of_recoveries(point, Metric::RecoveryOverBound).value(), 0.75);
  EXPECT_DOUBLE_EQ(value_of_recoveries(point, Metric::ThroughputRecovered).value(), 7);
}

TEST(Recovery, TheTimelineHasAStepForEachHalfSecond) {
  const auto timeline = timeline_of(run_with({{0, 5s, 6s}, {1, 5s, 6s}}));
  ASSERT_EQ(timeline.size(), 40u);
  EXPECT_DOUBLE_EQ(timeline[0], 20);
  EXPECT_DOUBLE_EQ(timeline[10], 0);
  EXPECT_DOUBLE_EQ(timeline[12], 20);
}

TEST(Mishaps, TheBoundIsWhatTheTimersSay) {
  const ProtocolTimers timers{100ms, 1s, 10s, 20ms};
  EXPECT_EQ(bound_of({1, 2, 3, 4}, timers), 100ms + 2s + 30s + 80ms);
  EXPECT_EQ(to_string(Within{0, 2, 0, 4}), "2 T2 + 4 round trips");
}

TEST(Mishaps, TheRepresentativeIsTheOneThatAllButFHaveReached) {
  const auto at = [](const char* lv) { return std::map<std::string, std::string>{{"local_view", lv}}; };
  EXPECT_EQ(representative_of({at("2"), at("900"), at("2"), at("1")}, 1, 4), 2);
  EXPECT_EQ(representative_of({at("5"), at("5"), at("5"), at("5")}, 1, 4), 1);
  EXPECT_EQ(representative_of({}, 1, 4), 0);
  Mishap mishap;
  mishap.count = 3;
  EXPECT_THAT(victims_of(mishap, 2, 4), ElementsAre(2, 3, 0));
}

std::string experiment_with(const std::string& more) {
  return "name = \"x\"\n[defaults]\ntopology = \"" SENESCHAL_SOURCE_DIR
         "/configs/topologies/continental-10mbps.toml\"\ncosts = \"" SENESCHAL_SOURCE_DIR
         "/configs/costs/today.toml\"\nclients = [5]\nmeasure_s = 20\n[[series]]\nid = \"a\"\nruntime = "
         "\"sim\"\nprotocol = \"steward\"\nfaults = 1\n" +
         more;
}

Result<Experiment> read(const std::string& text) {
  const std::string path = testing::TempDir() + "/recovery_test-" + std::to_string(::getpid()) + ".toml";
  EXPECT_TRUE(write_file(path, text).has_value());
  return load_experiment(path);
}

TEST(Mishaps, AreWrittenAsTheyWereRead) {
  const auto experiment = read(experiment_with(
      "[[series.event]]\nat_s = 5\ndo = \"kill-representatives\"\nsites = [1, 3]\ncount = 2\nwithin = { t2 = 3, "
      "round_trips = 8 }\n[[series.event]]\nat_s = 9.5\ndo = \"links\"\nloss_percent = 2.5\nextra_ms = 40\n"
      "[[series.traitor]]\nbehaviour = \"bad-shares\"\nsites = [2]\nservers = [3]\n"));
  ASSERT_TRUE(experiment) << experiment.error().message;
  const Series& series = experiment->series[0];
  ASSERT_EQ(series.mishaps.size(), 2u);
  EXPECT_EQ(series.mishaps[0].label(), "2 representatives of site1, site3 die");
  EXPECT_EQ(series.mishaps[1].loss_ppm, 25'000u);
  const std::string dir = testing::TempDir() + "/recovery_saved-" + std::to_string(::getpid());
  ASSERT_TRUE(save_experiment(*experiment, dir).has_value());
  const auto again = load_experiment(dir + "/experiment.toml");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->series[0].mishaps, series.mishaps);
  EXPECT_EQ(again->series[0].treasons, series.treasons);
}

TEST(Mishaps, NameSitesAsTheTopologyDoesOrByNumberFromOne) {
  const auto experiment =
      read(experiment_with("[[series.event]]\nat_s = 5\ndo = \"cut\"\nsites = [\"site2\", 3]\n"
                           "[[series.traitor]]\nbehaviour = \"late\"\nsites = [\"site1\"]\nservers = [0]\n"));
  ASSERT_TRUE(experiment) << experiment.error().message;
  EXPECT_EQ(experiment->series[0].mishaps[0].sites, (std::vector<std::uint16_t>{1, 2}));
  EXPECT_EQ(experiment->series[0].treasons[0].sites, (std::vector<std::uint16_t>{0}));
  const auto unknown = read(experiment_with("[[series.event]]\nat_s = 5\ndo = \"cut\"\nsites = [\"sit2\"]\n"));
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, testing::HasSubstr("did you mean \"site"));
}

TEST(Mishaps, WhatCannotBeIsRefused) {
  const auto refused = [](const std::string& more) {
    const auto experiment = read(experiment_with(more));
    return experiment ? std::string("taken") : experiment.error().message;
  };
  EXPECT_THAT(refused("[[series.event]]\nat_s = 5\ndo = \"kill-sites\"\nsites = [6]\n"), HasSubstr("sites"));
  EXPECT_THAT(refused("[[series.event]]\nat_s = 5\ndo = \"explode\"\n"), HasSubstr("explode"));
  EXPECT_THAT(refused("[[series.traitor]]\nbehaviour = \"silent\"\nservers = [0, 1]\n"), HasSubstr("faults = 1"));
  EXPECT_THAT(refused("[[series.event]]\nat_s = 5\ndo = \"restore\"\n[[series.event]]\nat_s = 4\ndo = \"restore\"\n"),
              HasSubstr("order of their times"));
}

TEST(Mishaps, TheReportShowsThemWithTheirBounds) {
  Results results;
  auto experiment = read(experiment_with("[[series.event]]\nat_s = 5\ndo = \"kill-sites\"\nsites = [1]\n"));
  ASSERT_TRUE(experiment);
  results.experiment = std::move(*experiment);
  Point point = evaluate(results.experiment.series[0], 5, {run_with({{0, 5s, 10s}})});
  results.points.push_back(std::move(point));
  EXPECT_THAT(recoveries(results), HasSubstr("it happens"));
  EXPECT_THAT(recoveries(results), HasSubstr("missed"));  // 5 s are more than 4
  const auto plots = plots_of(results, "/tmp");
  ASSERT_EQ(plots.size(), 1u);
  EXPECT_EQ(plots[0].name, "timeline-1");
}

}  // namespace
}  // namespace seneschal::lab
