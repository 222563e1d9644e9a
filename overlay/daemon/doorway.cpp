#include "overlay/daemon/doorway.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <cerrno>

namespace seneschal::overlay {
namespace {
constexpr Duration kClosedFor = 200ms;
/// The log says it once, and again only after this long.
constexpr Duration kTellEvery = std::chrono::minutes(10);

asio::Fd reserve() {
  return asio::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/// Descriptors are given out lowest first: a number near the limit says how few are left.
bool near_limit(int fd, int spare) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return static_cast<rlim_t>(fd) + static_cast<rlim_t>(spare) >= limit.rlim_cur;
}
}  // namespace

Doorway::Doorway(asio::IoLoop& loop, asio::UnixListener listener, std::string what, int spare, Welcome welcome)
    : loop_(loop),
      listener_(std::move(listener)),
      what_(std::move(what)),
      spare_(spare),
      welcome_(std::move(welcome)),
      reserve_(reserve()) {
  watch();
}

Doorway::~Doorway() {
  loop_.unwatch(listener_.fd());
}

void Doorway::watch() {
  closed_until_ = Instant::never();
  loop_.watch_read(listener_.fd(), [this] { accept(); });
}

void Doorway::settle() {
  if (closed_until_ == Instant::never() || asio::steady_now() < closed_until_) return;
  if (!reserve_) reserve_ = reserve();
  watch();
}

void Doorway::accept() {
  for (;;) {
    asio::Fd fd = listener_.accept();
    if (fd) {
      if (near_limit(fd.get(), spare_)) {
        ++refused_;
        tell("the last " + std::to_string(spare_) + " file descriptors are for the node itself");
        continue;
      }
      welcome_(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (refuse_one()) continue;
    loop_.unwatch(listener_.fd());
    closed_until_ = asio::steady_now() + kClosedFor;
    return;
  }
}

bool Doorway::refuse_one() {
  tell(std::string("no connection can be accepted: ") + std::strerror(errno));
  if (!reserve_) return false;
  reserve_.reset();
  const bool one = static_cast<bool>(listener_.accept());  // closed at once
  reserve_ = reserve();
  if (one) ++refused_;
  return one && reserve_;
}

void Doorway::tell(const std::string& reason) {
  const Instant now = asio::steady_now();
  if (ever_told_ && now - told_ < kTellEvery) return;
  ever_told_ = true;
  told_ = now;
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  spdlog::warn("{}: {}; this process may have {} (ulimit -n). What comes now is refused; 'ctl status' counts it",
               what_, reason, limit.rlim_cur);
}

}  // namespace seneschal::overlay
