#include "lab/live_runner.hpp"

#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/keys.hpp"
#include "lab/live_mishaps.hpp"
#include "lab/load_file.hpp"
#include "lab/node_report.hpp"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace seneschal::lab {

namespace {

Instant steady_now() {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

/// The load goes on until it is told to stop; this bounds a load that nobody stops, and how much longer than asked
/// the questions between the parts of a run may take.
constexpr Duration kLoadSlack = 60s;
constexpr Duration kLoadEnds = 10s;
constexpr int kInterruptedLoad = 130;  // its exit status then: it has written what it measured

/// Everything that is counted, at one moment.
struct Snapshot {
  Instant at;
  MachineCpu machine;
  double daemons_ms = 0;
  double ours_ms = 0;  // daemons, load and this process
  std::vector<NodeReport> nodes;
};

class SeriesRun {
 public:
  SeriesRun(const Series& series, std::string dir, std::string keys, Progress& progress)
      : series_(series), dir_(std::move(dir)), keys_(std::move(keys)), progress_(progress) {}
  ~SeriesRun() { stop(); }
  SeriesRun(const SeriesRun&) = delete;
  SeriesRun& operator=(const SeriesRun&) = delete;

  Status start() {
    deployment_ = deployment_of(series_, *std::ranges::max_element(series_.clients));
    ClusterOptions options;
    options.keys = keys_;
    options.fresh = true;
    options.traitors = traitors_of(series_.treasons, series_.sites());
    options.traitors_wait = turns(series_.mishaps);
    auto cluster = start_cluster(deployment_, dir_, options);
    if (!cluster) return std::unexpected(cluster.error());
    cluster_ = std::move(*cluster);
    mishaps_ = std::make_unique<LiveMishaps>(deployment_, cluster_);
    return wait_ready(cluster_, deployment_, 30s);
  }

  RunData measure(std::uint32_t clients, std::uint64_t seed) {
    RunData run;
    run.seed = seed;
    const auto begin = std::chrono::steady_clock::now();
    if (Status good = measure(clients, seed, run); !good) run.problem = good.error().message;
    run.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return run;
  }

  void stop() {
    if (!cluster_.nodes.empty()) stop_cluster(cluster_);
    mishaps_.reset();
    cluster_ = {};
  }

 private:
  Status measure(std::uint32_t clients, std::uint64_t seed, RunData& run) {
    const std::string file = fmt::format("{}/load-{}-{}.jsonl", dir_, clients, seed);
    const std::string log = fmt::format("{}/load-{}-{}.log", dir_, clients, seed);
    ::unlink(file.c_str());
    ::unlink(log.c_str());
    const Duration most = series_.warmup + series_.measure + series_.cooldown + kLoadSlack;
    const auto load = spawn(
        {own_program(), "client", "load", "--deployment", dir_, "--clients", std::to_string(clients), "--seconds",
         fmt::format("{}", to_seconds(most)), "--payload", std::to_string(series_.payload_bytes), "--update-percent",
         std::to_string(series_.update_percent), "--seed", std::to_string(seed), "--out", file},
        {.output = log});
    if (!load) return std::unexpected(load.error());
    load_ = *load;
    const Status done = watch(file, log, clients, run);
    end_all({load_}, 1s);
    return done;
  }

  Status watch(const std::string& file, const std::string& log, std::uint32_t clients, RunData& run) {
    if (Status begun = wait_for_load(file, log, clients); !begun) return begun;
    if (!sleep(series_.warmup, "warm-up")) return stopped(log);
    for (const ClusterNode& node : cluster_.nodes)
      if (Status good = reset_measurements(node); !good) return good;
    auto before = snapshot();
    if (!before) return std::unexpected(before.error());
    if (Status measured = measure_through_mishaps(*before, log, run); !measured) return measured;
    auto after = snapshot();
    if (!after) return std::unexpected(after.error());
    if (!sleep(series_.cooldown, "cool-down")) return stopped(log);
    if (Status ended = end_load(log); !ended) return ended;
    auto samples = read_load_file(file);
    if (!samples) return std::unexpected(samples.error());
    for (const LoadSample& s : *samples)
      run.samples.push_back({deployment_.site_of_client(s.client), s.accepted, s.latency, s.update});
    evaluate_window(*before, *after, run);
    set_bounds(*before, *after, run);
    check_agreement(run);
    return {};
  }

  /// Sleeps through the window, doing what is to happen when its time has come.
  Status measure_through_mishaps(const Snapshot& before, const std::string& log, RunData& run) {
    run.mishaps = marks_of(series_.mishaps, series_.sites(), before.at, timers_in(before));
    const Instant end = before.at + series_.measure;
    last_ = before;
    for (std::size_t i = 0; i < series_.mishaps.size(); ++i) {
      const Mishap& mishap = series_.mishaps[i];
      if (!sleep(before.at + mishap.at - steady_now(), "measuring")) return stopped(log);
      run.mishaps[i].at = steady_now();
      if (Status done = mishaps_->carry_out(mishap); !done) return done;
      progress_.line(fmt::format("live  {}  {}", series_.id, mishap.label()));
    }
    if (!sleep(series_.mishaps.empty() ? series_.measure : end - steady_now(), "measuring")) return stopped(log);
    return {};
  }

  /// Bounds in the timers as they have come to be measured: before the first view change servers know only the
  /// floors.
  void set_bounds(const Snapshot& before, const Snapshot& after, RunData& run) const {
    ProtocolTimers timers = timers_in(before);
    for (const NodeReport& node : after.nodes)
      for (const PluginReport& plugin : node.plugins) take_timers(plugin.status, timers);
    timers.round_trip = longest_round_trip(series_.topology);
    const auto marks = marks_of(series_.mishaps, series_.sites(), before.at, timers);
    for (std::size_t i = 0; i < marks.size(); ++i) run.mishaps[i].bound = marks[i].bound;
  }

  static ProtocolTimers timers_in(const Snapshot& snapshot) {
    ProtocolTimers timers;
    for (const NodeReport& node : snapshot.nodes)
      for (const PluginReport& plugin : node.plugins) take_timers(plugin.status, timers);
    return timers;
  }

  /// The load writes its first line when all its clients are attached.
  Status wait_for_load(const std::string& file, const std::string& log, std::uint32_t clients) {
    const Duration patience = 15s + clients * 5ms;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (::access(file.c_str(), R_OK) != 0) {
      if (!alive(load_)) return failure("the load ended at once " + how(load_) + ": " + log_tail(log));
      if (std::chrono::steady_clock::now() > deadline)
        return failure(fmt::format("the {} clients did not attach within {:.0f} s: {}", clients, to_seconds(patience),
                                   log_tail(log)));
      if (!sleep_unless_interrupted(2ms)) return failure("interrupted");
    }
    return {};
  }

  /// Not by a clock of its own: asking busy daemons takes time that must not come off the measured window.
  Status end_load(const std::string& log) {
    send_signal(load_, SIGTERM);
    const auto status = wait_for(load_, kLoadEnds);
    if (!status) return failure(fmt::format("the load did not end within {} s", to_seconds(kLoadEnds)));
    if (*status != 0 && *status != kInterruptedLoad)
      return failure("the load ended " + ending_text(status) + ": " + log_tail(log));
    return {};
  }

  static std::string how(const ProcessId& process) { return ending_text(wait_for(process, 0s)); }

  /// False if something ended meanwhile, or the user wants to stop.
  bool sleep(Duration time, std::string_view what) {
    const Instant end = steady_now() + time;
    while (steady_now() < end) {
      progress_.update(fmt::format("live  {}  {}: {:.0f} s left", series_.id, what, to_seconds(end - steady_now())));
      if (!sleep_unless_interrupted(std::min<Duration>(end - steady_now(), 500ms)) || !alive(load_)) return false;
      for (const ClusterNode& node : cluster_.nodes)
        if (!gone(node) && !alive(node.process)) return false;
    }
    return true;
  }

  Status stopped(const std::string& log) const {
    if (interrupted()) return failure("interrupted");
    for (const ClusterNode& node : cluster_.nodes)
      if (!gone(node) && !alive(node.process))
        return failure(fmt::format("daemon {} ended in the middle of the run, {}: {}", node.id.value,
                                   how(node.process), log_tail(node.log)));
    return failure("the load ended in the middle of the run, " + how(load_) + ": " + log_tail(log));
  }

  Result<Snapshot> snapshot() const {
    Snapshot s;
    s.at = steady_now();
    s.machine = machine_cpu();
    for (const ClusterNode& node : cluster_.nodes) {
      const auto ms = gone(node) ? 0.0 : cpu_ms(node.process);
      if (!ms)
        return failure(fmt::format("daemon {} ended {}: {}", node.id.value, how(node.process), log_tail(node.log)));
      s.daemons_ms += *ms;
    }
    s.ours_ms = s.daemons_ms + cpu_ms(load_).value_or(0) + own_cpu_ms();
    for (std::size_t n = 0; n < cluster_.nodes.size(); ++n) {
      const ClusterNode& node = cluster_.nodes[n];
      if (gone(node)) {  // nothing is known of it but what it said last
        s.nodes.push_back(last_.nodes[n]);
        continue;
      }
      auto report = ask_node(node);
      if (!report) return std::unexpected(report.error());
      s.nodes.push_back(std::move(*report));
    }
    return s;
  }

  bool gone(const ClusterNode& node) const { return mishaps_ && mishaps_->gone(node.id); }

  static double own_cpu_ms() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
  }

  void evaluate_window(const Snapshot& before, const Snapshot& after, RunData& run) const {
    run.window_begin = before.at;
    run.window_end = after.at;
    run.cpu_ms = after.daemons_ms - before.daemons_ms;
    if (series_.options.accountability) {
      run.graph_cpu_ms = static_cast<double>(sum_of(after, "graph_cpu_us") - sum_of(before, "graph_cpu_us")) / 1e3;
      run.graph_thread_ms =
          static_cast<double>(sum_of(after, "graph_thread_us") - sum_of(before, "graph_thread_us")) / 1e3;
    }
    Fidelity fidelity;
    const double total = static_cast<double>(after.machine.total - before.machine.total);
    if (total > 0) {
      const double busy = static_cast<double>(after.machine.busy - before.machine.busy);
      const double tick_ms = 1000.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
      run.cpu_busy_percent = 100 * busy / total;
      fidelity.steal_percent = 100 * static_cast<double>(after.machine.steal - before.machine.steal) / total;
      fidelity.foreign_percent = std::max(0.0, 100 * (busy - (after.ours_ms - before.ours_ms) / tick_ms) / total);
    }
    for (std::size_t n = 0; n < after.nodes.size(); ++n) links_of(before.nodes[n], after.nodes[n], run, fidelity);
    judge(fidelity, &series_.topology);
    run.fidelity = std::move(fidelity);
    run.view_changes_local = views_entered(after) - views_entered(before);
    run.view_changes_global = 0;
  }

  void links_of(const NodeReport& before, const NodeReport& after, RunData& run, Fidelity& fidelity) const {
    for (std::size_t i = 0; i < after.links.size() && i < before.links.size(); ++i) {
      const LinkReport &a = before.links[i], &b = after.links[i];
      const std::size_t from = after.node.value - 1u, to = b.peer.value - 1u;
      const auto* link = series_.topology.link(from, to);
      run.links.push_back({from, to, b.packets - a.packets, b.wire_bytes - a.wire_bytes,
                           b.queue_drops - a.queue_drops, b.losses - a.losses,
                           series_.shaped && link != nullptr ? link->bandwidth_bps : 0});
      LinkFidelity f;
      f.from = from;
      f.to = to;
      if (series_.shaped) {  // without shaping nothing is asked for that could be missed
        f.delay_ms = b.delay_ms;
        f.error_p50_ms = b.error_p50_ms;
        f.error_p99_ms = b.error_p99_ms;
        f.bandwidth_error_percent = b.bandwidth_error_percent;
      }
      if (i == 0) f.receive_drops = after.receive_drops - before.receive_drops;  // of the node, told once
      fidelity.links.push_back(f);
    }
  }

  static std::uint64_t views_entered(const Snapshot& snapshot) { return sum_of(snapshot, "views_entered"); }

  /// Over all replicas' status lines of that name.
  static std::uint64_t sum_of(const Snapshot& snapshot, const char* name) {
    std::uint64_t sum = 0;
    for (const NodeReport& node : snapshot.nodes)
      for (const PluginReport& plugin : node.plugins)
        if (const auto it = plugin.status.find(name); it != plugin.status.end())
          sum += parse_number(it->second).value_or(0);
    return sum;
  }

  /// Servers that have executed equally far must have equal states.
  void check_agreement(RunData& run) const {
    std::map<std::string, std::set<std::string>> states;
    for (const ClusterNode& node : cluster_.nodes) {
      const auto report = ask_node(node);
      if (!report) continue;
      for (const PluginReport& plugin : report->plugins) {
        const auto executed = plugin.status.find("executed"), digest = plugin.status.find("state_digest");
        if (executed != plugin.status.end() && digest != plugin.status.end())
          states[executed->second].insert(digest->second);
      }
    }
    for (const auto& [executed, digests] : states)
      if (digests.size() > 1)
        run.safety = fmt::format("agreement: {} different states after seq {}", digests.size(), executed);
  }

  const Series& series_;
  std::string dir_;
  std::string keys_;
  Progress& progress_;
  Deployment deployment_;
  Cluster cluster_;  // without nodes: nothing runs
  std::unique_ptr<LiveMishaps> mishaps_;
  Snapshot last_;  // before the mishaps
  ProcessId load_;
};

}  // namespace

