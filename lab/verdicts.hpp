// Each figure an experiment must show, judged: passed, missed (by how much), not judged (why), or only shown.
#pragma once
#include "lab/metrics.hpp"

namespace seneschal::lab {

enum class Outcome : std::uint8_t { Passed, Missed, NotJudged, Shown };
std::string_view to_string(Outcome outcome);

/// Remark of a figure whose points were left out (`--runtime`).
inline constexpr std::string_view kNotRun = "not run";

struct Verdict {
  std::string title;
  std::string where;     // series and number of clients
  std::string measured;  // with unit
  std::string asked;
  Outcome outcome = Outcome::NotJudged;
  std::string remark;  // by how much, why not judged, others' numbers with the ratio
  std::uint32_t clients = 0;
};

/// All points of one run of an experiment. Points refer to the experiment's series: it can be moved, not copied.
struct Results {
  Results() = default;
  Results(Results&&) = default;
  Results& operator=(Results&&) = default;
  Experiment experiment;
  std::vector<Point> points;  // `series` points into `experiment.series`
  std::string build;          // version, compiler
  std::string host;           // processor, cores, kernel
  std::string started;        // wall-clock time, for people

  const Point* find(std::string_view series, std::uint32_t clients) const;
};

/// Figures of series that were not run (`--runtime live` leaves the sim out) are not judged.
std::vector<Verdict> judge(const Results& results);

/// "190", "0.52", "12,345": three significant digits, thousands separated.
std::string number(double value);
std::string number(std::optional<double> value);

}  // namespace seneschal::lab
