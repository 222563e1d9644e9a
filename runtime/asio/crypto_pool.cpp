#include "runtime/asio/crypto_pool.hpp"

#include "runtime/asio/scheduling.hpp"

#include <pthread.h>

#include <algorithm>
#include <csignal>

namespace seneschal::asio {
CryptoPool::CryptoPool(unsigned threads, std::size_t max_queued) : max_queued_(max_queued) {
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

CryptoPool::~CryptoPool() {
  stop();
}

void CryptoPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  ready_.notify_all();
  for (std::thread& worker : workers_)
    if (worker.joinable()) worker.join();
}

bool CryptoPool::submit(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= max_queued_) {
      ++refused_;
      return false;
    }
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
  return true;
}

void CryptoPool::work() {
  // Signals belong to the loop's thread.
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  run_after_others();
  (void)::pthread_setname_np(::pthread_self(), "crypto");
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
    ++done_;
  }
}

std::size_t CryptoPool::queued() const {
  std::lock_guard lock(mutex_);
  return jobs_.size();
}
std::uint64_t CryptoPool::done() const {
  std::lock_guard lock(mutex_);
  return done_;
}
std::uint64_t CryptoPool::refused() const {
  std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace seneschal::asio
