// The node's event loop: files that become readable, one precise timer, work posted from other threads, signals.
// Boost.Asio stays behind this header.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"

#include <functional>
#include <memory>

namespace seneschal::asio {

/// The clock of everything real: std::chrono::steady_clock.
Instant steady_now();

class IoLoop {
 public:
  using Handler = std::function<void()>;

  IoLoop();
  ~IoLoop();
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  /// Calls `handler` whenever `fd` is readable, until unwatch(fd). The descriptor stays the caller's.
  void watch_read(int fd, Handler handler);
  /// Calls `handler` once when `fd` can be written; `fd` must be watched for reading.
  void watch_write(int fd, Handler handler);
  /// To be called before `fd` is closed. Pending handlers of it do not run any more.
  void unwatch(int fd);
  /// Runs `handler` on the loop's thread. Any thread may call this.
  void post(Handler handler);
  /// The timer handler is wanted at `at`; replaces the wish before.
  void set_timer(Instant at);
  /// SIGINT and SIGTERM call `handler`.
  void on_stop_signals(Handler handler);

  /// Runs until stop(). `timer` is called when the timer has run out, `after` after each round of handlers.
  void run(Handler timer, Handler after);
  /// Any thread may call this.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace seneschal::asio
