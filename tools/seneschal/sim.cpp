// `seneschal sim`: runs seeds or a plan in the simulated world under all checkers.
#include "base/version.hpp"
#include "lab/files.hpp"
#include "lab/process.hpp"
#include "lab/sim/swarm.hpp"
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/flags.hpp"

#include <fmt/format.h>
#include <tclap/CmdLine.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace {

using namespace seneschal;
using namespace seneschal::lab;
using namespace seneschal::lab::sim;

enum Exit { kGood = 0, kFailed = 1, kUsage = 2, kUnsafe = 4 };

constexpr std::size_t kTraceLines = 20'000;

struct Options {
  std::string protocol = "steward";
  std::string seeds = "1..20";
  std::string profile = "swarm";
  std::string plan;
  std::string out = "sim-failures";
  bool json = false;
  bool real_crypto = false;
  bool show_plan = false;
  unsigned jobs = 0;
  std::string application = "kv";
};

int usage_error(const std::string& message) {
  fmt::print(stderr, "seneschal sim: {}\nTry 'seneschal sim --help'.\n", message);
  return kUsage;
}

constexpr std::uint64_t kGreatestSeed = std::uint64_t{1} << 62;

/// "A..B" or "A".
bool parse_seeds(const std::string& text, std::uint64_t& first, std::uint64_t& last) {
  const auto dots = text.find("..");
  const auto a = parse_number(text.substr(0, dots));
  const auto b = dots == std::string::npos ? a : parse_number(text.substr(dots + 2));
  constexpr std::uint64_t kMost = 1'000'000;
  if (!a || !b || *a > *b || *b - *a >= kMost || *b > kGreatestSeed) return false;
  first = *a;
  last = *b;
  return true;
}

std::string summary(std::uint64_t seeds, std::uint64_t passed, std::uint64_t trace) {
  return fmt::format("seeds={} passed={} failed={} trace={:016x}", seeds, passed, seeds - passed, trace);
}

/// Writes plan and trace of a failed run; says where, and how to see it again.
std::string keep_failure(const Options& options, const Plan& plan) {
  const std::string stem =
      fmt::format("{}/{}-{}-{}", options.out, lab::to_string(plan.protocol), plan.profile, plan.seed);
  Status written = write_file(stem + ".toml", to_toml(plan));
  const auto again = run_scenario(plan, {.trace_lines = kTraceLines, .stop = interrupted});
  if (written && again) written = write_file(stem + ".trace.txt", again->text + again->reason + "\n");
  if (!written) return "could not write the plan: " + written.error().message;
  const std::string replay = fmt::format("replay: seneschal sim --plan {}.toml", stem);
  return again ? fmt::format("{}   (trace: {}.trace.txt)", replay, stem) : replay;
}

struct Report {
  std::uint64_t wanted = 0;
  std::uint64_t seeds = 0;  // finished
  std::uint64_t passed = 0;
  std::uint64_t trace = 0;
  nlohmann::json failures = nlohmann::json::array();
  bool unsafe = false;
};

int finish(const Options& options, const Report& report) {
  const bool cut_short = report.seeds < report.wanted;
  if (options.json)
    fmt::print("{}\n", nlohmann::json{{"seeds", report.seeds},
                                      {"passed", report.passed},
                                      {"failed", report.seeds - report.passed},
                                      {"trace", fmt::format("{:016x}", report.trace)},
                                      {"failures", report.failures},
                                      {"interrupted", cut_short}}
                           .dump());
  else
    fmt::print("{}\n", summary(report.seeds, report.passed, report.trace));
  if (cut_short) {
    fmt::print(options.json ? stderr : stdout, "interrupted: {} of {} seeds are finished\n", report.seeds,
               report.wanted);
    return kInterrupted;
  }
  if (report.unsafe) return kUnsafe;
  return report.passed == report.seeds ? kGood : kFailed;
}

void note_failure(const Options& options, Report& report, std::uint64_t seed, const std::string& reason,
                  const std::string& where) {
  report.failures.push_back({{"seed", seed}, {"reason", reason}, {"replay", where}});
  fmt::print(options.json ? stderr : stdout, "seed {} failed: {}\n  {}\n", seed, reason, where);
}

