// `seneschal lab`: experiments (run), deployments by hand (up, status, down), and costs of this machine (calibrate).
#include "emulator/did_you_mean.hpp"
#include "lab/calibrate.hpp"
#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/keys.hpp"
#include "lab/live_runner.hpp"
#include "lab/node_report.hpp"
#include "lab/remembered.hpp"
#include "lab/report.hpp"
#include "lab/report_recovery.hpp"
#include "tools/seneschal/commands.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <tclap/CmdLine.h>

#include <array>
#include <ctime>
#include <filesystem>

using namespace seneschal;
using namespace seneschal::lab;

namespace {

constexpr int kGood = static_cast<int>(ExitCode::Good);
constexpr int kFailed = static_cast<int>(ExitCode::Missed);
constexpr int kUsage = static_cast<int>(ExitCode::Usage);
constexpr std::string_view kDefaultUp = "seneschal-up";

constexpr std::string_view kHelp =
    "usage: seneschal lab COMMAND ...\n"
    "  run FILE [--runtime live|sim|both] [--out DIR]   runs an experiment and writes a report\n"
    "  up FILE [--out DIR] [--fresh]                    starts a deployment and leaves it running\n"
    "  status [--out DIR] [--json]                      what runs, and how it does\n"
    "  down [--out DIR]                                 ends it; its servers' logs stay for the next 'up'\n"
    "  calibrate [--out FILE]                           measures what work costs on this machine\n"
    "Each takes --help. Exit codes: 0 good; 1 a figure was missed; 2 usage or configuration; 3 fidelity INVALID;\n"
    "4 safety violated.\n";

int complain(std::string_view command, const std::string& message, int code = kUsage) {
  fmt::print(stderr, "seneschal lab {}: {}\n", command, message);
  return code;
}

/// Parses arguments with TCLAP; a code to exit with unless all is well.
std::optional<int> parse(TCLAP::CmdLine& line, int argc, char** argv) {
  try {
    line.setExceptionHandling(false);
    line.parse(argc, argv);
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    return complain(argv[0], error.error() + " " + error.argId() + "\nTry 'seneschal lab " + argv[0] + " --help'.");
  }
  return std::nullopt;
}

std::string build_facts() {
  return fmt::format("seneschal 0.1.0, {} {}",
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

int run(int argc, char** argv) {
  TCLAP::CmdLine line("Runs an experiment and writes a report.", ' ', "0.1");
  TCLAP::UnlabeledValueArg<std::string> file("FILE", "the experiment's file", true, "", "FILE", line);
  TCLAP::ValueArg<std::string> runtime("r", "runtime", "live, sim or both", false, "both", "NAME", line);
  TCLAP::ValueArg<std::string> out("o", "out", "folder for the results (default: out/NAME)", false, "", "DIR", line);
  if (const auto code = parse(line, argc, argv)) return *code;
  const std::string which = runtime.getValue();
  if (which != "live" && which != "sim" && which != "both")
    return complain("run", "--runtime is '" + which + "'; expected live, sim or both");
  auto experiment = load_experiment(file.getValue());
  if (!experiment) return complain("run", experiment.error().message);
  const bool live = which != "sim" && experiment->has(RuntimeKind::Live);
  const bool sim = which != "live" && experiment->has(RuntimeKind::Sim);
  if (!live && !sim)
    return complain("run", fmt::format("'{}' has no series with runtime \"{}\"", file.getValue(), which));
  const std::string dir = absolute(out.getValue().empty() ? "out/" + experiment->name : out.getValue());
  if (Status made = make_dir(dir); !made) return complain("run", made.error().message);
  catch_interrupts();
  const std::string started = fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::time(nullptr)));
  Runs runs;
  {
    Progress progress;
    // Live first, alone on the machine: the simulator would use up the processors.
    if (live) {
      auto got = run_live(*experiment, dir, progress);
      if (!got) return complain("run", got.error().message);
      runs.merge(*got);
    }
    if (sim && !interrupted()) {
      if (Status good = measure_costs(*experiment, dir, progress); !good)
        return complain("run", good.error().message);
      auto got = run_simulated(*experiment, progress);
      if (!got) return complain("run", got.error().message);
      runs.merge(*got);
    }
  }
  Results results = collect(std::move(*experiment), runs);
  results.started = started;
  std::vector<std::string> warnings;
  if (Status good = write_report(results, dir, warnings); !good) return complain("run", good.error().message);
  const auto verdicts = judge(results);
  print_results(results, verdicts);
  for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
  fmt::print("report: {}/report.html\n", dir);
  if (interrupted()) return 130;
  return static_cast<int>(exit_code(results, verdicts));
}

int up(int argc, char** argv) {
  TCLAP::CmdLine line("Starts a deployment's daemons on this machine and leaves them running.", ' ', "0.1");
  TCLAP::UnlabeledValueArg<std::string> file("FILE", "the deployment's file", true, "", "FILE", line);
  TCLAP::ValueArg<std::string> out("o", "out", "folder for keys, logs and state", false, std::string(kDefaultUp),
                                   "DIR", line);
  TCLAP::ValueArg<std::string> keys("k", "keys", "folder that 'seneschal keygen' made (default: made here)", false,
                                    "", "DIR", line);
  TCLAP::ValueArg<std::string> plugins("p", "plugins", "folder of the plugins", false, "", "DIR", line);
  TCLAP::SwitchArg fresh("", "fresh", "begin anew: remove logs and keys of an earlier deployment in the folder",
                         line);
  if (const auto code = parse(line, argc, argv)) return *code;
  auto deployment = load_deployment(file.getValue());
  if (!deployment) return complain("up", deployment.error().message);
  const std::string dir = absolute(out.getValue());
  // With the old keys everything that was ever signed would still count in the new deployment.
  if (fresh.getValue() && keys.isSet())
    return complain("up",
                    "--fresh makes new keys; with keys of your own give the deployment another 'id' and folder");
  if (!fresh.getValue())
    if (Status same = check_remembered(*deployment, dir); !same) return complain("up", same.error().message);
  if (!fresh.getValue() && deployment->options.durability == "none" && has_run(dir))
    return complain("up", fmt::format("servers of '{}' ran before and kept no log (durability = \"none\"), so they "
                                      "would not vote; begin anew with --fresh, or with another --out",
                                      out.getValue()));
  if (const auto running = load_state(dir))
    for (const ClusterNode& node : running->nodes)
      if (alive(node.process))
        return complain("up", fmt::format("'{}' already runs from {}; end it with 'seneschal lab down --out {}'",
                                          running->name, out.getValue(), out.getValue()));
  catch_interrupts();
  Progress progress;
  ClusterOptions options;
  options.detach = true;
  options.fresh = fresh.getValue();
  std::error_code ignored;
  if (fresh.getValue()) std::filesystem::remove_all(dir + "/keys", ignored);
  options.plugins = plugins.getValue();
  options.keys = keys.getValue().empty() ? "" : absolute(keys.getValue());
  if (options.keys.empty()) {
    const auto made = ensure_keys(
        *deployment, dir + "/keys",
        [&](const std::string& what, std::size_t n, std::size_t of) {
          progress.update(fmt::format("keys  {}/{}  {}", n, of, what));
        },
        fresh.getValue() ? std::nullopt : remembered_keys(*deployment, dir));
    if (!made) return complain("up", made.error().message);
    options.keys = *made;
  }
  if (Status same = check_keys(*deployment, fresh.getValue() ? "" : dir, options.keys); !same)
    return complain("up", same.error().message);
  progress.update(fmt::format("starting {} daemons", deployment->sites()));
  const auto cluster = start_cluster(*deployment, dir, options);
  if (!cluster) return complain("up", cluster.error().message, kFailed);
  if (Status ready = wait_ready(*cluster, *deployment, 30s); !ready) {
    stop_cluster(*cluster);
    return complain("up", ready.error().message, kFailed);
  }
  if (keys.getValue().empty())
    if (Status noted = note_keys_used(dir); !noted) fmt::print(stderr, "warning: {}\n", noted.error().message);
  fmt::print(
      "'{}' runs: {} servers in {} daemons, {} clients may use it. Try:\n"
      "  seneschal client --deployment {} --id 1 put greeting hello\n"
      "  seneschal lab status --out {}\n  seneschal lab down --out {}\n",
      deployment->name, deployment->server_count(), cluster->nodes.size(), deployment->clients, out.getValue(),
      out.getValue(), out.getValue());
  return kGood;
}

int status(int argc, char** argv) {
  TCLAP::CmdLine line("Shows what runs, and how it does.", ' ', "0.1");
  TCLAP::ValueArg<std::string> out("o", "out", "folder given to 'lab up'", false, std::string(kDefaultUp), "DIR",
                                   line);
  if (const auto code = parse(line, argc, argv)) return *code;
  const auto cluster = load_state(out.getValue());
  if (!cluster) return complain("status", cluster.error().message, kFailed);
  bool good = true;
  fmt::print("{}\n{:<5} {:>8} {:<9} {:>9}  {:<22} {}\n", cluster->name, "node", "pid", "state", "links up", "replica",
             "executed");
  for (const ClusterNode& node : cluster->nodes) {
    const auto report = alive(node.process) ? ask_node(node) : failure("ended");
    if (!report) {
      good = false;
      fmt::print("{:<5} {:>8} {:<9} {}\n", node.id.value, node.process.pid, "ended",
                 alive(node.process) ? report.error().message : log_tail(node.log, 1));
      continue;
    }
    const auto links_up = std::ranges::count(report->links, true, &LinkReport::up);
    const std::string links = fmt::format("{}/{}", links_up, report->links.size());
    if (report->plugins.empty())
      fmt::print("{:<5} {:>8} {:<9} {:>9}\n", node.id.value, node.process.pid, "running", links);
    bool first = true;
    for (const PluginReport& plugin : report->plugins) {
      const auto value = [&](const char* key) {
        const auto it = plugin.status.find(key);
        return it == plugin.status.end() ? std::string("-") : it->second;
      };
      good = good && plugin.running;
      fmt::print("{:<5} {:>8} {:<9} {:>9}  {:<22} {}\n", first ? std::to_string(node.id.value) : "",
                 first ? std::to_string(node.process.pid) : "", first ? "running" : "", first ? links : "",
                 value("self"), plugin.running ? value("executed") : "failed: " + plugin.error);
      first = false;
    }
  }
  return good ? kGood : kFailed;
}

int down(int argc, char** argv) {
  TCLAP::CmdLine line("Ends a deployment. Its servers' logs stay.", ' ', "0.1");
  TCLAP::ValueArg<std::string> out("o", "out", "folder given to 'lab up'", false, std::string(kDefaultUp), "DIR",
                                   line);
  if (const auto code = parse(line, argc, argv)) return *code;
  const auto cluster = load_state(out.getValue());
  if (!cluster) return complain("down", cluster.error().message, kFailed);
  const std::size_t killed = stop_cluster(*cluster);
  fmt::print("'{}' is down{}{}\n", cluster->name,
             killed > 0 ? fmt::format("; {} daemons had to be killed", killed) : "",
             has_run(cluster->dir)
                 ? fmt::format("; {}/data has its servers' logs: 'lab up' goes on from them", out.getValue())
                 : "");
  return kGood;
}

int calibrate_command(int argc, char** argv) {
  TCLAP::CmdLine line("Measures what work costs on this machine and writes a cost file for the simulator.", ' ',
                      "0.1");
  TCLAP::ValueArg<std::string> out("o", "out", "the cost file", false, "costs-here.toml", "FILE", line);
  if (const auto code = parse(line, argc, argv)) return *code;
  Progress progress;
  const auto costs = calibrate(progress);
  if (!costs) return complain("calibrate", costs.error().message, kFailed);
  if (Status good = write_file(out.getValue(), costs->to_toml()); !good)
    return complain("calibrate", good.error().message);
  fmt::print("{}: written. Name it as 'costs' in an experiment to simulate this machine.\n", out.getValue());
  return kGood;
}

}  // namespace

int lab_command(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "run") return run(argc - 1, argv + 1);
  if (command == "up") return up(argc - 1, argv + 1);
  if (command == "status") return status(argc - 1, argv + 1);
  if (command == "down") return down(argc - 1, argv + 1);
  if (command == "calibrate") return calibrate_command(argc - 1, argv + 1);
  if (command == "--help" || command == "-h" || command == "help") {
    fmt::print("{}", kHelp);
    return kGood;
  }
  const std::vector<std::string> known{"run", "up", "status", "down", "calibrate"};
  if (!command.empty()) {
    const auto nearest = emulator::did_you_mean(command, known);
    fmt::print(stderr, "seneschal lab: there is no command '{}'{}\n", command,
               nearest ? " (did you mean '" + *nearest + "'?)" : "");
  }
  fmt::print(stderr, "{}", kHelp);
  return kUsage;
}
