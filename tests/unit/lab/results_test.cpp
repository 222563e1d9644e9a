#include "lab/files.hpp"
#include "lab/floors.hpp"
#include "lab/html.hpp"
#include "lab/report.hpp"
#include "lab/report_answers.hpp"
#include "lab/tables.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace seneschal::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A run in which every client of the series takes `factor` times its floor plus `extra` for each update.
RunData synthetic(const Series& series, std::uint32_t clients, double factor) {
  const Duration extra = series.shaped ? 5ms : 500us;
  RunData run;
  run.seed = 1;
  run.window_begin = Instant{} + 1s;
  run.window_end = run.window_begin + series.measure;
  for (std::uint32_t c = 0; c < clients; ++c) {
    const std::size_t site = c % series.sites();
    const Duration latency(
        static_cast<std::int64_t>(factor * static_cast<double>(update_floor(series, site).count())) + extra.count());
    for (Instant at = Instant{} + latency; at < run.window_end + 1s; at = at + latency)
      run.samples.push_back({site, at, latency, true});
  }
  for (std::size_t from = 0; from < series.sites(); ++from)
    for (std::size_t to = 0; to < series.sites(); ++to)
      if (from != to) run.links.push_back({from, to, 1000 * clients, 400'000 * clients, 0, 0, 10'000'000});
  run.cpu_ms = 900;
  run.cpu_busy_percent = 3.0 * clients;
  run.view_changes_local = run.view_changes_global = 0;
  if (series.runtime == RuntimeKind::Live) {
    run.fidelity.emplace();
    run.fidelity->links.push_back({0, 1, 50, 0.02, 0.4, 0.3, 0});
    judge(*run.fidelity);
  } else {
    run.wall_s = 1.5;
    run.virtual_s = 10;
    run.sim_messages = 1'000'000;
    run.trace = "0123456789abcdef";
  }
  return run;
}

Results demo(double steward = 1.1, double bft = 1.1) {
  Results results;
  results.experiment = *load_experiment(std::string(SENESCHAL_SOURCE_DIR) + "/configs/experiments/demo.toml");
  for (const Series& series : results.experiment.series)
    for (std::uint32_t clients : series.clients)
      results.points.push_back(evaluate(
          series, clients, {synthetic(series, clients, series.protocol == Protocol::Steward ? steward : bft)}));
  results.host = "test <host>";
  return results;
}

TEST(Metrics, CountsOnlyWhatWasAcceptedInTheWindow) {
  Series series;
  series.topology = emulator::Topology::uniform(1, {});
  series.servers = {4};
  RunData run;
  run.window_begin = Instant{} + 1s;
  run.window_end = Instant{} + 3s;
  for (Duration at : {999ms, 1000ms, 2000ms, 2999ms, 3000ms}) run.samples.push_back({0, Instant{} + at, 10ms, true});
  const Point point = evaluate(series, 1, {run});
  EXPECT_EQ(point.operations, 3u);
  EXPECT_DOUBLE_EQ(point.throughput.mean, 1.5);
  EXPECT_DOUBLE_EQ(point.latency_mean_ms.mean, 10);
}

TEST(Metrics, SitesCountByTheirClientsNotByHowMuchTheyComplete) {
  Series series;
  series.topology = emulator::Topology::uniform(2, {});
  series.servers = {4, 4};
  RunData run;
  run.window_end = Instant{} + 10s;
  for (int i = 0; i < 90; ++i) run.samples.push_back({0, Instant{}, 100ms, true});
  for (int i = 0; i < 10; ++i) run.samples.push_back({1, Instant{}, 200ms, true});
  EXPECT_DOUBLE_EQ(evaluate(series, 2, {run}).latency_mean_ms.mean, 150);
  EXPECT_NEAR(evaluate(series, 3, {run}).latency_mean_ms.mean, 400.0 / 3, 1e-9);
}

TEST(Metrics, PercentilesAreNearestRank) {
  std::vector<Duration> values;
  for (int i = 1; i <= 100; ++i) values.push_back(std::chrono::milliseconds(i));
  EXPECT_EQ(percentile(values, 50), 50ms);
  EXPECT_EQ(percentile(values, 99), 99ms);
  EXPECT_EQ(percentile(values, 100), 100ms);
  EXPECT_EQ(percentile({}, 50), 0ms);
}

TEST(Metrics, IntervalNeedsThreeRuns) {
  EXPECT_FALSE(estimate({1, 2}).half_width);
  const Estimate e = estimate({10, 12, 14});
  EXPECT_DOUBLE_EQ(e.mean, 12);
  ASSERT_TRUE(e.half_width);
  EXPECT_NEAR(*e.half_width, 4.303 * 2 / std::sqrt(3.0), 1e-3);
}

TEST(Metrics, NothingMeasuredSaysWhyAndHasNoRow) {
  Results results;
  results.experiment = *load_experiment(std::string(SENESCHAL_SOURCE_DIR) + "/configs/experiments/saturation.toml");
  RunData failed;
  failed.problem = "daemon 3 ended";
  const Series& series = results.experiment.series[0];
  results.points.push_back(evaluate(series, 2000, {failed}));
  results.points.push_back(evaluate(series, 2000, {RunData{}}));
  EXPECT_EQ(results.points[0].problem, "daemon 3 ended");
  EXPECT_THAT(results.points[1].problem, HasSubstr("no operation was accepted"));
  EXPECT_EQ(to_csv(results), std::string(kCsvHeader) + "\n");
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Unmeasured);
}

TEST(Metrics, FidelityBoundsAreThoseOfTheDefinition) {
  Fidelity good;
  good.links = {{0, 1, 10, 0.2, 2, 2, 0}, {1, 0, 100, 0.5, 4, std::nullopt, 0}};
  judge(good);
  EXPECT_TRUE(good.valid());
  for (LinkFidelity bad : {LinkFidelity{0, 1, 40, 0.21, 1, {}, 0}, LinkFidelity{0, 1, 100, 0.51, 1, {}, 0},
                           LinkFidelity{0, 1, 50, 0.1, 2.1, {}, 0}, LinkFidelity{0, 1, 50, 0.1, 1, -2.1, 0},
                           LinkFidelity{0, 1, 50, 0.1, 1, {}, 1}}) {
    Fidelity f;
    f.links = {bad};
    judge(f);
    EXPECT_EQ(f.breaches.size(), 1u);
  }
}

TEST(Tables, CsvHasTheExactHeaderAndOneRowPerPoint) {
  const Results results = demo();
  const std::string csv = to_csv(results);
  EXPECT_TRUE(csv.starts_with(
      "experiment,series,runtime,setting,protocol,topology,sites,servers,f,clients,update_percent,bandwidth_"
      "mbps,payload_bytes,"
      "batch_max,fanout,auth,seed,duration_s,throughput_ops,latency_mean_ms,latency_p50_ms,latency_"
      "p90_ms,latency_p99_ms,"
      "latency_floor_ms,wan_bytes_per_op,wan_messages_per_op,link_use_max,cpu_ms_per_op,cpu_busy_max,"
      "view_changes_local,"
      "view_changes_global,safety,fidelity,application,delivery,window,durability,checkpoint_interval,"
      "log_growth_kb,accountability,graph_source,graph_epoch,graph_keep,site_bits,server_bits,shaped,"
      "one_host,host_cores,costs\n"));
  std::istringstream lines(csv);
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    std::size_t commas = 0;
    bool quoted = false;
    for (char c : line) {
      if (c == '"') quoted = !quoted;
      commas += c == ',' && !quoted ? 1 : 0;
    }
    EXPECT_EQ(commas, 48u) << line;
  }
  EXPECT_EQ(rows, 1 + results.points.size());
}

