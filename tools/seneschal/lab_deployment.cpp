// `seneschal lab up`, `status`, `start`, `stop`, `restart`, `down`: a deployment by hand.
#include "base/version.hpp"
#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/keys.hpp"
#include "lab/progress.hpp"
#include "lab/remembered.hpp"
#include "lab/standing.hpp"
#include "tools/seneschal/lab_commands.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <map>

namespace seneschal::lab {

namespace {

constexpr std::string_view kDefaultUp = "seneschal-up";
/// How long daemons may take to find each other and their memory.
constexpr Duration kReady = 30s;
/// For another command's daemons that are being started just now, on a busy machine.
constexpr Duration kPatience = 10s;

using OutArg = TCLAP::ValueArg<std::string>;

/// As a shell takes it.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// "nodes 1 (process 77), 2 (process 78)".
std::string list_of(const std::vector<const ClusterNode*>& nodes) {
  std::string text = nodes.size() == 1 ? "node" : "nodes";
  std::string separator = " ";
  for (const ClusterNode* node : nodes) {
    text += separator + std::to_string(node->id.value) +
            (node->elsewhere ? " (elsewhere)" : fmt::format(" (process {})", node->process.pid));
    separator = ", ";
  }
  return text;
}

/// Says which of the folder's daemons run already, whatever started them.
std::optional<std::string> already_runs(const std::string& dir, const std::string& out) {
  const auto cluster = load_state(dir);
  if (!cluster) return std::nullopt;
  const auto running = cluster->running();
  if (running.empty()) return std::nullopt;
  const std::string word = shell_word(out);
  std::string more;
  if (running.size() < cluster->nodes.size())
    more = fmt::format(" ({} of {} daemons; 'seneschal lab start NODE --out {}' starts one of the others)",
                       running.size(), cluster->nodes.size(), word);
  return fmt::format("'{}' already runs from {}: {}{}; end it with 'seneschal lab down --out {}'", cluster->name, out,
                     list_of(running), more, word);
}

/// What is wrong with a start that was asked for, before anything is touched.
std::optional<std::string> refusal(const Deployment& deployment, const std::string& dir, const std::string& out,
                                   bool fresh, bool own_keys) {
  // With the old keys everything that was ever signed would still count in the new deployment.
  if (fresh && own_keys)
    return "--fresh makes new keys; with keys of your own give the deployment another 'id' and folder";
  if (!fresh)
    if (Status same = check_remembered(deployment, dir); !same) return same.error().message;
  if (!fresh && deployment.options.durability == "none" && has_run(dir))
    return fmt::format(
        "servers of '{}' ran before and kept no log (durability = \"none\"), so they would not vote; "
        "begin anew with --fresh, or with another --out",
        out);
  return already_runs(dir, out);
}

/// What an operator is told at the end of a start; exit code. A server that votes is started, whatever its trouble.
int tell(const Standing& standing) {
  if (!standing.whole()) fmt::print("{}", to_text(standing));
  return standing.serves() ? kGood : kFailed;
}

/// No server runs at all: nothing is lost by ending the rest.
bool hopeless(const Standing& standing) {
  for (const NodeStanding& node : standing.nodes)
    for (const ServerStanding& server : node.servers)
      if (server.votes || !server.settled || !server.executed.empty()) return false;
  return true;
}

struct Deployed {
  Cluster cluster;
  Deployment deployment;
};

Result<Deployed> deployed(const std::string& out) {
  auto cluster = load_state(out);
  if (!cluster) return std::unexpected(cluster.error());
  auto deployment = load_deployment(cluster->dir + "/deployment.toml");
  if (!deployment) {
    const auto running = cluster->running();
    return failure(deployment.error().message +
                   (running.empty() ? "; nothing runs" : "; what runs from there: " + list_of(running)));
  }
  if (!cluster->note.empty()) fmt::print(stderr, "note: {}\n", cluster->note);
  return Deployed{std::move(*cluster), std::move(*deployment)};
}

/// A node by its number, or by its site's name. A name that is another node's number is refused: the wrong daemon
/// would be ended.
Result<NodeId> node_named(const Deployment& deployment, const std::string& word) {
  std::string known;
  std::optional<NodeId> numbered, named;
  for (std::size_t s = 0; s < deployment.sites(); ++s) {
    const NodeId id = deployment.node_of_site(s);
    const std::string& site = deployment.topology.sites[s].name;
    if (word == std::to_string(id.value)) numbered = id;
    if (word == site) named = id;
    known += fmt::format("{}{} ({})", s == 0 ? "" : ", ", id.value, site);
  }
  if (numbered && named && *numbered != *named)
    return failure(fmt::format(
        "'{}' is the number of one node and the name of another one's site; expected one of: {}", word, known));
  if (named) return *named;
  if (numbered) return *numbered;
  return failure(fmt::format("there is no node '{}'; expected one of: {}", word, known));
}

/// What still runs although it should not; empty if all is well.
std::string left_over(const Stopped& stopped) {
  std::string text;
  for (const ClusterNode& node : stopped.left)
    text += fmt::format("the daemon of node {} {}\n", node.id.value,
                        node.process.pid == 0 ? "runs on another machine or in another container"
                                              : fmt::format("(process {}) belongs to user {} and still runs",
                                                            node.process.pid, user_of(node.process)));
  if (!text.empty()) text.pop_back();
  return text;
}

/// Why this user may not ask the daemons, and so knows nothing of them; nothing if it may.
std::optional<std::string> of_another_user(const Cluster& cluster) {
  std::size_t foreign = 0;
  std::string owner;
  for (const ClusterNode* node : cluster.running()) {
    if (node->elsewhere || ::access(node->control.c_str(), W_OK) == 0 || errno != EACCES) continue;
    ++foreign;
    owner = user_of(node->process);
  }
  if (foreign == 0) return std::nullopt;
  return fmt::format("{} of {} daemons run, and belong to user {}: only that user can ask them", foreign,
                     cluster.nodes.size(), owner);
}

/// `start`, `stop` and `restart`: of nodes that the arguments name.
int one_by_one(int argc, char** argv, std::string_view what, bool stops, bool starts) {
  const std::string command = argv[0];
  TCLAP::CmdLine line(std::string(what), ' ', version());
  TCLAP::UnlabeledMultiArg<std::string> names("NODE", "node by number or by its site's name", true, "NODE", line);
  OutArg out("o", "out", "folder given to 'lab up'", false, std::string(kDefaultUp), "DIR", line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  auto place = deployed(out.getValue());
  if (!place) return lab_complain(command, place.error().message, kFailed);
  std::vector<NodeId> nodes;
  for (const std::string& name : names.getValue()) {
    const auto id = node_named(place->deployment, name);
    if (!id) return lab_complain(command, id.error().message);
    nodes.push_back(*id);
  }
  catch_interrupts();
  std::map<NodeId, ProcessId> started;
  {
    const auto lock = FolderLock::take(place->cluster.dir, kPatience);
    if (!lock) return lab_complain(command, lock.error().message, kFailed);
    for (const NodeId id : nodes) {
      // Again, under the lock: who ran before may have ended.
      const auto now = load_state(place->cluster.dir);
      if (!now) return lab_complain(command, now.error().message, kFailed);
      const ClusterNode* node = now->find(id);
      const bool runs = node != nullptr && (node->elsewhere || alive(node->process));
      if (stops && runs)
        if (const std::string left = left_over(stop_daemon(*now, id)); !left.empty())
          return lab_complain(command, left, kFailed);
      if (stops && !starts) fmt::print("node {} {}\n", id.value, runs ? "is stopped" : "did not run");
      if (!starts) continue;
      if (runs && !stops) {
        fmt::print("node {} already runs\n", id.value);
        continue;
      }
      const auto process = start_daemon(*now, id, *lock);
      if (!process) return lab_complain(command, process.error().message, kFailed);
      started[id] = *process;
    }
  }
  if (!starts) return kGood;
  auto now = load_state(place->cluster.dir);
  if (!now) return lab_complain(command, now.error().message, kFailed);
  // They may not have their locks yet.
  for (ClusterNode& node : now->nodes)
    if (const auto it = started.find(node.id); it != started.end()) node.process = it->second;
  const Standing standing = wait_settled(place->deployment, *now, kReady);
  fmt::print("{}", to_text(standing));
  for (const NodeStanding& node : standing.nodes)
    if (std::ranges::count(nodes, node.id) != 0 &&
        (node.state != DaemonState::Running || !std::ranges::all_of(node.servers, &ServerStanding::votes)))
      return kFailed;
  return kGood;
}

}  // namespace

int lab_up(int argc, char** argv) {
  TCLAP::CmdLine line("Starts a deployment's daemons on this machine and leaves them running.", ' ', version());
  TCLAP::UnlabeledValueArg<std::string> file("FILE", "the deployment's file", true, "", "FILE", line);
  OutArg out("o", "out", "folder for keys, logs and state", false, std::string(kDefaultUp), "DIR", line);
  OutArg keys("k", "keys", "folder that 'seneschal keygen' made (default: made here)", false, "", "DIR", line);
  OutArg plugins("p", "plugins", "folder of the plugins", false, "", "DIR", line);
  TCLAP::SwitchArg fresh("", "fresh", "begin anew: remove logs and keys of an earlier deployment in the folder",
                         line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  auto deployment = load_deployment(file.getValue());
  if (!deployment) return lab_complain("up", deployment.error().message);
  for (const auto& [arg, flag] : {std::pair(&out, "--out"), {&keys, "--keys"}, {&plugins, "--plugins"}})
    if (!arg->getValue().empty() || arg == &out)
      if (Status good = check_path(arg->getValue(), flag); !good) return lab_complain("up", good.error().message);
  const std::string dir = absolute(out.getValue());
  if (Status made = make_dir(dir); !made) return lab_complain("up", made.error().message);
  const auto lock = FolderLock::take(dir);
  if (!lock) return lab_complain("up", lock.error().message, kFailed);
  if (const auto refused = refusal(*deployment, dir, out.getValue(), fresh.getValue(), keys.isSet()))
    return lab_complain("up", *refused);
  catch_interrupts();
  Progress progress;
  ClusterOptions options;
  options.detach = true;
  options.fresh = fresh.getValue();
  options.lock = &*lock;
  std::error_code ignored;
  if (fresh.getValue()) {
    // In this order: if it is interrupted, the folder can begin anew. Logs and marks without their keys could not.
    std::filesystem::remove(dir + "/keys/used", ignored);
    forget_runs(dir);
    std::filesystem::remove_all(dir + "/keys", ignored);
  }
  options.plugins = plugins.getValue();
  options.keys = keys.getValue().empty() ? "" : absolute(keys.getValue());
  if (options.keys.empty()) {
    const auto made = ensure_keys(
        *deployment, dir + "/keys",
        [&](const std::string& what, std::size_t n, std::size_t of) {
          progress.update(fmt::format("keys  {}/{}  {}", n, of, what));
        },
        fresh.getValue() ? std::nullopt : remembered_keys(*deployment, dir));
    if (!made) return lab_complain("up", made.error().message, interrupted() ? kInterrupted : kUsage);
    options.keys = *made;
  }
  if (Status same = check_keys(*deployment, fresh.getValue() ? "" : dir, options.keys); !same)
    return lab_complain("up", same.error().message);
  progress.update(fmt::format("starting {} daemons", deployment->sites()));
  const auto cluster = start_cluster(*deployment, dir, options);
  if (!cluster) return lab_complain("up", cluster.error().message, kFailed);
  const Standing standing = wait_settled(*deployment, *cluster, kReady);
  progress.clear();
  if (interrupted() || hopeless(standing)) {
    stop_cluster(*cluster);
    if (interrupted()) return lab_complain("up", "interrupted; nothing runs", kInterrupted);
    return lab_complain(
        "up", fmt::format("no server runs: {}; everything was ended again", fmt::join(standing.faults(), "\n  ")),
        kFailed);
  }
  if (keys.getValue().empty())
    if (Status noted = note_keys_used(dir); !noted) fmt::print(stderr, "warning: {}\n", noted.error().message);
  const std::string word = shell_word(out.getValue());
  const std::size_t voting = standing.voting();
  fmt::print(
      "'{}' runs: {} servers in {} daemons{}, {} clients may use it. Try:\n"
      "  seneschal client --deployment {} --id 1 {}\n"
      "  seneschal lab status --out {}\n  seneschal lab down --out {}\n",
      deployment->name, deployment->server_count(), cluster->nodes.size(),
      standing.whole() ? "" : fmt::format(", of which {} vote", voting), deployment->clients, word,
      deployment->options.application == "sql" ? "sql 'CREATE TABLE t(greeting TEXT)'" : "put greeting hello", word,
      word);
  return tell(standing);
}

int lab_status(int argc, char** argv) {
  TCLAP::CmdLine line("Shows what runs, who votes, and what is wrong; exit code 1 if anything is.", ' ', version());
  OutArg out("o", "out", "folder given to 'lab up'", false, std::string(kDefaultUp), "DIR", line);
  TCLAP::SwitchArg json("", "json", "print it as JSON", line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  const auto place = deployed(out.getValue());
  const auto refuse = [&](const std::string& why) {
    if (json.getValue())
      fmt::print("{}\n", nlohmann::ordered_json{{"good", false}, {"error", why}}.dump(
                             2, ' ', false, nlohmann::json::error_handler_t::replace));
    return lab_complain("status", why, kFailed);
  };
  if (!place) return refuse(place.error().message);
  if (const auto foreign = of_another_user(place->cluster)) return refuse(*foreign);
  const Standing standing = standing_of(place->deployment, place->cluster);
  fmt::print("{}", json.getValue() ? to_json(standing) : to_text(standing));
  return standing.whole() ? kGood : kFailed;
}

int lab_down(int argc, char** argv) {
  TCLAP::CmdLine line("Ends all daemons of a deployment, however they were started. Its servers' logs stay.", ' ',
                      version());
  OutArg out("o", "out", "folder given to 'lab up'", false, std::string(kDefaultUp), "DIR", line);
  if (const auto code = lab_parse(line, argc, argv)) return *code;
  // First without the lock: where nothing ever ran, nothing is to be left.
  if (const auto found = load_state(out.getValue()); !found)
    return lab_complain("down", found.error().message, kFailed);
  const auto lock = FolderLock::take(absolute(out.getValue()), kPatience);
  if (!lock) return lab_complain("down", lock.error().message, kFailed);
  const auto cluster = load_state(out.getValue());
  if (!cluster) return lab_complain("down", cluster.error().message, kFailed);
  if (!cluster->note.empty()) fmt::print(stderr, "note: {}\n", cluster->note);
  const Stopped stopped = stop_cluster(*cluster);
  if (const std::string left = left_over(stopped); !left.empty()) return lab_complain("down", left, kFailed);
  fmt::print("'{}' is down{}{}\n", cluster->name,
             stopped.killed > 0 ? fmt::format("; {} daemons had to be killed", stopped.killed) : "",
             has_run(cluster->dir)
                 ? fmt::format("; {}/data has its servers' logs: 'lab up' goes on from them", out.getValue())
                 : "");
  return kGood;
}

int lab_start(int argc, char** argv) {
  return one_by_one(argc, argv, "Starts daemons of a deployment that do not run.", false, true);
}

int lab_stop(int argc, char** argv) {
  return one_by_one(argc, argv, "Ends daemons of a deployment; the others run on.", true, false);
}

int lab_restart(int argc, char** argv) {
  return one_by_one(argc, argv, "Ends daemons of a deployment and starts them again.", true, true);
}

}  // namespace seneschal::lab
