#include "lab/daemons.hpp"

#include "lab/files.hpp"
#include "overlay/daemon/config.hpp"
#include "overlay/daemon/daemon_lock.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace seneschal::lab {

namespace fs = std::filesystem;

namespace {

/// The node of a lock's name, "node-3.lock".
std::optional<NodeId> node_of(std::string_view name) {
  constexpr std::string_view kBefore = "node-", kAfter = ".lock";
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter) || name.size() <= kBefore.size() + kAfter.size())
    return std::nullopt;
  const std::string_view digits = name.substr(kBefore.size(), name.size() - kBefore.size() - kAfter.size());
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return NodeId(value);
}

RunningDaemon daemon(NodeId node, ProcessId process, const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto value = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
  };
  return {node, process, value("session"), value("control")};
}

/// Nothing if nobody holds the lock.
Result<std::optional<RunningDaemon>> running(const std::string& path, NodeId node) {
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) {
    const auto holder = overlay::holder_of(path);
    if (!holder) return std::unexpected(holder.error());
    if (!*holder) return std::nullopt;
    if ((*holder)->pid == 0) return daemon(node, {}, (*holder)->text);
    const auto process = identify((*holder)->pid);
    // It holds the lock before and after its start time was read: the number was not given to another one meanwhile.
    const auto again = overlay::holder_of(path);
    if (process && again && *again && (*again)->pid == process->pid) return daemon(node, *process, (*again)->text);
  }
  return failure(path + ": its holder changes all the time");
}

/// Locks that somebody removed while their daemons ran: the kernel still tells who has them open.
void add_removed(const std::string& locks, std::vector<RunningDaemon>& found) {
  constexpr std::string_view kRemoved = " (deleted)";
  std::error_code error;
  const std::string begin = fs::weakly_canonical(locks, error).string() + "/";
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string number = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), pid).ec != std::errc{}) continue;
    const auto process = identify(pid);
    if (!process || pid == ::getpid()) continue;
    std::error_code denied;  // another user's
    for (const auto& open : fs::directory_iterator(entry.path() / "fd", denied)) {
      std::error_code gone;
      const std::string name = fs::read_symlink(open.path(), gone).string();
      if (gone || !name.starts_with(begin) || !name.ends_with(kRemoved)) continue;
      const auto node =
          node_of(std::string_view(name).substr(begin.size(), name.size() - begin.size() - kRemoved.size()));
      // Only a daemon has the file open for longer than a moment.
      if (!node || !alive(*process) || std::ranges::count(found, *process, &RunningDaemon::process) != 0) continue;
      found.push_back(daemon(*node, *process, read_file(open.path().string()).value_or("")));
    }
  }
}

/// How many nodes the folder's configuration has; nothing if it cannot be read.
std::optional<std::size_t> nodes_configured(const std::string& dir) {
  constexpr std::string_view kNode = "\n[[node]]\n";
  const auto text = read_file(dir + "/nodes.toml");
  if (!text) return std::nullopt;
  std::size_t count = 0;
  for (auto at = text->find(kNode); at != std::string::npos; at = text->find(kNode, at + 1)) ++count;
  return count;
}

}  // namespace

Result<std::vector<RunningDaemon>> daemons_of(const std::string& dir) {
  const std::string locks = absolute(dir) + "/" + std::string(overlay::kLockFolder);
  std::vector<RunningDaemon> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(locks, error)) {
    const auto node = node_of(entry.path().filename().string());
    if (!node) continue;
    auto one = running(entry.path().string(), *node);
    if (!one) return std::unexpected(one.error());
    if (*one) found.push_back(std::move(**one));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return failure(
        fmt::format("{}: cannot be read: {}; it belongs to user {}", locks, error.message(), owner_of(dir)));
  // All processes are looked at only if a daemon is missing: that takes a while on a large machine.
  if (const auto nodes = nodes_configured(absolute(dir)); !nodes || found.size() < *nodes || found.empty())
    add_removed(locks, found);
  std::ranges::sort(found, {}, &RunningDaemon::node);
  return found;
}

}  // namespace seneschal::lab
