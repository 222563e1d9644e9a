#include "runtime/asio/io_loop.hpp"

#include "base/check.hpp"

#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <map>

namespace seneschal::asio {

namespace ba = boost::asio;

Instant steady_now() {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

namespace {

// What one round of the loop handles before its results are sent.
constexpr int kHandlersPerRound = 16;

struct Watch : std::enable_shared_from_this<Watch> {
  Watch(ba::io_context& context, int fd, IoLoop::Handler h) : descriptor(context, fd), handler(std::move(h)) {}

  void arm() {
    descriptor.async_wait(ba::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                            if (error || !self->live) return;
                            self->handler();
                            if (self->live) self->arm();
                          });
  }
  void arm_write(IoLoop::Handler once) {
    descriptor.async_wait(
        ba::posix::stream_descriptor::wait_write,
        [self = shared_from_this(), once = std::move(once)](const boost::system::error_code& error) {
          if (!error && self->live) once();
        });
  }

  ba::posix::stream_descriptor descriptor;
  IoLoop::Handler handler;
  bool live = true;
};

}  // namespace

struct IoLoop::Impl {
  Impl() : timer_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) { CHECK(timer_fd >= 0); }
  ~Impl() {
    for (auto& [fd, watch] : watches) {
      watch->live = false;
      watch->descriptor.release();
    }
    watches.clear();
    ::close(timer_fd);
  }

  // One thread runs this context; its locks are still needed for post().
  ba::io_context context{1};
  ba::executor_work_guard<ba::io_context::executor_type> work{context.get_executor()};
  std::map<int, std::shared_ptr<Watch>> watches;
  std::unique_ptr<ba::signal_set> signals;
  int timer_fd;
  Instant armed = Instant::never();
  bool timer_fired = false;
};

IoLoop::IoLoop() : impl_(std::make_unique<Impl>()) {
  // The kernel may delay timers of ordinary threads by 50 us to save wake-ups; links need better.
  ::prctl(PR_SET_TIMERSLACK, 1000UL);
  watch_read(impl_->timer_fd, [this] {
    std::uint64_t expirations = 0;
    if (::read(impl_->timer_fd, &expirations, sizeof expirations) == sizeof expirations) {
      impl_->timer_fired = true;
      impl_->armed = Instant::never();
    }
  });
}

IoLoop::~IoLoop() = default;

void IoLoop::watch_read(int fd, Handler handler) {
  auto watch = std::make_shared<Watch>(impl_->context, fd, std::move(handler));
  CHECK(impl_->watches.emplace(fd, watch).second);
  watch->arm();
}

void IoLoop::watch_write(int fd, Handler handler) {
  if (const auto at = impl_->watches.find(fd); at != impl_->watches.end()) at->second->arm_write(std::move(handler));
}

void IoLoop::unwatch(int fd) {
  const auto at = impl_->watches.find(fd);
  if (at == impl_->watches.end()) return;
  at->second->live = false;
  at->second->descriptor.release();
  impl_->watches.erase(at);
}

void IoLoop::post(Handler handler) {
  ba::post(impl_->context, std::move(handler));
}

void IoLoop::set_timer(Instant at) {
  if (at == impl_->armed) return;
  impl_->armed = at;
  itimerspec spec{};
  if (at != Instant::never()) {
    // Zero would disarm the timer; the past fires at once.
    const std::int64_t ns = std::max<std::int64_t>(at.ns, 1);
    spec.it_value.tv_sec = ns / 1'000'000'000;
    spec.it_value.tv_nsec = ns % 1'000'000'000;
  }
  CHECK(::timerfd_settime(impl_->timer_fd, TFD_TIMER_ABSTIME, &spec, nullptr) == 0);
}

void IoLoop::on_stop_signals(Handler handler) {
  impl_->signals = std::make_unique<ba::signal_set>(impl_->context, SIGINT, SIGTERM);
  impl_->signals->async_wait([handler = std::move(handler)](const boost::system::error_code& error, int) {
    if (!error) handler();
  });
}

void IoLoop::run(Handler timer, Handler after) {
  while (!impl_->context.stopped()) {
    impl_->context.run_one();
    // Not poll(): under steady traffic it would never return.
    for (int i = 0; i < kHandlersPerRound && impl_->context.poll_one() > 0; ++i) continue;
    if (impl_->timer_fired) {
      impl_->timer_fired = false;
      timer();
    }
    after();
  }
}

void IoLoop::stop() {
  impl_->context.stop();
}

}  // namespace seneschal::asio
