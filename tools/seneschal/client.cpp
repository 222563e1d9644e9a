// `seneschal client`: uses a running deployment by hand, or puts load on it.
#include "accountability/ingest.hpp"
#include "base/version.hpp"
#include "emulator/names.hpp"
#include "lab/load.hpp"
#include "lab/report.hpp"
#include "replication/kv.hpp"
#include "replication/sql/sql.hpp"
#include "tools/seneschal/client_commands.hpp"
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/flags.hpp"

#include <fmt/format.h>
#include <tclap/CmdLine.h>

#include <algorithm>
#include <limits>

using namespace seneschal;
using namespace seneschal::lab;
namespace kv = seneschal::replication::kv;
namespace sql = seneschal::replication::sql;

namespace {

constexpr std::string_view kKvOperations =
    "put KEY VALUE | get KEY (ordered) | query KEY (local read) | delete KEY | cas KEY EXPECTED VALUE (\"\" for "
    "EXPECTED: the key must not exist) | scan [FIRST [LAST]]";
constexpr std::string_view kSqlOperations = "sql STATEMENT (ordered) | sql-query STATEMENT (local read)";
std::string_view operations_of(std::string_view application) {
  return application == "sql" ? kSqlOperations : kKvOperations;
}

int complain(const std::string& message, int code) {
  fmt::print(stderr, "seneschal client: {}\n", message);
  return code;
}
int usage(const std::string& message) {
  return complain(message + "\nTry 'seneschal client --help'.", kUsage);
}

struct Operation {
  Bytes bytes;
  bool query = false;
  std::string application = "kv";
};

/// From the words of the command line.
Result<Operation> parse_operation(const std::vector<std::string>& words) {
  const std::string& name = words[0];
  const std::size_t count = words.size() - 1;
  constexpr std::string_view kNames[] = {"put", "get", "query", "delete", "cas", "scan", "sql", "sql-query"};
  if (std::ranges::find(kNames, name) == std::end(kNames))
    return failure(fmt::format("there is no operation '{}'", emulator::visible(name)));
  const auto wrong = [&](std::string_view shape) {
    return failure(fmt::format("'{}' with {} argument{}; expected {}", name, count, count == 1 ? "" : "s", shape));
  };
  if (name == "sql" || name == "sql-query") {
    if (count != 1) return wrong(name + " STATEMENT (one argument: quote it)");
    if (words[1].size() > sql::kMaxStatement)
      return failure(
          fmt::format("the statement has {} bytes; expected at most {}", words[1].size(), sql::kMaxStatement));
    return Operation{to_bytes(words[1]), name == "sql-query", "sql"};
  }
  for (std::size_t i = 1; i < words.size(); ++i)
    if (words[i].size() > (i == 1 || name == "scan" ? kv::kMaxKey : kv::kMaxValue))
      return failure(fmt::format("argument {} of '{}' has {} bytes; expected at most {} for a key, {} for a value", i,
                                 name, words[i].size(), kv::kMaxKey, kv::kMaxValue));
  if (name == "put") {
    if (count != 2) return wrong("put KEY VALUE");
    return Operation{kv::put(words[1], as_span(words[2])), false};
  }
  if (name == "get" || name == "query") {
    if (count != 1) return wrong(name + " KEY");
    return Operation{kv::get(words[1]), name == "query"};
  }
  if (name == "delete") {
    if (count != 1) return wrong("delete KEY");
    return Operation{kv::remove(words[1]), false};
  }
  if (name == "cas") {
    if (count != 3) return wrong("cas KEY EXPECTED VALUE");
    const auto expected = words[2].empty() ? std::nullopt : std::optional(to_bytes(words[2]));
    return Operation{kv::compare_and_set(words[1], expected, to_bytes(words[3])), false};
  }
  if (count > 2) return wrong("scan [FIRST [LAST]]");
  const auto last = count == 2 ? std::optional<std::string_view>(words[2]) : std::nullopt;
  return Operation{kv::scan(count >= 1 ? words[1] : "", last), true};
}

int print_sql(const replication::Completion& done) {
  const auto outcome = sql::parse_result(done.result);
  if (!outcome) return complain("the servers agree on a result that is not one of the sql application", kFailed);
  const bool refused = std::holds_alternative<sql::Refused>(*outcome);
  fmt::print(refused ? stderr : stdout, "{}\n", sql::print_result(done.result));
  return refused ? kFailed : kGood;
}

int print(const replication::Completion& done) {
  const auto outcome = kv::parse_result(done.result);
  if (!outcome) return complain("the servers agree on a result that is not one of the kv application", kFailed);
  if (const auto* found = std::get_if<kv::Found>(&*outcome)) {
    if (!found->value) return complain("no such key", kFailed);
    fmt::print("{}\n", as_text(found->value->value));
    return kGood;
  }
  if (const auto* entries = std::get_if<kv::Entries>(&*outcome)) {
    for (const kv::Entry& entry : entries->entries)
      fmt::print("{}\t{}\n", as_text(entry.key.value), as_text(entry.value.value));
    if (entries->more) fmt::print(stderr, "more follows: scan again after the last key\n");
    return kGood;
  }
  fmt::print("{}\n", kv::print_result(done.result));
  if (std::holds_alternative<kv::Refused>(*outcome)) return kFailed;
  if (const auto* swapped = std::get_if<kv::Swapped>(&*outcome)) return swapped->done ? kGood : kFailed;
  return kGood;
}

int operate(int argc, char** argv) {
  std::string dir, keys;
  std::optional<accountability::Formula> formula;
  std::vector<std::string> words;
  std::uint32_t id = 0;
  double seconds = 0;
  bool verbose = false;
  try {
    TCLAP::CmdLine line(
        "Uses a running deployment: one operation of its application. Operations of kv: " +
            std::string(kKvOperations) + ". Of sql: " + std::string(kSqlOperations) +
            ". 'seneschal client load', 'enroll', 'revoke' and 'members' with --help tell about load and about other "
            "clients.",
        ' ', version());
    line.setExceptionHandling(false);
    TCLAP::ValueArg<std::string> where("d", "deployment", "folder given to 'lab up'", false, "seneschal-up", "DIR",
                                       line);
    const tools::WholeFlag who(line, "i", "id", "which client to be", 1, 1, kLastClientId.value);
    TCLAP::ValueArg<std::string> ring("k", "keys", "folder of the keys (default: the deployment's)", false, "", "DIR",
                                      line);
    const tools::SecondsFlag patience(line, "t", "timeout", "give up after so many seconds", 15);
    TCLAP::ValueArg<std::string> depends(
        "", "depends",
        "updates that this one depends on, such as \"(7 or 8) and 5\"; also tells which update it becomes", false, "",
        "FORMULA", line);
    TCLAP::SwitchArg more("v", "verbose", "also tell position and latency", line);
    TCLAP::UnlabeledMultiArg<std::string> rest("OPERATION", "the operation and its arguments", true, "OPERATION",
                                               line);
    line.parse(argc, argv);
    dir = where.getValue();
    keys = ring.getValue();
    words = rest.getValue();
    id = static_cast<std::uint32_t>(who.value());
    seconds = patience.value();
    verbose = more.getValue();
    if (depends.isSet()) {
      auto read = accountability::Formula::parse(depends.getValue());
      if (!read) return usage("--depends: " + std::string(accountability::to_string(read.error())));
      formula = std::move(*read);
    }
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    return usage(tools::what_is_wrong(error));
  }
  auto operation = parse_operation(words);
  auto place = open_place(dir, keys);
  // Which operations there are depends on the deployment; without one, both applications are told.
  if (!operation) {
    const std::string known = place ? std::string(operations_of(place->deployment.options.application))
                                    : fmt::format("{} (kv); {} (sql)", kKvOperations, kSqlOperations);
    return usage(operation.error().message + "; the operations are: " + known);
  }
  if (formula && operation->query) return usage("--depends is for ordered operations");
  if (formula) operation->bytes = accountability::declare(*formula, {}, operation->bytes);
  if (!place) return complain(place.error().message, kFailed);
  const std::string& application = place->deployment.options.application;
  if (operation->application != application)
    return usage(
        fmt::format("the application of this deployment is {}, which has no operation '{}'; the operations are: {}",
                    application, words[0], operations_of(application)));
  if (id != 0 && id == place->deployment.administrator)
    return usage(
        fmt::format("client {} is the administrator of this deployment: it enrolls and revokes clients, and has "
                    "no operations of the application; be another one with --id",
                    id));
  if (operation->bytes.size() > replication::kMaxOperation)
    return usage(fmt::format("the operation has {} bytes; expected at most {}", operation->bytes.size(),
                             replication::kMaxOperation));
  auto done = use_once(*place, ClientId(id), operation->bytes, operation->query, seconds);
  if (!done) return complain(done.error().message, kFailed);
  if (verbose)
    fmt::print(stderr, "seq {}, {:.1f} ms, {} retries{}\n", done->seq.value, to_ms(done->finished - done->started),
               done->retries, done->fell_back ? ", ordered because local answers differed" : "");
  if (formula) {  // the operation said what it depends on: its result says which update it became
    auto numbered = decode<replication::Numbered>(done->result);
    if (!numbered)
      return complain("the servers agree on a result that does not tell which update this became", kFailed);
    fmt::print(stderr, "update {}\n", numbered->update);
    if (const auto why = accountability::judged(numbered->refused))
      fmt::print(
          stderr,
          "warning: the operation was executed, but its dependencies were not taken: {}; it counts as depending "
          "on this client's update before, and on what it read if the deployment follows reads\n",
          accountability::to_string(*why));
    done->result = std::move(numbered->result.value);
  }
  return application == "sql" ? print_sql(*done) : print(*done);
}

int load(int argc, char** argv) {
  std::string dir;
  LoadSpec spec;
  try {
    TCLAP::CmdLine line("Puts load on a running deployment and writes each accepted operation as a JSON line.", ' ',
                        version());
    line.setExceptionHandling(false);
    TCLAP::ValueArg<std::string> where("d", "deployment", "folder given to 'lab up'", false, "seneschal-up", "DIR",
                                       line);
    const tools::WholeFlag clients(line, "c", "clients", "clients 1 to N send", 1, 1, kLastClientId.value);
    constexpr double kLongest = 4000 * tools::SecondsFlag::kDay;  // any experiment fits
    const tools::SecondsFlag seconds(line, "s", "seconds", "how long", 10, kLongest);
    const tools::WholeFlag payload(line, "", "payload", "bytes of the value of each update", 200, 0, kv::kMaxValue,
                                   "BYTES");
    const tools::WholeFlag updates(line, "", "update-percent", "the others are queries", 100, 0, 100, "PERCENT");
    const tools::WholeFlag seed(line, "", "seed", "of the clients' choices", 1, 0,
                                std::numeric_limits<std::uint64_t>::max());
    TCLAP::ValueArg<std::string> out("o", "out", "file for the measurements", false, "load.jsonl", "FILE", line);
    line.parse(argc, argv);
    dir = where.getValue();
    spec.clients = static_cast<std::uint32_t>(clients.value());
    spec.length = Duration(static_cast<std::int64_t>(seconds.value() * 1e9));
    spec.payload_bytes = static_cast<std::uint32_t>(payload.value());
    spec.update_percent = static_cast<std::uint32_t>(updates.value());
    spec.seed = seed.value();
    spec.out = out.getValue();
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    return usage(tools::what_is_wrong(error));
  }
  catch_interrupts();
  const auto place = open_place(dir, "");
  if (!place) return complain(place.error().message, kFailed);
  if (const auto administrator = place->deployment.administrator; administrator != 0 && administrator <= spec.clients)
    return usage(fmt::format("--clients {}: client {} is the administrator of this deployment and puts on no load",
                             spec.clients, administrator));
  const auto ran = run_load(place->deployment, place->cluster, spec);
  if (!ran) return complain(ran.error().message, kFailed);
  const auto samples = read_load_file(spec.out);
  if (!samples) return complain(samples.error().message, kFailed);
  double ms = 0;
  for (const LoadSample& sample : *samples) ms += static_cast<double>(sample.latency.count()) / 1e6;
  const auto count = static_cast<double>(samples->size());
  const double seconds = std::max(static_cast<double>(ran->count()) / 1e9, 1e-3);
  fmt::print("{}{} operations accepted, {:.0f}/s, {:.1f} ms on average; each of them in {}\n",
             *ran < spec.length ? fmt::format("interrupted after {:.1f} s: ", seconds) : "", samples->size(),
             count / seconds, samples->empty() ? 0 : ms / count, spec.out);
  return *ran < spec.length ? kInterrupted : kGood;
}

}  // namespace

