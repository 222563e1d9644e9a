#include "lab/plots.hpp"

#include "lab/files.hpp"
#include "lab/process.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <set>

namespace seneschal::lab {

namespace {

constexpr std::string_view kSteward = "#1b6ca8";
constexpr std::string_view kBft = "#c0452c";
constexpr std::string_view kReference = "#555555";

std::string gnuplot_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text)
    out += c == '\'' ? std::string("''") : std::string(1, static_cast<unsigned char>(c) < ' ' ? ' ' : c);
  return out + "'";
}

std::string label_of(const Series& series) {
  return fmt::format("{}, {}, f={}{}", series.protocol == Protocol::Steward ? "Steward" : "BFT",
                     to_string(series.runtime), series.faults,
                     series.setting == "today" ? "" : ", " + series.setting);
}

/// Line and point style: colour tells the protocol, the dash the runtime, the mark the size.
std::string style_of(const Series& series) {
  const int mark = (series.runtime == RuntimeKind::Live ? 7 : 6) + (series.faults > 1 ? 2 : 0) -
                   (series.runtime == RuntimeKind::Sim && series.faults > 1 ? 4 : 0);
  return fmt::format("lc rgb '{}' dt {} lw 2 pt {} ps 0.7", series.protocol == Protocol::Steward ? kSteward : kBft,
                     series.runtime == RuntimeKind::Live ? 1 : 2, mark);
}

struct Axis {
  Metric metric;
  std::string_view name;
  std::string_view title;
  std::string_view label;
  bool with_floor;
};
constexpr Axis kAxes[] = {
    {Metric::LatencyMean, "latency", "Mean latency", "ms", true},
    {Metric::Throughput, "throughput", "Throughput", "operations per second", false},
    {Metric::WanBytesPerOp, "wan-bytes", "Wide-area bytes per operation", "KB", false},
    {Metric::CpuMsPerOp, "cpu", "CPU time per operation, all servers together", "ms", false},
};

class Script {
 public:
  Script(const Results& results, const Axis& axis) : results_(results), axis_(axis) {}

  /// Nothing if no series has two points.
  std::string text(const std::string& output) {
    for (const Series& series : results_.experiment.series)
      if (series.plotted) add_series(series);
    if (curves_.empty()) return "";
    add_references();
    std::string text = fmt::format(
        "set terminal svg size 640,460 dynamic enhanced font 'Helvetica,15' background 'white'\nset output {}\n"
        "set xlabel 'clients'\nset ylabel '{}'\nset yrange [0:*]\nset grid ytics lc rgb '#dddddd' lw 1 lt 1\n"
        "set border 3 lc rgb '#888888'\nset tics nomirror\nset key below center Left reverse samplen 2.5 spacing "
        "1.1 font ',13' maxcols 3\n"
        "set xrange [0:{}]\n",
        gnuplot_quoted(output), axis_.label, largest_ + std::max(1u, largest_ / 20));
    text += blocks_ + "plot ";
    for (std::size_t i = 0; i < curves_.size(); ++i) text += (i == 0 ? "" : ", \\\n  ") + curves_[i];
    return text + "\n";
  }

 private:
  double scaled(double value) const { return axis_.metric == Metric::WanBytesPerOp ? value / 1000 : value; }

  std::string block(const std::string& lines) {
    const std::string name = fmt::format("$d{}", ++count_);
    blocks_ += name + " << EOD\n" + lines + "EOD\n";
    return name;
  }

  void add_series(const Series& series) {
    std::string lines, floors;
    std::size_t points = 0;
    for (const Point& point : results_.points) {
      if (point.series != &series) continue;
      const auto value = value_of(point, axis_.metric);
      if (!value) continue;
      ++points;
      largest_ = std::max(largest_, point.clients);
      lines += fmt::format("{} {}\n", point.clients, scaled(*value));
      floors += fmt::format("{} {}\n", point.clients, point.latency_floor_ms);
    }
    if (points < 2) return;
    curves_.push_back(fmt::format("{} using 1:2 with linespoints {} title {}", block(lines), style_of(series),
                                  gnuplot_quoted(label_of(series))));
    if (axis_.with_floor && floors_drawn_.insert(floors).second)
      curves_.push_back(
          fmt::format("{} using 1:2 with lines lc rgb '{}' dt 3 lw 1 title {}", block(floors),
                      series.protocol == Protocol::Steward ? kSteward : kBft,
                      gnuplot_quoted(series.protocol == Protocol::Steward ? "floor, Steward" : "floor, BFT")));
  }

