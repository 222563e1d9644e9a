#include "overlay/daemon/plugin_runner.hpp"

#include "base/check.hpp"
#include "runtime/asio/io_loop.hpp"
#include "runtime/storage/segment.hpp"

#include <pthread.h>
#include <csignal>
#include <cstddef>
#include <cstring>

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

/// Plugins that were built before the table grew do not have its last functions.
bool has_log_lost(const seneschal_plugin& table) {
  constexpr std::size_t kEnd = offsetof(seneschal_plugin, log_lost) + sizeof(seneschal_plugin::log_lost);
  return table.size >= kEnd && table.log_lost != nullptr;
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
  log_.reset();
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
  host.open_log = host_open_log;
  host.forget_before = host_forget_before;
  host.open_memory = host_open_memory;
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
  log_.reset();  // writes what still waits
  deadline_ = Instant::never();
  std::lock_guard lock(status_mutex_);
  if (state_ == "running") state_ = "ended";
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
  if (input.kind == Input::Kind::LogLost) {
    if (has_log_lost(table_)) table_.log_lost(self_);
  } else if (input.kind == Input::Kind::Datagram) {
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
    inbox_.push_back({Input::Kind::Datagram, delivery, 0});
  }
  if (wake) ready_.notify_one();
}

void PluginRunner::push_done(std::span<const std::uint64_t> tickets) {
  {
    std::lock_guard lock(mutex_);
    for (const std::uint64_t ticket : tickets) inbox_.push_back({Input::Kind::Done, std::nullopt, ticket});
  }
  notify();
}

void PluginRunner::notify() {
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
    self.push_done({&ticket, 1});
  });
  if (!taken) return SENESCHAL_FULL;
  self.jobs_.fetch_add(1, std::memory_order_relaxed);
  return SENESCHAL_OK;
}

int PluginRunner::host_append(void* host, const std::uint8_t* data, std::size_t size, std::uint64_t ticket) {
  PluginRunner& self = runner(host);
  return self.log_ != nullptr && self.log_->append(ticket, Span(data, size)) ? SENESCHAL_OK : SENESCHAL_REFUSED;
}

int PluginRunner::host_forget_before(void* host, std::uint64_t ticket) {
  PluginRunner& self = runner(host);
  if (self.log_ == nullptr) return SENESCHAL_REFUSED;
  self.log_->forget_before(ticket);
  return SENESCHAL_OK;
}

int PluginRunner::host_open_log(void* host, const char* identity, int keep,
                                void (*record)(void*, const std::uint8_t*, std::size_t), void* arg, char* error,
                                std::size_t error_size) {
  // An instance that belongs to nothing is a group of its own.
  seneschal_memory alone{};
  alone.size = sizeof alone;
  alone.keep = keep;
  alone.group = identity;
  alone.member = "alone";
  return host_open_memory(host, &alone, record, arg, error, error_size);
}

int PluginRunner::host_open_memory(void* host, const seneschal_memory* memory,
                                   void (*record)(void*, const std::uint8_t*, std::size_t), void* arg, char* error,
                                   std::size_t error_size) {
  PluginRunner& self = runner(host);
  storage::MemoryOptions options;
  options.logs = self.spec_.logs;
  options.marks = self.spec_.marks;
  options.group = memory->group;
  options.member = memory->member;
  options.node = self.home_.self();
  options.keep_log = memory->keep != 0;
  for (std::size_t i = 0; i < memory->fact_count; ++i)
    options.facts.push_back({memory->facts[i].name, memory->facts[i].value, memory->facts[i].may_grow != 0});
  for (std::size_t i = 0; i < memory->member_count; ++i)
    options.members.push_back({memory->members[i].name, NodeId(memory->members[i].node)});
  std::string reason;
  const int answer = self.open_memory(options, record, arg, reason);
  if (error_size > 0) {
    const std::size_t size = std::min(reason.size(), error_size - 1);
    std::memcpy(error, reason.data(), size);
    error[size] = '\0';
  }
  return answer;
}

int PluginRunner::open_memory(const storage::MemoryOptions& options,
                              void (*record)(void*, const std::uint8_t*, std::size_t), void* arg,
                              std::string& error) {
  if (options.identity().size() > storage::kMaxIdentity || log_ != nullptr) {
    error =
        "a log may be opened once, for an identity of at most " + std::to_string(storage::kMaxIdentity) + " bytes";
    return SENESCHAL_REFUSED;
  }
  auto memory = storage::recall(options);
  if (!memory) {
    error = memory.error().message;
    return SENESCHAL_REFUSED;
  }
  using Kind = storage::ServerMemory::Kind;
  const bool lost = memory->kind == Kind::Lost;
  if (!memory->note.empty()) home_.plugin_log(spec_.name, lost ? SENESCHAL_ERROR : SENESCHAL_WARNING, memory->note);
  if (memory->kind == Kind::Whole)
    home_.plugin_log(spec_.name, SENESCHAL_INFO,
                     "starts again with " + std::to_string(memory->records.size()) + " records of its log");
  {
    std::lock_guard lock(status_mutex_);
    log_state_ = lost ? "lost: " + memory->note : memory->log != nullptr ? "kept" : "none";
  }
  for (const Bytes& bytes : memory->records) record(arg, bytes.data(), bytes.size());
  log_ = std::move(memory->log);
  if (log_ != nullptr)
    log_->start({[this](std::span<const std::uint64_t> tickets) { push_done(tickets); },
                 [this](const std::string& reason) { log_failed(reason); }});
  return lost ? SENESCHAL_LOST : SENESCHAL_OK;
}

void PluginRunner::log_failed(const std::string& reason) {
  home_.plugin_log(spec_.name, SENESCHAL_ERROR,
                   reason + "; this server says nothing any more that others count on, until it is started again");
  {
    std::lock_guard lock(status_mutex_);
    log_state_ = "failed: " + reason;
  }
  {
    std::lock_guard lock(mutex_);
    inbox_.push_back({Input::Kind::LogLost, std::nullopt, 0});
  }
  notify();
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
  if (log_ != nullptr) log_counters_ = log_->counters();
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
    status.log = log_state_;
    status.records = log_counters_;
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
