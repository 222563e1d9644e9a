// One instance of a plugin on its node: on the I/O thread if it is bounded and alone, else on a thread of its own.
#pragma once
#include "overlay/daemon/config.hpp"
#include "overlay/daemon/endpoint.hpp"
#include "overlay/daemon/plugin_library.hpp"
#include "runtime/asio/crypto_pool.hpp"
#include "runtime/storage/server_memory.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace seneschal::overlay {

/// What a runner needs from its node. Callable from the runner's thread.
class PluginHome {
 public:
  virtual ~PluginHome() = default;
  virtual NodeId self() const = 0;
  virtual asio::CryptoPool& pool() = 0;
  /// Answers of the contract (SENESCHAL_OK ...).
  virtual int plugin_send(bool on_io_thread, Port source, std::vector<Target> targets, SharedBytes bytes) = 0;
  virtual int plugin_join(bool on_io_thread, Port port, GroupId group) = 0;
  virtual void plugin_log(const std::string& plugin, int level, const std::string& text) = 0;
  /// An instance on the I/O thread has work that came from another thread. Any thread.
  virtual void plugin_wake() = 0;
};

struct PluginStatus {
  std::string name;
  std::string library;
  Port port;
  std::string state;  // "running", or what went wrong
  bool own_thread = false;
  std::uint64_t datagrams = 0;
  std::uint64_t jobs = 0;
  std::uint64_t sends = 0;
  std::uint64_t dropped_in = 0;   // its queue was full
  std::uint64_t dropped_out = 0;  // the node's was
  std::size_t queued = 0;
  std::string log = "none";  // "kept", "lost", "failed: ..."
  storage::WriteAheadLog::Counters records;
  std::vector<std::pair<std::string, std::string>> values;
};

class PluginRunner final : public Endpoint {
 public:
  /// Datagrams that wait for the plugin, and their bytes; more are dropped and counted.
  static constexpr std::size_t kMaxQueued = 16'384;
  static constexpr std::size_t kMaxQueuedBytes = 64 * 1024 * 1024;

  PluginRunner(PluginSpec spec, std::shared_ptr<PluginLibrary> library, bool own_thread, PluginHome& home);
  /// `stop` must have been called, and the crypto pool must have stopped.
  ~PluginRunner() override;

  /// Makes the instance (on its own thread if it has one). Without one: the error, and the runner stays idle.
  Status start();
  /// No more calls after this: as if its machine had lost its power. May be called twice.
  void stop();

  void deliver(const Delivery& delivery) override;
  bool own_thread() const { return own_thread_; }
  Port port() const { return spec_.port; }
  /// Without a thread of its own: handles what waits and what is due; true if there was anything.
  bool run(Instant now);
  /// When run is wanted; never if it has its own thread.
  Instant deadline() const { return own_thread_ ? Instant::never() : deadline_; }
  PluginStatus status();

 private:
  struct Input {
    enum class Kind : std::uint8_t { Datagram, Done, LogLost };
    Kind kind = Kind::Done;
    std::optional<Delivery> datagram;
    std::uint64_t ticket = 0;
  };

  Status make();
  void thread_main();
  void handle(const Input& input);
  void check_time(Instant now);
  void push_done(std::span<const std::uint64_t> tickets);
  void notify();
  int open_memory(const storage::MemoryOptions& options, void (*record)(void*, const std::uint8_t*, std::size_t),
                  void* arg, std::string& error);
  void log_failed(const std::string& reason);
  void publish_status();
  seneschal_host host_table();
  static int host_send(void* host, const seneschal_target* targets, std::size_t count, const std::uint8_t* data,
                       std::size_t size);
  static int host_join(void* host, std::uint32_t group);
  static int host_run(void* host, void (*work)(void*), void* arg, std::uint64_t ticket);
  static int host_append(void* host, const std::uint8_t* data, std::size_t size, std::uint64_t ticket);
  static void host_log(void* host, int level, const char* text);
  static int host_open_log(void* host, const char* identity, int keep,
                           void (*record)(void*, const std::uint8_t*, std::size_t), void* arg, char* error,
                           std::size_t error_size);
  static int host_open_memory(void* host, const seneschal_memory* memory,
                              void (*record)(void*, const std::uint8_t*, std::size_t), void* arg, char* error,
                              std::size_t error_size);
  static int host_forget_before(void* host, std::uint64_t ticket);

  PluginSpec spec_;
  std::shared_ptr<PluginLibrary> library_;
  const seneschal_plugin& table_;
  const bool own_thread_;
  PluginHome& home_;
  seneschal_host host_;
  void* self_ = nullptr;
  Instant deadline_ = Instant::never();
  std::unique_ptr<storage::WriteAheadLog> log_;  // the instance's thread; its callbacks come on the log's own

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Input> inbox_;  // guarded by mutex_
  std::size_t inbox_bytes_ = 0;
  bool stopping_ = false;
  std::deque<Input> taken_;
  std::thread thread_;

  std::mutex status_mutex_;
  std::string state_ = "starting";  // guarded by status_mutex_, as is status_text_
  std::string status_text_;
  std::string log_state_ = "none";
  storage::WriteAheadLog::Counters log_counters_;
  Instant published_{};
  bool unpublished_ = true;
  std::atomic<std::uint64_t> datagrams_{0}, jobs_{0}, sends_{0}, dropped_in_{0}, dropped_out_{0};
};

}  // namespace seneschal::overlay
