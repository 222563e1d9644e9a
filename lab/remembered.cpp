#include "lab/remembered.hpp"

#include "lab/files.hpp"
#include "lab/keys.hpp"
#include "runtime/plugin/server_plugin.hpp"
#include "runtime/storage/server_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace seneschal::lab {

namespace fs = std::filesystem;
using storage::Mark;

namespace {

constexpr std::string_view kKeys = "keys";

std::vector<Mark> marks_of(const std::string& dir) {
  return storage::marks_in(dir + "/has-run");
}

std::string group_of(const Deployment& deployment) {
  return plugin::memory_group(deployment.id);
}

/// What the plugins of the deployment say of themselves, but for their keys.
std::vector<Fact> facts_of(const Deployment& d) {
  std::vector<Fact> settings = {{"window", std::to_string(d.options.window)},
                                {"checkpoint_interval", std::to_string(d.options.checkpoint_interval)}};
  if (d.protocol == Protocol::Steward)
    settings.push_back({"batch_max", std::to_string(d.options.batch_max), true});
  else
    settings.push_back({"auth", d.options.auth});
  return plugin::facts_of(d.roster(), to_string(d.protocol), d.options.application, site_names(d), settings,
                          key_plan(d));
}

std::string note_path(const std::string& dir) {
  return dir + "/keys/used";
}

/// A file of an earlier life in the folder; empty if there is none.
std::string any_file_below(const std::string& folder, std::string_view suffix) {
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with('.')) it.disable_recursion_pending();  // what was being made when somebody was killed
    if (it->is_regular_file(error) && !name.starts_with('.') && name.ends_with(suffix)) return it->path().string();
  }
  return {};
}

std::string way_out(const std::string& dir) {
  return fmt::format(
      "; put that back, or begin a new deployment: in another folder (--out), or with --fresh, which forgets all "
      "that "
      "{} has",
      dir);
}

}  // namespace

std::string site_names(const Deployment& deployment) {
  std::string names;
  for (const auto& site : deployment.topology.sites) {
    if (!names.empty()) names += ' ';
    for (const char c : site.name) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte <= 0x20 || byte == 0x7f || c == '%' || c == '#')
        names += fmt::format("%{:02x}", byte);
      else
        names += c;
    }
  }
  return names;
}

Status check_remembered(const Deployment& deployment, const std::string& dir) {
  const std::vector<Mark> marks = marks_of(dir);
  if (marks.empty()) {
    std::string trace = any_file_below(dir + "/has-run", "");
    if (trace.empty()) trace = any_file_below(dir + "/data", ".wal");
    std::error_code ignored;
    if (trace.empty() && fs::exists(note_path(dir), ignored)) trace = note_path(dir);
    if (trace.empty()) return {};
    return failure(fmt::format(
        "{}: servers have run in this folder, but no mark in {}/has-run says how far their logs reach (an older "
        "version of seneschal made other ones), so none of them would vote; begin anew with --fresh, which forgets "
        "all that the folder has, or in another folder (--out)",
        trace, dir));
  }
  const std::string group = group_of(deployment);
  const auto of_group = [&](const Mark& mark) { return mark.group == group; };
  if (std::ranges::none_of(marks, of_group))
    return failure(fmt::format("servers of {} have run in {}, and this is {} ('id'){}", marks.front().group, dir,
                               group, way_out(dir)));
  std::vector<std::string> all;
  const auto add = [&](const std::string& difference) {
    if (!difference.empty() && std::ranges::find(all, difference) == all.end()) all.push_back(difference);
  };
  const std::vector<Fact> now = facts_of(deployment);
  const bool keeps = deployment.options.durability != "none";
  for (Mark mark : marks) {
    if (!of_group(mark)) continue;
    std::erase_if(mark.facts, [](const Fact& fact) { return fact.name == kKeys; });
    add(storage::differences(mark.facts, now));
    if (mark.state == Mark::State::Logged && !keeps) add("durability was 'wal' and is 'none'");
    if (mark.state == Mark::State::Unkept && keeps) add("durability was 'none' and is 'wal'");
  }
  if (all.empty()) return {};
  return failure(
      fmt::format("servers have run in {} with another deployment: {}{}", dir, fmt::join(all, "; "), way_out(dir)));
}

Status note_keys_used(const std::string& dir) {
  std::error_code ignored;
  if (fs::exists(note_path(dir), ignored)) return {};
  return write_file(note_path(dir),
                    "Servers have run with these keys. Without their logs they must not begin again under them.\n");
}

std::optional<std::string> remembered_keys(const Deployment& deployment, const std::string& dir) {
  for (const Mark& mark : marks_of(dir)) {
    const auto fact = std::ranges::find(mark.facts, kKeys, &Fact::name);
    if (mark.group == group_of(deployment) && fact != mark.facts.end()) return fact->value;
  }
  return std::nullopt;
}

Status check_keys(const Deployment& deployment, const std::string& dir, const std::string& keys) {
  const auto known = crypto::load_public_keys(keys);
  if (!known) return std::unexpected(known.error());
  const auto before = dir.empty() ? std::nullopt : remembered_keys(deployment, dir);
  if (before && crypto::servers_fingerprint(*known) != *before)
    return failure(fmt::format("{}: servers have run in {} with other keys than these{}", keys, dir, way_out(dir)));
  for (const ClientInfo& client : deployment.roster().membership.clients)
    if (!known->signers.contains(Principal::of(client.id)))
      return failure(
          fmt::format("{}: there are no keys of client {}, and 'clients' is {}; make them with 'seneschal "
                      "keygen --from {} --out NEW', and give that folder",
                      keys, client.id.value, deployment.clients, keys));
  return {};
}

}  // namespace seneschal::lab