Result<Runs> run_live(const Experiment& experiment, const std::string& dir, Progress& progress) {
  Runs runs;
  std::size_t points = 0, done = 0;
  for (const Series& s : experiment.series) {
    if (s.runtime != RuntimeKind::Live) continue;
    points += s.clients.size() * s.seeds.size();
    ClusterOptions options;
    options.traitors = traitors_of(s.treasons, s.sites());
    if (Status there = check_plugins(s.protocol, options); !there) return std::unexpected(there.error());
  }
  for (std::size_t i = 0; i < experiment.series.size(); ++i) {
    const Series& series = experiment.series[i];
    if (series.runtime != RuntimeKind::Live) continue;
    const Deployment deployment = deployment_of(series, *std::ranges::max_element(series.clients));
    const auto keys =
        ensure_keys(deployment, dir + "/keys", [&](const std::string& made, std::size_t n, std::size_t total) {
          progress.update(fmt::format("live  {}  keys {}/{}  {}", series.id, n, total, made));
        });
    progress.update(fmt::format("live  {}  starting {} daemons", series.id, series.sites()));
    const auto deploy = [&]() -> std::pair<Status, std::unique_ptr<SeriesRun>> {
      if (!keys) return {std::unexpected(keys.error()), nullptr};
      auto fresh = std::make_unique<SeriesRun>(series, absolute(dir + "/live/" + series.id), *keys, progress);
      return std::pair(fresh->start(), std::move(fresh));
    };
    auto [started, run] = deploy();
    bool worn = false;
    for (std::uint32_t clients : series.clients)
      for (std::uint64_t seed : series.seeds) {
        RunData data;
        data.seed = seed;
        // An INVALID point is measured once more: one late moment of the machine must not cost the run.
        for (int attempt = 0; attempt < 2; ++attempt) {
          if (worn && !series.mishaps.empty()) {  // what the last run did to it must not be seen in this one
            run.reset();
            std::tie(started, run) = deploy();
          }
          worn = true;
          if (interrupted())
            data.problem = "interrupted";
          else if (!started)
            data.problem = started.error().message;
          else
            data = run->measure(clients, seed);
          if (attempt > 0 || !data.problem.empty() || !data.fidelity || data.fidelity->valid()) break;
          progress.line(fmt::format("live {:>2}/{}  {}, {} clients: INVALID ({}), once more", done + 1, points,
                                    series.id, clients, data.fidelity->breaches.front()));
        }
        progress.line(fmt::format("live {:>2}/{}  {}, {} clients: {}", ++done, points, series.id, clients,
                                  data.problem.empty() ? fmt::format("{:.1f} s", data.wall_s) : data.problem));
        runs[{i, clients}].push_back(std::move(data));
      }
  }
  return runs;
}

}  // namespace seneschal::lab
