// `seneschal graph bench`: the report's random graph, built and marked.
#include "tools/seneschal/graph_bench.hpp"
#include "accountability/store.hpp"
#include "accountability/trace.hpp"
#include "base/crc32c.hpp"
#include "base/prng.hpp"
#include "base/version.hpp"
#include "lab/process.hpp"
#include "tools/seneschal/flags.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <sys/resource.h>
#include <tclap/CmdLine.h>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace seneschal::graph_tool {
namespace {

using namespace accountability;
namespace fs = std::filesystem;

class Watch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// Of processor time, the system's included: other programs on the machine add little to it.
  double cpu_seconds() const { return cpu_now() - cpu_start_; }

 private:
  static double cpu_now() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  }
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  double cpu_start_ = cpu_now();
};

std::string empty_folder(const std::string& asked) {
  if (!asked.empty()) {
    if (fs::exists(asked) && !fs::is_empty(asked)) throw std::runtime_error(asked + ": is not empty");
    fs::create_directories(asked);
    return asked;
  }
  std::string folder = (fs::temp_directory_path() / "seneschal-graph-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error(folder + ": cannot make a folder");
  return folder;
}

/// Half the updates asked about are anywhere, half among the last, where blast radii are small in every graph.
void ask(const RandomGraph& what, const Graph& graph, std::uint64_t queries, Figures& figures) {
  ReverseIndex index(graph);
  Watch building;
  index.build_all();
  figures.index_s = building.seconds();
  Prng random(what.seed + 1);
  for (std::uint64_t i = 0; i < queries; ++i) {
    if (lab::interrupted()) throw Interrupted{};
    const std::uint64_t reach = i % 2 == 0 ? what.updates : std::min(what.updates, what.clients * what.window);
    const UpdateId id(what.updates - random.below(reach));
    Watch blasting;
    const auto reached = blast(graph, index, id, kSmallBlast);
    const double blast_ms = 1e3 * blasting.seconds();
    if (reached.size() >= kSmallBlast) continue;
    ++figures.asked;
    figures.largest_blast = std::max<std::uint64_t>(figures.largest_blast, reached.size());
    figures.blast_worst_ms = std::max(figures.blast_worst_ms, blast_ms);
    const Colours colours = mark(graph, {{{graph.client(id), id}}, {}});
    const UpdateId last = reached.empty() ? id : reached.back();
    Watch asking;
    const auto chain = why(graph, colours, last);
    figures.why_worst_ms = std::max(figures.why_worst_ms, 1e3 * asking.seconds());
    if (chain.empty()) throw std::runtime_error("an update that a corrupt one reaches has no chain from it");
  }
}

struct Built {
  double s = 0, cpu_s = 0, durable_s = 0;
};

Built build_in(const RandomGraph& what, const std::string& folder) {
  Watch watch;
  auto writer = StoreWriter::open(folder, {}, {});
  if (!writer) throw std::runtime_error(writer.error().message);
  generate(what, [&](ClientId client, Seq seq, std::span<const UpdateId> names) {
    if (lab::interrupted()) throw Interrupted{};
    if (auto id = (*writer)->add(client, seq, names); !id)
      throw std::runtime_error(std::string(accountability::to_string(id.error())));
  });
  // The open block's updates and the wait for the disk (the report's graph was in memory) are told apart.
  const double s = watch.seconds(), cpu_s = watch.cpu_seconds();
  if (Status done = (*writer)->flush(); !done) throw std::runtime_error(done.error().message);
  return {s, cpu_s, watch.seconds()};
}

Figures measure_in(const RandomGraph& what, const std::string& folder, int rounds, std::uint64_t queries) {
  Figures figures;
  Built built = build_in(what, folder);
  // Again, where that takes no longer than a moment: the best counts, as below.
  constexpr std::uint64_t kMomentUpdates = 10'000'000;
  for (int round = 1; round < std::min(rounds, 3) && what.updates <= kMomentUpdates; ++round) {
    for (const auto& entry : fs::directory_iterator(folder)) fs::remove_all(entry.path());
    const Built again = build_in(what, folder);
    built = {std::min(built.s, again.s), std::min(built.cpu_s, again.cpu_s),
             std::min(built.durable_s, again.durable_s)};
  }
  figures.build_s = built.s;
  figures.build_cpu_s = built.cpu_s;
  figures.durable_s = built.durable_s;
  auto store = Store::open(folder);
  if (!store) throw std::runtime_error(store.error().message);
  for (const std::string& note : store->notes()) throw std::runtime_error(note);
  for (const Span segment : store->segments()) figures.bytes += segment.size();
  std::vector<Span> segments = store->segments();
  // A graph smaller than one block lies in the log only.
  if (segments.empty() && !store->graph().blocks().empty()) segments.push_back(store->graph().blocks()[0].bytes());
  if (figures.bytes == 0)
    for (const Span segment : segments) figures.bytes += segment.size();
  Findings findings;  // the first update of the client in the middle [TR V]
  const ClientId client(static_cast<std::uint32_t>(what.clients / 2 + 1));
  findings.marks.insert({client, store->graph().first_of(client, store->graph().base())});
  figures.mark_s = figures.scan_s = 1e9;
  volatile std::uint32_t sink = 0;
  for (int round = 0; round < rounds; ++round) {
    if (lab::interrupted()) throw Interrupted{};
    Watch scan;
    for (const Span segment : segments) sink = sink ^ crc32c(segment);
    figures.scan_s = std::min(figures.scan_s, scan.seconds());
    Watch pass;
    const Colours colours = mark(store->graph(), findings);
    figures.mark_s = std::min(figures.mark_s, pass.seconds());
    figures.corrupt = colours.corrupt();
    figures.suspect = colours.suspect();
  }
  if (queries > 0) ask(what, store->graph(), queries, figures);
  return figures;
}

}  // namespace

