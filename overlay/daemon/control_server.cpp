#include "overlay/daemon/control_server.hpp"

#include <sys/socket.h>
#include <array>
#include <cerrno>

namespace seneschal::overlay {
namespace {
constexpr int kAnswerBuffer = 4 << 20;
}

ControlServer::ControlServer(asio::IoLoop& loop, asio::UnixListener listener, Handler handler)
    : loop_(loop),
      handler_(std::move(handler)),
      door_(loop, std::move(listener), "control connections", kSpareDescriptors,
            [this](asio::Fd fd) { welcome(std::move(fd)); }) {}

ControlServer::~ControlServer() {
  while (!connections_.empty()) close(connections_.begin()->first);
}

void ControlServer::welcome(asio::Fd fd) {
  if (connections_.size() >= kMaxConnections) return;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kAnswerBuffer, sizeof kAnswerBuffer) != 0)
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kAnswerBuffer, sizeof kAnswerBuffer);
  const int number = fd.get();
  connections_.emplace(number, Connection{std::move(fd), {}});
  loop_.watch_read(number, [this, number] { on_readable(number); });
}

void ControlServer::close(int fd) {
  loop_.unwatch(fd);
  connections_.erase(fd);
}

void ControlServer::on_readable(int fd) {
  Connection& connection = connections_.at(fd);
  std::array<char, 4096> buffer;
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close(fd);
  connection.in.append(buffer.data(), static_cast<std::size_t>(n));
  for (std::size_t end; (end = connection.in.find('\n')) != std::string::npos;) {
    const std::string answer = handler_(connection.in.substr(0, end)) + "\n";
    connection.in.erase(0, end + 1);
    // The socket's buffer holds any answer; somebody who does not read loses the connection.
    if (::send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size()))
      return close(fd);
  }
  if (connection.in.size() > kMaxLine) close(fd);
}

}  // namespace seneschal::overlay
