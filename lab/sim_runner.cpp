#include "lab/sim_runner.hpp"

#include "lab/calibrate.hpp"
#include "lab/files.hpp"
#include "lab/process.hpp"
#include "lab/sim/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace seneschal::lab {

namespace {

struct Task {
  std::size_t series = 0;
  std::uint32_t clients = 0;
  std::uint64_t seed = 0;
  double weight = 0;  // rough cost, to start the longest first
};

sim::SimSetup setup_of(const Series& series, const Task& task, const emulator::CostModel& costs) {
  sim::SimSetup setup;
  setup.deployment = deployment_of(series, task.clients);
  setup.costs = costs;
  setup.machines.placement = series.one_host ? sim::Placement::OneHost : sim::Placement::OwnHosts;
  setup.machines.one_host_cores = series.host_cores;
  setup.load.payload_bytes = series.payload_bytes;
  setup.load.update_percent = series.update_percent;
  setup.warmup = series.warmup;
  setup.measured = series.measure;
  setup.seed = task.seed;
  setup.mishaps = series.mishaps;
  setup.traitors = traitors_of(series.treasons, series.sites());
  setup.stop = interrupted;
  return setup;
}

RunData convert(const sim::SimResult& result, const Series& series, std::uint64_t seed) {
  RunData run;
  run.seed = seed;
  run.window_begin = Instant{} + series.warmup;
  run.window_end = run.window_begin + series.measure;
  for (const sim::SimCompletion& done : result.completions)
    run.samples.push_back({done.site, done.finished, done.latency, !done.query});
  ProtocolTimers timers = result.timers;
  timers.round_trip = longest_round_trip(series.topology);
  run.mishaps = marks_of(series.mishaps, series.sites(), run.window_begin, timers);
  for (const sim::LinkUse& link : result.links) {
    const auto* config = series.topology.link(link.from, link.to);
    run.links.push_back({link.from, link.to, link.packets, link.bytes, link.queue_drops, 0,
                         config == nullptr ? 0 : config->bandwidth_bps});
  }
  run.cpu_ms = result.server_cpu_ms_per_op * static_cast<double>(result.updates_done + result.queries_done);
  run.cpu_busy_percent = 100 * result.cpu_busy_max;
  run.view_changes_local = result.view_changes_local;
  run.view_changes_global = result.view_changes_global;
  if (!result.violation.empty()) run.safety = result.violation;
  run.wall_s = result.wall_seconds;
  run.virtual_s = to_seconds(result.virtual_time);
  run.sim_messages = result.messages;
  run.trace = fmt::format("{:016x}", result.trace_hash);
  return run;
}

/// All runs of the simulated series, the heaviest first.
std::vector<Task> tasks_of(const Experiment& experiment) {
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < experiment.series.size(); ++i) {
    const Series& series = experiment.series[i];
    if (series.runtime != RuntimeKind::Sim) continue;
    for (std::uint32_t clients : series.clients)
      for (std::uint64_t seed : series.seeds) {
        // Batches bound the work per second, so more clients cost less than in proportion.
        const double per_batch = static_cast<double>(series.server_count()) * series.server_count();
        const double batches = std::min<double>(clients, series.options.batch_max == 1 ? 200 : 20);
        tasks.push_back({i, clients, seed, to_seconds(series.warmup + series.measure) * batches * per_batch});
      }
  }
  // Not stable_sort: libstdc++ 12 builds it on something that clang calls deprecated. Order decides only who waits.
  std::ranges::sort(tasks, std::greater{}, &Task::weight);
  return tasks;
}

}  // namespace

Status measure_costs(Experiment& experiment, const std::string& dir, Progress& progress) {
  const auto wants = [](const Series& s) { return s.runtime == RuntimeKind::Sim && s.costs == kMeasuredCosts; };
  if (std::ranges::none_of(experiment.series, wants)) return {};
  auto costs = calibrate(progress);
  if (!costs) return std::unexpected(costs.error());
  const std::string path = dir + "/costs-of-this-machine.toml";
  if (Status good = write_file(path, costs->to_toml()); !good) return good;
  for (Series& series : experiment.series) {
    if (!wants(series)) continue;
    series.costs = path;
    series.host_cores = std::max(1u, std::thread::hardware_concurrency());
  }
  return {};
}

Result<Runs> run_simulated(const Experiment& experiment, Progress& progress) {
  const std::vector<Task> tasks = tasks_of(experiment);
  std::map<std::string, emulator::CostModel> costs;
  for (const Series& series : experiment.series) {
    if (series.runtime != RuntimeKind::Sim || costs.contains(series.costs)) continue;
    auto loaded = emulator::load_costs(series.costs);
    if (!loaded) return std::unexpected(loaded.error());
    costs.emplace(series.costs, std::move(*loaded));
  }
  std::vector<RunData> done(tasks.size());
  std::atomic<std::size_t> next{0}, finished{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      const Task& task = tasks[i];
      const Series& series = experiment.series[task.series];
      done[i].seed = task.seed;
      if (interrupted()) {
        done[i].problem = "interrupted";
        continue;
      }
      progress.update(
          fmt::format("sim  {}/{}  {}, {} clients", finished.load(), tasks.size(), series.id, task.clients));
      auto result = sim::simulate(setup_of(series, task, costs.at(series.costs)));
      if (result)
        done[i] = convert(*result, series, task.seed);
      else
        done[i].problem = result.error().message;
      ++finished;
      progress.line(fmt::format("sim  {:>2}/{}  {}, {} clients: {}", finished.load(), tasks.size(), series.id,
                                task.clients, result ? fmt::format("{:.1f} s", done[i].wall_s) : done[i].problem));
    }
  };
  std::vector<std::jthread> threads;
  const std::size_t count = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, tasks.size() + 1);
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
  threads.clear();  // joins
  Runs runs;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    runs[{tasks[i].series, tasks[i].clients}].push_back(std::move(done[i]));
  for (auto& [point, list] : runs) std::ranges::sort(list, {}, &RunData::seed);
  return runs;
}

}  // namespace seneschal::lab
