#include "runtime/plugin/plugin_env.hpp"

namespace seneschal::plugin {
namespace {
// A job that the crypto pool refused is offered again after this time.
constexpr Duration kRetry = 10ms;
}  // namespace

PluginEnv::PluginEnv(const seneschal_host& host, Principal self, Directory& directory, const crypto::Keys& keys)
    : host_(host), self_(self), directory_(directory), keys_(keys) {}

PluginEnv::~PluginEnv() = default;

void PluginEnv::send(std::span<const Destination> to, const SharedBytes& sealed) {
  targets_.clear();
  const auto endpoint = [this](EndpointId id) {
    targets_.push_back({SENESCHAL_ENDPOINT, 0, id.node.value, id.port.value});
  };
  const auto group = [this](GroupId id) { targets_.push_back({SENESCHAL_GROUP, 0, 0, id.value}); };
  for (const Destination& destination : to) {
    switch (destination.kind) {
      case Destination::Kind::Server: endpoint(directory_.endpoint(destination.server)); break;
      case Destination::Kind::Site: group(Directory::group(destination.server.site)); break;
      case Destination::Kind::AllServers: group(Directory::all_servers()); break;
      case Destination::Kind::Client:
        if (const auto place = directory_.endpoint(destination.client)) endpoint(*place);
        break;
    }
  }
  if (targets_.empty()) return;
  if (host_.send(host_.host, targets_.data(), targets_.size(), sealed->data(), sealed->size()) != SENESCHAL_OK)
    ++dropped_sends_;
}

void PluginEnv::append(Bytes record, Ticket ticket) {
  // If it is refused the log has failed, and `log_lost` is about to say so.
  if (host_.append(host_.host, record.data(), record.size(), ticket.value) == SENESCHAL_OK) appending_.insert(ticket);
}

void PluginEnv::work(void* task) {
  Task& job = *static_cast<Task*>(task);
  job.result = perform(job.job, *job.keys, job.self);
}

bool PluginEnv::submit(Task& task) {
  return host_.run(host_.host, &PluginEnv::work, &task, task.ticket.value) == SENESCHAL_OK;
}

void PluginEnv::run(Job job, Ticket ticket) {
  auto task = std::make_unique<Task>(Task{std::move(job), &keys_, self_, ticket, {}});
  if (!refused_.empty() || !submit(*task)) {
    refused_.push_back(ticket);
    // Nothing of ours may be in the pool to remind us: ask for a wake-up.
    retry_at_ = now() + kRetry;
  }
  tasks_.emplace(ticket, std::move(task));
}

std::optional<JobResult> PluginEnv::take_result(Ticket ticket) {
  while (!refused_.empty() && submit(*tasks_.at(refused_.front()))) refused_.pop_front();
  retry_at_ = refused_.empty() ? Instant::never() : now() + kRetry;
  if (appending_.erase(ticket) > 0) return Persisted{};
  const auto at = tasks_.find(ticket);
  if (at == tasks_.end()) return std::nullopt;
  const std::unique_ptr<Task> task = std::move(at->second);
  tasks_.erase(at);
  return std::make_optional<JobResult>(std::move(task->result));
}

void PluginEnv::accused(const Effects::Accuse& accusation) {
  ++accusations_;
  log(SENESCHAL_WARNING, to_string(accusation.who) + " is provably faulty: " + accusation.reason);
}

void PluginEnv::join_groups(ServerId id) {
  for (GroupId group : Directory::groups_of(id))
    if (host_.join(host_.host, group.value) != SENESCHAL_OK)
      log(SENESCHAL_ERROR, "cannot join group " + std::to_string(group.value));
}

}  // namespace seneschal::plugin
