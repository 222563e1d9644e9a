// `seneschal lab`: experiments (run), deployments by hand (up, status, down), and costs of this machine (calibrate).
#include "base/version.hpp"
#include "emulator/did_you_mean.hpp"
#include "lab/calibrate.hpp"
#include "lab/files.hpp"
#include "lab/folder_lock.hpp"
#include "lab/live_runner.hpp"
#include "lab/process.hpp"
#include "lab/report_recovery.hpp"
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/lab_commands.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <tclap/CmdLine.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>

using namespace seneschal;
using namespace seneschal::lab;

namespace {

constexpr std::string_view kHelp =
    "usage: seneschal lab COMMAND ...\n"
    "  run FILE [--runtime live|sim|both] [--out DIR] [--force]\n"
    "                                                   runs an experiment and writes a report\n"
    "  up FILE [--out DIR] [--fresh]                    starts a deployment and leaves it running\n"
    "  status [--out DIR] [--json]                      what runs, who votes, and what is wrong\n"
    "  start|stop|restart NODE... [--out DIR]           one daemon or several; the others run on\n"
    "  down [--out DIR]                                 ends it; its servers' logs stay for the next 'up'\n"
    "  calibrate [--out FILE]                           measures what work costs on this machine\n"
    "Each takes --help. Exit codes: 0 good; 1 a figure was missed; 2 usage or configuration; 3 fidelity INVALID;\n"
    "4 safety violated.\n";

std::string build_facts() {
  return fmt::format("seneschal {}, {} {}", version(),
#ifdef __clang__
                     "clang",
#else
                     "g++",
#endif
                     __VERSION__);
}

Results collect(Experiment experiment, const Runs& runs) {
  Results results;
  results.experiment = std::move(experiment);
  results.host = host_facts();
  results.build = build_facts();
  for (const auto& [point, list] : runs)
    results.points.push_back(evaluate(results.experiment.series[point.first], point.second, list));
  return results;
}

void print_results(const Results& results, const std::vector<Verdict>& verdicts) {
  fmt::print("{}\n{}", to_text(results), recoveries_text(results));
  std::array<std::size_t, 4> counts{};
  for (const Verdict& v : verdicts) {
    ++counts[static_cast<std::size_t>(v.outcome)];
    if (v.outcome == Outcome::Missed)
      fmt::print("missed: {} ({}): {} instead of {}; {}\n", v.title, v.where, v.measured, v.asked, v.remark);
  }
  fmt::print("figures: {} passed, {} missed, {} not judged, {} shown\n", counts[0], counts[1], counts[2], counts[3]);
  for (const Point& p : results.points) {
    if (p.safety != "ok") fmt::print("SAFETY: {}, {} clients: {}\n", p.series->id, p.clients, p.safety);
    if (p.measured() && p.fidelity && !p.fidelity->valid())
      fmt::print("INVALID: {}, {} clients: {}\n", p.series->id, p.clients, p.fidelity->breaches.front());
  }
}

/// What a run leaves in its folder. Its keys and the daemons' folders are used again, and no result.
constexpr std::string_view kResults[] = {"results.csv", "summary.json", "report.html", "plots"};

/// Error if the folder has another run's results, or daemons of a deployment were started from it.
Status check_room(const std::string& dir, bool force) {
  std::error_code error;
  if (std::filesystem::exists(dir + "/deployment.toml", error))
    return failure(dir + " is the folder of a deployment ('lab up'); choose another one with --out");
  if (force) return {};
  for (std::string_view name : kResults)
    if (std::filesystem::exists(fmt::format("{}/{}", dir, name), error))
      return failure(
          fmt::format("{} has the results of another run ({}); choose another folder with --out, or replace them "
                      "with --force",
                      dir, name));
  return {};
}

/// Only once there are others: a run that fails or is interrupted early takes nothing away.
void remove_results(const std::string& dir) {
  std::error_code ignored;
  for (std::string_view name : kResults) std::filesystem::remove_all(fmt::format("{}/{}", dir, name), ignored);
}

/// What was measured before the user interrupted is kept.
Result<Runs> measure(Experiment& experiment, const std::string& dir, bool live, bool sim) {
  Runs runs;
  Progress progress;
  // Live first, alone on the machine: the simulator would use up the processors.
  if (live) {
    auto got = run_live(experiment, dir, progress);
    if (!got) return std::unexpected(got.error());
    runs.merge(*got);
  }
  if (!sim || interrupted()) return runs;
  if (Status good = measure_costs(experiment, dir, progress); !good) {
    if (interrupted()) return runs;
    return std::unexpected(good.error());
  }
  auto got = run_simulated(experiment, progress);
  if (!got) return std::unexpected(got.error());
  runs.merge(*got);
  return runs;
}

int run(int argc, char** argv) {
  TCLAP::CmdLine line("Runs an experiment and writes a report.", ' ', version());
  TCLAP::UnlabeledValueArg<std::string> file("FILE", "the experiment's file", true, "", "FILE", line);
  TCLAP::ValueArg<std::string> runtime("r", "runtime", "live, sim or both", false, "both", "NAME", line);
  TCLAP::ValueArg<std::string> out("o", "out", "folder for the results (default: out/NAME)", false, "", "DIR", line);
  TCLAP::SwitchArg force("", "force", "replace the results of another run in the folder", line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  const std::string which = runtime.getValue();
  if (which != "live" && which != "sim" && which != "both")
    return lab_complain("run", "--runtime is '" + which + "'; expected live, sim or both");
  auto experiment = load_experiment(file.getValue());
  if (!experiment) return lab_complain("run", experiment.error().message);
  const bool live = which != "sim" && experiment->has(RuntimeKind::Live);
  const bool sim = which != "live" && experiment->has(RuntimeKind::Sim);
  if (!live && !sim)
    return lab_complain("run", fmt::format("'{}' has no series with runtime \"{}\"", file.getValue(), which));
  const std::string dir = absolute(out.getValue().empty() ? "out/" + experiment->name : out.getValue());
  if (Status good = check_path(dir, "--out"); !good) return lab_complain("run", good.error().message);
  if (Status made = make_dir(dir); !made) return lab_complain("run", made.error().message);
  const auto lock = FolderLock::take(dir);
  if (!lock) return lab_complain("run", lock.error().message, kFailed);
  if (Status free = check_room(dir, force.getValue()); !free) return lab_complain("run", free.error().message);
  catch_interrupts();
  const std::string started = fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::time(nullptr)));
  const auto runs = measure(*experiment, dir, live, sim);
  if (!runs) return lab_complain("run", runs.error().message);
  Results results = collect(std::move(*experiment), *runs);
  if (interrupted() && std::ranges::none_of(results.points, &Point::measured))
    return lab_complain("run", "interrupted before anything was measured", kInterrupted);
  results.started = started;
  remove_results(dir);
  std::vector<std::string> warnings;
  if (Status good = write_report(results, dir, warnings); !good) return lab_complain("run", good.error().message);
  const auto verdicts = judge(results);
  print_results(results, verdicts);
  for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
  fmt::print("report: {}/report.html\n", dir);
  if (interrupted()) return kInterrupted;
  return static_cast<int>(exit_code(results, verdicts));
}

