#include "overlay/daemon/plugin_runner.hpp"

#include "base/check.hpp"
#include "runtime/asio/io_loop.hpp"

#include <pthread.h>
#include <csignal>

namespace seneschal::overlay {
namespace {
constexpr std::size_t kMaxTargets = 4096;
constexpr std::size_t kStatusBytes = 64 * 1024;
constexpr Duration kStatusInterval = 250ms;
// On the I/O thread other work gets its turn after so many datagrams.
constexpr std::size_t kInlineBudget = 256;

PluginRunner& runner(void* host) {
  return *static_cast<PluginRunner*>(host);
}
}  // namespace

PluginRunner::PluginRunner(PluginSpec spec, std::shared_ptr<PluginLibrary> library, bool own_thread, PluginHome& home)
    : spec_(std::move(spec)),
      library_(std::move(library)),
      table_(library_->table()),
      own_thread_(own_thread),
      home_(home),
      host_(host_table()) {}

PluginRunner::~PluginRunner() {
  if (self_ != nullptr) table_.destroy(self_);
}

seneschal_host PluginRunner::host_table() {
  seneschal_host host{};
  host.version = SENESCHAL_PLUGIN_VERSION;
  host.size = sizeof host;
  host.host = this;
  host.node = home_.self().value;
  host.port = spec_.port.value;
  host.now = [](void*) { return asio::steady_now().ns; };
  host.send = host_send;
  host.join = host_join;
  host.run = host_run;
  host.append = host_append;
  host.log = host_log;
  return host;
}

Status PluginRunner::make() {
  char error[2048] = {};
  self_ = table_.create(&host_, spec_.config.c_str(), spec_.folder.c_str(), error, sizeof error);
  const std::string reason = error[0] != '\0' ? error : "it does not say why";
  {
    std::lock_guard lock(status_mutex_);
    state_ = self_ != nullptr ? "running" : "failed: " + reason;
  }
  if (self_ == nullptr) return failure("plugin '" + spec_.name + "' cannot start: " + reason);
  deadline_ = {table_.deadline(self_)};
  return {};
}

Status PluginRunner::start() {
  if (!own_thread_) return make();
  thread_ = std::thread([this] { thread_main(); });
  return {};
}

void PluginRunner::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PluginRunner::thread_main() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  (void)::pthread_setname_np(::pthread_self(), spec_.name.substr(0, 15).c_str());
  if (Status good = make(); !good) return home_.plugin_log(spec_.name, SENESCHAL_ERROR, good.error().message);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [this] { return stopping_ || !inbox_.empty(); };
    Instant wake = deadline_;
    if (unpublished_) wake = std::min(wake, published_ + kStatusInterval);
    if (wake == Instant::never()) {
      ready_.wait(lock, due);
    } else if (!due()) {
      ready_.wait_until(lock, std::chrono::steady_clock::time_point(Duration(wake.ns)), due);
    }
    if (stopping_) return;
    taken_.swap(inbox_);
    inbox_bytes_ = 0;
    lock.unlock();
    for (const Input& input : taken_) {
      handle(input);
      check_time(asio::steady_now());
    }
    taken_.clear();
    const Instant now = asio::steady_now();
    check_time(now);
    if (unpublished_ && published_ + kStatusInterval <= now) publish_status();
    lock.lock();
  }
}

bool PluginRunner::run(Instant now) {
  if (self_ == nullptr) return false;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    while (!inbox_.empty() && taken_.size() < kInlineBudget) {
      if (inbox_.front().datagram) inbox_bytes_ -= inbox_.front().datagram->payload.size();
      taken_.push_back(std::move(inbox_.front()));
      inbox_.pop_front();
    }
  }
  const bool any = !taken_.empty();
  for (const Input& input : taken_) handle(input);
  taken_.clear();
  check_time(any ? asio::steady_now() : now);
  return any;
}

void PluginRunner::handle(const Input& input) {
  unpublished_ = true;
  if (input.datagram) {
    const Delivery& d = *input.datagram;
    seneschal_datagram datagram{};
    datagram.data = d.payload.data();
    datagram.size = d.payload.size();
    datagram.source_node = d.source.node.value;
    datagram.source_port = d.source.port.value;
    if (const auto* endpoint = std::get_if<EndpointId>(&d.target)) {
      datagram.target = {SENESCHAL_ENDPOINT, 0, endpoint->node.value, endpoint->port.value};
    } else {
      datagram.target = {SENESCHAL_GROUP, 0, 0, std::get<GroupId>(d.target).value};
    }
    datagrams_.fetch_add(1, std::memory_order_relaxed);
    table_.datagram(self_, &datagram);
  } else {
    table_.done(self_, input.ticket);
  }
  deadline_ = {table_.deadline(self_)};
}