TEST(Verdicts, GoodResultsPass) {
  const Results results = demo();
  for (const Verdict& v : judge(results))
    EXPECT_NE(v.outcome, Outcome::Missed) << v.title << " " << v.where << " " << v.remark;
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Good);
}

TEST(Verdicts, WhatWasNotRunIsNotJudged) {
  Results results = demo();
  std::erase_if(results.points, [](const Point& p) { return p.series->runtime == RuntimeKind::Sim; });
  std::size_t judged_sim = 0, shown = 0;
  for (const Verdict& v : judge(results)) {
    if (v.where.find("-sim") != std::string::npos && v.outcome != Outcome::NotJudged) ++judged_sim;
    if (v.outcome == Outcome::Shown) {
      ++shown;
      EXPECT_EQ(v.asked, "shown");
    }
  }
  EXPECT_EQ(judged_sim, 0u);
  EXPECT_GT(shown, 0u);
}

TEST(Verdicts, MissesSayByHowMuch) {
  const Results results = demo(1.5, 1.0);
  std::string remarks;
  for (const Verdict& v : judge(results))
    if (v.outcome == Outcome::Missed) remarks += v.title + ": " + v.remark + "\n";
  EXPECT_THAT(remarks, HasSubstr("Steward's latency over the floor, simulated: missed by"));
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Missed);
}