Figures measure(const RandomGraph& what, const std::string& folder, int rounds, std::uint64_t queries) {
  const std::string where = empty_folder(folder);
  try {
    const Figures figures = measure_in(what, where, rounds, queries);
    if (folder.empty()) fs::remove_all(where);
    return figures;
  } catch (...) {
    if (folder.empty()) fs::remove_all(where);
    throw;
  }
}

int bench(int argc, char** argv) {
  TCLAP::CmdLine line("Builds the report's random graph on disk, marks it, and reads the same files once.", ' ',
                      version());
  const tools::WholeFlag updates(line, "", "updates", "how many", 4'000'000, 1, kMostRandomUpdates);
  const tools::WholeFlag clients(line, "", "clients", "updates per time slice", 20, 1,
                                 accountability::kMaxClient - 2);
  const tools::WholeFlag deps(line, "", "deps", "updates that each names", 5, 0, accountability::kMaxLeaves);
  const tools::WholeFlag window(line, "", "window", "time slices back", 20, 1, 0xffffffff);
  const tools::WholeFlag seed(line, "", "seed", "of the random graph", 1, 0, tools::kAnyNumber);
  const tools::WholeFlag rounds(line, "", "rounds", "measurements of marking and reading; the best counts", 7, 1,
                                kMostRounds);
  TCLAP::ValueArg<std::string> folder("", "folder", "where to build it (removed after, unless given)", false, "",
                                      "DIR", line);
  const tools::WholeFlag queries(line, "", "queries", "updates to ask 'blast' and 'why' about", 0, 0,
                                 kMostRandomUpdates);
  TCLAP::SwitchArg as_json("", "json", "figures as one JSON object", line);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  const RandomGraph what{updates.value(), clients.value(), deps.value(), window.value(), seed.value()};
  const int times = static_cast<int>(rounds.value());
  const std::uint64_t asked = queries.value();
  if (auto bad = problem(what)) return usage_error(*bad);
  lab::catch_interrupts();
  const Figures f = measure(what, folder.getValue(), times, asked);
  const double n = static_cast<double>(what.updates);
  if (as_json.getValue()) {
    nlohmann::ordered_json json = {{"updates", what.updates},
                                   {"build_s", f.build_s},
                                   {"build_cpu_s", f.build_cpu_s},
                                   {"durable_s", f.durable_s},
                                   {"mark_s", f.mark_s},
                                   {"scan_s", f.scan_s},
                                   {"bytes_per_update", static_cast<double>(f.bytes) / n},
                                   {"corrupt", f.corrupt},
                                   {"suspect", f.suspect}};
    if (asked > 0) {
      json["asked"] = f.asked;
      json["largest_blast"] = f.largest_blast;
      json["index_s"] = f.index_s;
      json["blast_worst_ms"] = f.blast_worst_ms;
      json["why_worst_ms"] = f.why_worst_ms;
    }
    std::printf("%s\n", json.dump().c_str());
    return 0;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("%lu updates, %lu clients, %lu dependencies within %lu time slices\n", what.updates, what.clients,
              what.deps, what.window);
  std::printf("  build    %9.4f s   %7.1f ns per update (generated, checked, written; report: 20 s for 4 million)\n",
              f.build_s, 1e9 * f.build_s / n);
  std::printf("           %9.4f s   of processor time; durable on disk after %.4f s\n", f.build_cpu_s, f.durable_s);
  std::printf("  mark     %9.4f s   %7.2f ns per update (report: 3 s for 4 million)\n", f.mark_s, 1e9 * f.mark_s / n);
  std::printf(
      "  scan     %9.4f s   %7.2f ns per update (CRC32C of the same files, %.1f GB/s); mark is %.2f times that\n",
      f.scan_s, 1e9 * f.scan_s / n, static_cast<double>(f.bytes) / f.scan_s / 1e9, f.mark_s / f.scan_s);
  std::printf("  size     %9.2f bytes per update, %.1f MB (report: 225 MB for 4 million)\n",
              static_cast<double>(f.bytes) / n, static_cast<double>(f.bytes) / 1e6);
  std::printf("  corrupt  %lu, suspect %lu, most memory of the process %.0f MB (mapped files included)\n", f.corrupt,
              f.suspect, static_cast<double>(usage.ru_maxrss) / 1e3);
  if (asked > 0)
    std::printf(
        "  queries  reverse index in %.2f s; %lu blast radii below %zu (largest %lu): blast at most %.2f ms, why at "
        "most "
        "%.2f ms\n",
        f.index_s, f.asked, kSmallBlast, f.largest_blast, f.blast_worst_ms, f.why_worst_ms);
  return 0;
}

}  // namespace seneschal::graph_tool