  void add_references() {
    int mark = 3;
    for (const Reference& reference : results_.experiment.references) {
      if (reference.metric != axis_.metric) continue;
      largest_ = std::max(largest_, reference.clients);
      const std::string data = block(fmt::format("{} {}\n", reference.clients, scaled(reference.value)));
      curves_.push_back(fmt::format("{} using 1:2 with points lc rgb '{}' pt {} ps 1.2 lw 2 title {}", data,
                                    kReference, mark++, gnuplot_quoted(reference.label)));
    }
  }

  const Results& results_;
  const Axis& axis_;
  std::string blocks_;
  std::vector<std::string> curves_;
  std::set<std::string> floors_drawn_;
  std::uint32_t largest_ = 0;
  int count_ = 0;
};

}  // namespace

namespace {

/// Throughput over time of the points with mishaps, one plot for each setting: live and simulated beside each other.
std::string timeline_script(const Results& results, const std::string& setting, const std::string& output) {
  std::string blocks, marks, curves;
  int count = 0;
  for (const Point& point : results.points) {
    if (point.timeline.empty() || point.series->setting != setting) continue;
    std::string lines;
    for (std::size_t i = 0; i < point.timeline.size(); ++i)
      lines += fmt::format("{} {}\n", (static_cast<double>(i) + 0.5) * to_seconds(kTimelineStep), point.timeline[i]);
    blocks += fmt::format("$d{} << EOD\n{}EOD\n", ++count, lines);
    curves +=
        fmt::format("{}$d{} using 1:2 with lines lw 2 dt {} lc rgb '{}' title {}", curves.empty() ? "" : ", ", count,
                    point.series->runtime == RuntimeKind::Live ? 1 : 2,
                    point.series->runtime == RuntimeKind::Live ? kSteward : kReference,
                    gnuplot_quoted(fmt::format("{}, f={}", to_string(point.series->runtime), point.series->faults)));
    for (const Recovery& r : point.recoveries)
      marks += fmt::format("set arrow from {0}, graph 0 to {0}, graph 1 nohead dt 3 lc rgb '{1}'\n", r.at_s, kBft);
  }
  if (curves.empty()) return "";
  return fmt::format(
             "set terminal svg size 640,360 dynamic enhanced font 'Helvetica,15' background 'white'\nset output {}\n"
             "set xlabel 'seconds'\nset ylabel 'operations per second'\nset yrange [0:*]\nset grid ytics lc rgb "
             "'#dddddd' lw 1 lt 1\nset border 3 lc rgb '#888888'\nset tics nomirror\nset key below center Left "
             "reverse\n",
             gnuplot_quoted(output)) +
         marks + blocks + "plot " + curves + "\n";
}

}  // namespace

std::vector<Plot> plots_of(const Results& results, const std::string& dir) {
  std::vector<Plot> plots;
  std::set<std::string> settings;
  for (const Series& series : results.experiment.series)
    if (!series.mishaps.empty() && settings.insert(series.setting).second) {
      const std::string name = fmt::format("timeline-{}", settings.size());
      std::string script = timeline_script(results, series.setting, dir + "/" + name + ".svg");
      if (!script.empty()) plots.push_back({name, "Throughput over time: " + series.setting, std::move(script)});
    }
  for (const Axis& axis : kAxes) {
    const std::string name(axis.name);
    std::string script = Script(results, axis).text(dir + "/" + name + ".svg");
    if (!script.empty()) plots.push_back({name, std::string(axis.title), std::move(script)});
  }
  return plots;
}

Status draw(const std::vector<Plot>& plots, const std::string& dir) {
  if (Status made = make_dir(dir); !made) return made;
  Status status;
  for (const Plot& plot : plots) {
    const std::string script = dir + "/" + plot.name + ".gnuplot";
    const std::string log = dir + "/" + plot.name + ".log";
    if (Status good = write_file(script, plot.script); !good) return good;
    if (interrupted()) {
      status = failure("interrupted before all plots were drawn; 'gnuplot FILE' draws each " + dir + "/*.gnuplot");
      continue;
    }
    const auto child = spawn({"gnuplot", script}, {.output = log});
    if (!child) return failure(child.error().message + " (apt-get install gnuplot-nox)");
    std::optional<int> exit;
    for (Duration waited{}; !exit && waited < 30s && !interrupted(); waited += 20ms) exit = wait_for(*child, 20ms);
    if (!exit) end_all({*child}, 0s);
    if (exit == 0) {
      ::unlink(log.c_str());
    } else if (status) {
      status = failure("gnuplot failed on " + script + "; see " + log);
    }
  }
  return status;
}

}  // namespace seneschal::lab
