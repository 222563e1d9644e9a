// Threads for long computations, at low priority so that they never delay I/O.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace seneschal::asio {

class CryptoPool {
 public:
  /// `threads` of nice +10 (0: as many as the machine has cores); at most `max_queued` jobs wait.
  CryptoPool(unsigned threads, std::size_t max_queued);
  /// Waits for running jobs; waiting ones are dropped.
  ~CryptoPool();

  /// False if the queue is full or the pool has stopped.
  bool submit(std::function<void()> job);
  void stop();

  std::size_t threads() const { return workers_.size(); }
  std::size_t queued() const;
  std::uint64_t done() const;
  std::uint64_t refused() const;

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> jobs_;
  std::size_t max_queued_;
  bool stopping_ = false;
  std::uint64_t done_ = 0;
  std::uint64_t refused_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace seneschal::asio