TEST(Verdicts, BusyHostExcusesOnlyTheNamedPoints) {
  Results results = demo(2.0, 1.0);  // Steward behind BFT everywhere
  for (Point& p : results.points)
    if (p.series->runtime == RuntimeKind::Live) p.cpu_busy_percent = 95;
  for (const Verdict& v : judge(results)) {
    if (v.title != "Steward ahead of BFT, live") continue;
    EXPECT_THAT(v.remark, HasSubstr("host-bound"));
    EXPECT_EQ(v.outcome, v.where.ends_with("20 clients") ? Outcome::NotJudged : Outcome::Missed) << v.where;
  }
}

TEST(Verdicts, LoadedMachineIsNotJudgedWhereTheFigureAsksForAQuietOne) {
  Results results = demo(2.0, 1.0);
  for (Point& p : results.points)
    if (p.fidelity) p.fidelity->steal_percent = 12;
  bool seen = false;
  for (const Verdict& v : judge(results)) {
    if (v.title != "Steward's latency over the floor, live") continue;
    seen = true;
    EXPECT_EQ(v.outcome, Outcome::NotJudged);
    EXPECT_THAT(v.remark, HasSubstr("CPU steal 12.0 %"));
  }
  EXPECT_TRUE(seen);
}

TEST(Verdicts, LiveAndSimulatedAreComparedOnlyWhileTheMachineHasTimeAndTheNetworkIsRight) {
  const auto outcome = [](const Results& results, std::string_view remark) {
    for (const Verdict& v : judge(results))
      if (v.title == "Live and simulated agree, Steward" && v.clients == 5) {
        EXPECT_THAT(v.remark, HasSubstr(remark));
        return v.outcome;
      }
    return Outcome::Shown;
  };
  Results results = demo();
  EXPECT_EQ(outcome(results, "ratio 1.000"), Outcome::Passed);
  Point* live = nullptr;
  for (Point& p : results.points)
    if (p.series->id == "steward-live" && p.clients == 5) live = &p;
  ASSERT_NE(live, nullptr);
  live->latency_mean_ms.mean *= 1.2;
  EXPECT_EQ(outcome(results, "differ by +20.0 %"), Outcome::Missed);
  live->cpu_busy_percent = 61;
  EXPECT_EQ(outcome(results, "host-bound: CPU 61 % busy"), Outcome::NotJudged);
  live->cpu_busy_percent = 10;
  live->fidelity->breaches.push_back("late");
  EXPECT_EQ(outcome(results, "INVALID"), Outcome::NotJudged);
}

TEST(Verdicts, SafetyComesBeforeWhatWasNotMeasuredBeforeFidelityBeforeFigures) {
  Results results = demo(1.5, 1.0);
  for (Point& p : results.points)
    if (p.fidelity) p.fidelity->breaches.push_back("late");
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Invalid);
  results.points.front().problem = "its daemon ended";
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Unmeasured);
  results.points.back().safety = "agreement: two digests for seq 7";
  EXPECT_EQ(exit_code(results, judge(results)), ExitCode::Unsafe);
}

TEST(Report, PageIsSelfContainedAndEscaped) {
  const Results results = demo();
  const std::string page = to_html(results, judge(results), {{"A plot", "<?xml version=\"1.0\"?><svg>drawn</svg>"}});
  EXPECT_THAT(page, HasSubstr("test &lt;host&gt;"));
  EXPECT_THAT(page, HasSubstr("<svg>drawn</svg>"));
  EXPECT_THAT(page, Not(HasSubstr("<?xml")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("class=\"banner\"")));
  EXPECT_THAT(page, HasSubstr("Live and simulated, side by side"));
}