int calibrate_command(int argc, char** argv) {
  TCLAP::CmdLine line("Measures what work costs on this machine and writes a cost file for the simulator.", ' ',
                      version());
  TCLAP::ValueArg<std::string> out("o", "out", "the cost file", false, "costs-here.toml", "FILE", line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  Progress progress;
  const auto costs = calibrate(progress);
  if (!costs) return lab_complain("calibrate", costs.error().message, kFailed);
  if (Status good = write_file(out.getValue(), costs->to_toml()); !good)
    return lab_complain("calibrate", good.error().message);
  fmt::print("{}: written. Name it as 'costs' in an experiment to simulate this machine.\n", out.getValue());
  return kGood;
}

constexpr std::pair<std::string_view, int (*)(int, char**)> kCommands[] = {
    {"run", run},       {"up", lab_up},           {"status", lab_status}, {"start", lab_start},
    {"stop", lab_stop}, {"restart", lab_restart}, {"down", lab_down},     {"calibrate", calibrate_command},
};

}  // namespace

namespace seneschal::lab {

int lab_complain(std::string_view command, const std::string& message, int code) {
  fmt::print(stderr, "seneschal lab {}: {}\n", command, message);
  return code;
}

std::optional<int> lab_parse(TCLAP::CmdLine& line, int argc, char** argv) {
  try {
    line.setExceptionHandling(false);
    line.parse(argc, argv);
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    return lab_complain(argv[0],
                        error.error() + " " + error.argId() + "\nTry 'seneschal lab " + argv[0] + " --help'.");
  }
  return std::nullopt;
}

}  // namespace seneschal::lab

int lab_command(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  for (const auto& [name, function] : kCommands)
    if (command == name) return function(argc - 1, argv + 1);
  if (command == "--help" || command == "-h" || command == "help") {
    fmt::print("{}", kHelp);
    return kGood;
  }
  std::vector<std::string> known;
  for (const auto& [name, function] : kCommands) known.emplace_back(name);
  if (!command.empty()) {
    const auto nearest = emulator::did_you_mean(command, known);
    fmt::print(stderr, "seneschal lab: there is no command '{}'{}\n", command,
               nearest ? " (did you mean '" + *nearest + "'?)" : "");
  }
  fmt::print(stderr, "{}", kHelp);
  return kUsage;
}