int run_plan(const Options& options) {
  const auto plan = load_plan(options.plan);
  if (!plan) return usage_error(plan.error().message);
  Report report;
  report.wanted = 1;
  const auto result = run_scenario(*plan, {.trace_lines = kTraceLines, .stop = interrupted});
  if (!result && interrupted()) return finish(options, report);
  if (!result) return usage_error(result.error().message);
  report.seeds = 1;
  report.trace = chain_hash(0, result->trace_hash);
  report.passed = result->outcome == Outcome::Passed ? 1 : 0;
  report.unsafe = result->outcome == Outcome::Unsafe;
  const std::string trace_file = options.plan + ".trace.txt";
  if (report.passed == 0) {
    const Status written = write_file(trace_file, result->text + result->reason + "\n");
    note_failure(options, report, plan->seed, result->reason,
                 written ? "trace: " + trace_file : written.error().message);
  }
  return finish(options, report);
}

int run_seeds(const Options& options) {
  SwarmSettings settings;
  if (options.protocol == "steward")
    settings.protocol = Protocol::Steward;
  else if (options.protocol == "bft")
    settings.protocol = Protocol::Bft;
  else
    return usage_error(fmt::format("--protocol is '{}'; expected 'steward' or 'bft'", options.protocol));
  if (!parse_seeds(options.seeds, settings.first, settings.last))
    return usage_error(
        fmt::format("--seeds is '{}'; expected A..B with A <= B, at most a million seeds, B from 0 to {}",
                    options.seeds, kGreatestSeed));
  if (std::ranges::find(profiles(), options.profile) == profiles().end())
    return usage_error(
        fmt::format("--profile is '{}'; expected one of: {}", options.profile, fmt::join(profiles(), ", ")));
  settings.profile = options.profile;
  settings.jobs = options.jobs != 0 ? options.jobs : std::max(1u, std::thread::hardware_concurrency());
  if (options.application != "kv" && options.application != "sql")
    return usage_error(fmt::format("--application is '{}'; expected 'kv' or 'sql'", options.application));
  settings.application = options.application;
  settings.real_crypto = options.real_crypto;
  if (options.show_plan) {
    fmt::print("{}", to_toml(plan_of(settings, settings.first)));
    return kGood;
  }
  settings.stop = interrupted;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const std::uint64_t count = settings.last - settings.first + 1;
  const auto swarm = run_swarm(settings, [&](std::uint64_t done) {
    if (terminal) fmt::print(stderr, "\r{} of {} seeds{}", done, count, done == count ? "\r\x1b[K" : "");
  });
  if (terminal && interrupted()) fmt::print(stderr, "\r\x1b[K");
  if (!swarm) return usage_error(swarm.error().message);
  Report report{count, swarm->seeds, swarm->passed, swarm->trace_hash, nlohmann::json::array(), swarm->unsafe};
  for (const SeedResult& failure : swarm->failures) {
    note_failure(options, report, failure.seed, failure.result.reason,
                 keep_failure(options, plan_of(settings, failure.seed)));
  }
  return finish(options, report);
}

}  // namespace

int sim_command(int argc, char** argv) {
  Options options;
  try {
    TCLAP::CmdLine line("Runs seeds (or one plan file) in the simulated world under all checkers.", ' ', version());
    line.setExceptionHandling(false);
    TCLAP::ValueArg<std::string> protocol("p", "protocol", "steward or bft", false, options.protocol, "NAME", line);
    TCLAP::ValueArg<std::string> seeds("s", "seeds", "seeds to run", false, options.seeds, "A..B", line);
    TCLAP::ValueArg<std::string> profile("", "profile", fmt::format("which faults: {}", fmt::join(profiles(), ", ")),
                                         false, options.profile, "NAME", line);
    TCLAP::ValueArg<std::string> plan("", "plan", "replay this plan file", false, "", "FILE", line);
    TCLAP::ValueArg<std::string> out("o", "out", "where plans and traces of failed seeds go", false, options.out,
                                     "DIR", line);
    const tools::WholeFlag jobs(line, "j", "jobs", "threads (0: all processors)", 0, 0, 1024);
    TCLAP::ValueArg<std::string> application("", "application", "what is replicated: kv or sql", false,
                                             options.application, "NAME", line);
    TCLAP::SwitchArg json("", "json", "print the result as JSON", line);
    TCLAP::SwitchArg real("", "real-crypto", "real keys and signatures (small ones); trace hashes then differ", line);
    TCLAP::SwitchArg show("", "show-plan", "print the plan of the first seed and stop", line);
    line.parse(argc, argv);
    options = {protocol.getValue(),   seeds.getValue(), profile.getValue(),
               plan.getValue(),       out.getValue(),   json.getValue(),
               real.getValue(),       show.getValue(),  static_cast<unsigned>(jobs.value()),
               application.getValue()};
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus();
  } catch (const TCLAP::ArgException& error) {
    return usage_error(tools::what_is_wrong(error));
  }
  catch_interrupts();
  return options.plan.empty() ? run_seeds(options) : run_plan(options);
}