void PluginRunner::check_time(Instant now) {
  if (deadline_ > now) return;
  table_.time(self_);
  unpublished_ = true;
  deadline_ = {table_.deadline(self_)};
  // A plugin that wants to be called without end must not keep the thread from everything else.
  if (deadline_ <= now) deadline_ = now + 100us;
}

void PluginRunner::deliver(const Delivery& delivery) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (inbox_.size() >= kMaxQueued || inbox_bytes_ + delivery.payload.size() > kMaxQueuedBytes) {
      dropped_in_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    wake = own_thread_ && inbox_.empty();
    inbox_bytes_ += delivery.payload.size();
    inbox_.push_back({delivery, 0});
  }
  if (wake) ready_.notify_one();
}

void PluginRunner::push_done(std::uint64_t ticket) {
  {
    std::lock_guard lock(mutex_);
    inbox_.push_back({std::nullopt, ticket});
  }
  if (own_thread_) {
    ready_.notify_one();
  } else {
    home_.plugin_wake();
  }
}

int PluginRunner::host_send(void* host, const seneschal_target* targets, std::size_t count, const std::uint8_t* data,
                            std::size_t size) {
  PluginRunner& self = runner(host);
  if (size > SENESCHAL_MAX_DATAGRAM || count > kMaxTargets) return SENESCHAL_REFUSED;
  std::vector<Target> list;
  list.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (targets[i].kind == SENESCHAL_GROUP) {
      list.emplace_back(GroupId(targets[i].value));
    } else {
      list.emplace_back(EndpointId{NodeId(targets[i].node), Port(targets[i].value)});
    }
  }
  self.sends_.fetch_add(1, std::memory_order_relaxed);
  const int answer =
      self.home_.plugin_send(!self.own_thread_, self.spec_.port, std::move(list), share(to_bytes(Span(data, size))));
  if (answer != SENESCHAL_OK) self.dropped_out_.fetch_add(1, std::memory_order_relaxed);
  return answer;
}

int PluginRunner::host_join(void* host, std::uint32_t group) {
  PluginRunner& self = runner(host);
  return self.home_.plugin_join(!self.own_thread_, self.spec_.port, GroupId(group));
}

int PluginRunner::host_run(void* host, void (*work)(void*), void* arg, std::uint64_t ticket) {
  PluginRunner& self = runner(host);
  const bool taken = self.home_.pool().submit([&self, work, arg, ticket] {
    work(arg);
    self.push_done(ticket);
  });
  if (!taken) return SENESCHAL_FULL;
  self.jobs_.fetch_add(1, std::memory_order_relaxed);
  return SENESCHAL_OK;
}

// Records are kept by nobody yet: they count as durable at once, and a restarted node starts without a log.
int PluginRunner::host_append(void* host, const std::uint8_t*, std::size_t, std::uint64_t ticket) {
  runner(host).push_done(ticket);
  return SENESCHAL_OK;
}

void PluginRunner::host_log(void* host, int level, const char* text) {
  PluginRunner& self = runner(host);
  self.home_.plugin_log(self.spec_.name, level, text);
}

void PluginRunner::publish_status() {
  std::string text(kStatusBytes, '\0');
  text.resize(std::min(table_.status(self_, text.data(), text.size()), text.size()));
  published_ = asio::steady_now();
  unpublished_ = false;
  std::lock_guard lock(status_mutex_);
  status_text_ = std::move(text);
}

PluginStatus PluginRunner::status() {
  if (!own_thread_ && self_ != nullptr) publish_status();
  PluginStatus status;
  status.name = spec_.name;
  status.library = spec_.library;
  status.port = spec_.port;
  status.own_thread = own_thread_;
  status.datagrams = datagrams_;
  status.jobs = jobs_;
  status.sends = sends_;
  status.dropped_in = dropped_in_;
  status.dropped_out = dropped_out_;
  {
    std::lock_guard lock(mutex_);
    status.queued = inbox_.size();
  }
  std::string text;
  {
    std::lock_guard lock(status_mutex_);
    status.state = state_;
    text = status_text_;
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (const std::size_t equals = line.find(" = "); equals != std::string::npos)
      status.values.emplace_back(line.substr(0, equals), line.substr(equals + 3));
  }
  return status;
}

}  // namespace seneschal::overlay