namespace {
/// Flags of the subcommands that take a value in the next word.
constexpr std::string_view kValueFlags[] = {"-d",        "--deployment", "-k",        "--keys",    "-t",
                                            "--timeout", "-i",           "--id",      "--depends", "-c",
                                            "--clients", "-s",           "--seconds", "--payload", "--update-percent",
                                            "--seed",    "-o",           "--out",     "--home",    "--node"};

/// The place of the first word that is neither a flag nor the value of one: the operation, or the subcommand. argc if
/// there is none.
int first_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") return argc;
    if (!word.starts_with('-') || word == "-") return i;
    if (std::ranges::find(kValueFlags, word) != std::end(kValueFlags)) ++i;
  }
  return argc;
}
}  // namespace

// Flags may stand before the word as well as after it: `client -d DIR enroll`, `client -d DIR put KEY VALUE`.
int client_command(int argc, char** argv) {
  constexpr std::pair<std::string_view, int (*)(int, char**)> kCommands[] = {
      {"load", load}, {"enroll", enroll_command}, {"revoke", revoke_command}, {"members", members_command}};
  const int at = first_word(argc, argv);
  for (const auto& [name, run] : kCommands) {
    if (at >= argc || argv[at] != name) continue;
    std::vector<char*> words(argv, argv + argc);
    std::rotate(words.begin(), words.begin() + at, words.begin() + at + 1);  // its name first, in place of ours
    words.erase(words.begin() + 1);
    words.push_back(nullptr);
    return run(argc - 1, words.data());
  }
  return operate(argc, argv);
}