TEST(Report, SaysFirstWhatIsWrongThenWhatWasAskedAndLastWhatWasJudged) {
  const Results slow = demo(1.5, 1.0);
  std::string page = to_html(slow, judge(slow), {{"A plot", "<svg>drawn</svg>"}});
  const std::vector<std::string> order = {"Who is faster, and by how much?",
                                          "At what cost?",
                                          "Is the emulation to be trusted?",
                                          "<h2>Plots",
                                          "Measured live",
                                          "Live and simulated, side by side",
                                          "Fidelity of the live runs",
                                          "judged figures were missed",
                                          "instead of at most 1.15; missed by",
                                          "Figures it must show",
                                          "How to read this"};
  std::size_t last = 0;
  for (const std::string& part : order) {
    const auto at = page.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    EXPECT_LT(last, at) << part;
    last = at;
  }
  page = page.substr(page.find("Figures it must show"));
  EXPECT_LT(page.find(">missed</span>"), page.find(">passed</span>"));
  EXPECT_THAT(to_html(demo(), judge(demo()), {}), HasSubstr("judged figures were met"));
  Results invalid = demo();
  invalid.points[0].fidelity->breaches.push_back("link from site 1 to site 2: late");
  page = to_html(invalid, judge(invalid), {});
  EXPECT_LT(page.find("class=\"banner wait\""), page.find("Who is faster"));
}

TEST(Report, AnswersNameTheFasterOneAndByHowMuch) {
  const Results results = demo();
  const std::string text = answers(results);
  double steward = 0, bft = 0;
  for (const Point& p : results.points)
    if (p.clients == 20 && p.series->id == "steward-sim-f5") steward = p.latency_mean_ms.mean;
  for (const Point& p : results.points)
    if (p.clients == 20 && p.series->id == "bft-sim-f5") bft = p.latency_mean_ms.mean;
  ASSERT_GT(bft, steward);
  EXPECT_THAT(text,
              HasSubstr(fmt::format("<b>Steward</b> is faster, simulated, f=5, 20 clients: an operation takes {} ms "
                                    "with Steward and {} ms with BFT, which is {:.2f} times as long",
                                    number(steward), number(bft), bft / steward)));
  EXPECT_THAT(text, HasSubstr("of 12 live points the emulated network did what was asked")) << text;
  const Results slow = demo(3.0, 1.0);
  EXPECT_THAT(answers(slow), HasSubstr("<b>BFT</b> is faster"));
}

TEST(Html, ColumnsThatAreEmptyInEveryRowAreLeftOut) {
  html::Table table({"a", ">b", "c"});
  table.row().cell("1").cell("-").cell("");
  table.group("a heading");
  table.row().cell("2").cell("").cell("x");
  EXPECT_EQ(table.text(),
            "<div class=\"scroll\"><table><thead><tr><th>a</th><th>c</th></tr></thead><tbody>\n"
            "<tr><td>1</td><td></td></tr>\n<tr class=\"group\"><td colspan=\"2\">a heading</td></tr>\n"
            "<tr><td>2</td><td>x</td></tr>\n</tbody></table></div>\n");
}

TEST(Report, WritesEveryFile) {
  char name[] = "/tmp/seneschal-report-XXXXXX";
  const std::string dir = ::mkdtemp(name);
  std::vector<std::string> warnings;
  ASSERT_TRUE(write_report(demo(), dir, warnings));
  for (const char* file : {"results.csv", "summary.json", "experiment.toml", "report.html"})
    EXPECT_TRUE(std::filesystem::exists(dir + "/" + file)) << file;
  EXPECT_TRUE(load_experiment(dir + "/experiment.toml"));
  if (warnings.empty()) {
    EXPECT_TRUE(std::filesystem::exists(dir + "/plots/latency.svg"));
  }
  if (std::getenv("SENESCHAL_KEEP") == nullptr) std::filesystem::remove_all(dir);
}

TEST(Numbers, AreReadable) {
  EXPECT_EQ(number(190.4), "190");
  EXPECT_EQ(number(12345.6), "12,346");
  EXPECT_EQ(number(1.50), "1.5");
  EXPECT_EQ(number(0.5234), "0.523");
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-1234567), "-1,234,567");
  EXPECT_EQ(number(std::optional<double>{}), "-");
}

}  // namespace
}  // namespace seneschal::lab
