#include "overlay/session.hpp"

#include "overlay/session.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <deque>

namespace seneschal::overlay {
namespace {
constexpr int kAnswerPatienceMs = 5000;
constexpr int kBufferBytes = 1 << 20;
constexpr std::size_t kMaxPayload = 256 * 1024;

int milliseconds(Duration patience) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 1'000'000'000));
}
}  // namespace

struct Session::Impl {
  explicit Impl(int f) : fd(f), buffer(kMaxSessionPacket) {}
  ~Impl() { ::close(fd); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Takes one packet from the socket: a datagram goes to `inbox`, an answer is returned. False: none, or the end.
  bool take(std::optional<SessionAnswer>& answer) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0) {
      if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) alive = false;
      return false;
    }
    const Span packet = Span(buffer).first(static_cast<std::size_t>(n));
    Span rest;
    if (packet[0] == static_cast<Byte>(SessionType::Answer)) {
      if (const auto got = read_session<SessionAnswer>(packet, rest)) answer = *got;
    } else if (packet[0] == static_cast<Byte>(SessionType::Datagram)) {
      if (const auto got = read_session<SessionDatagram>(packet, rest))
        inbox.push_back({got->port, got->source, got->target.target(), share(to_bytes(rest))});
    }
    return true;
  }

  bool wait(short events, int ms) const {
    pollfd wait{fd, events, 0};
    return ::poll(&wait, 1, ms) > 0;
  }

  static std::unexpected<Error> closed() {
    return failure("the node has closed the session; its log says why if it refused it");
  }

  Status ask(SessionType type, const SessionRequest& request, bool answered) {
    const Bytes packet = session_packet(type, request);
    wait(POLLOUT, kAnswerPatienceMs);
    if (::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
      alive = false;
      return closed();
    }
    if (!answered) return {};
    std::optional<SessionAnswer> answer;
    while (!answer) {
      if (take(answer)) continue;
      if (!alive) return closed();
      if (!wait(POLLIN, kAnswerPatienceMs)) return failure("the node does not answer");
    }
    node = answer->node;
    if (!answer->refused) return {};
    const std::string what = type == SessionType::Open ? "port " + std::to_string(request.port.value)
                                                       : "group " + std::to_string(request.group.value);
    return failure("node " + std::to_string(node.value) + " refuses " + what + ": " +
                   std::string(to_string(*answer->refused)) +
                   (*answer->refused == Reject::Duplicate ? " (somebody else uses it)" : ""));
  }

  int fd;
  bool alive = true;
  NodeId node;
  Bytes buffer;
  Bytes header;
  std::deque<SessionReceived> inbox;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure("'" + path + "' cannot be a socket's path: it has " + std::to_string(path.size()) + " characters");
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(std::string("cannot make a socket: ") + std::strerror(errno));
  auto impl = std::make_unique<Impl>(fd);
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure(path + ": cannot connect: " + std::strerror(errno) +
                   "; is the node running, and is this its socket?");
  return Session(std::move(impl));
}

Status Session::open(Port port) {
  return impl_->ask(SessionType::Open, {port, {}}, true);
}
Status Session::close(Port port) {
  return impl_->ask(SessionType::Close, {port, {}}, false);
}
Status Session::join(Port port, GroupId group) {
  return impl_->ask(SessionType::Join, {port, group}, true);
}
Status Session::leave(Port port, GroupId group) {
  return impl_->ask(SessionType::Leave, {port, group}, false);
}

std::expected<void, Reject> Session::send(Port source, std::span<const Target> targets, Span bytes, Service service) {
  if (bytes.size() > kMaxPayload || targets.size() > kMaxSessionTargets) return std::unexpected(Reject::TooLong);
  SessionSend message{source, service, {}};
  for (const Target& target : targets) message.targets.items.push_back(SessionTarget::of(target));
  impl_->header = session_packet(SessionType::Send, message);
  iovec parts[2] = {{impl_->header.data(), impl_->header.size()}, {const_cast<Byte*>(bytes.data()), bytes.size()}};
  msghdr packet{};
  packet.msg_iov = parts;
  packet.msg_iovlen = 2;
  if (::sendmsg(impl_->fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR)
    return std::unexpected(Reject::QueueFull);
  if (errno == EMSGSIZE) return std::unexpected(Reject::TooLong);
  impl_->alive = false;
  return std::unexpected(Reject::NotOurs);
}

std::optional<SessionReceived> Session::receive(Duration patience) {
  std::optional<SessionAnswer> stray;
  if (impl_->inbox.empty() && !impl_->take(stray) && impl_->alive && patience > Duration::zero()) {
    impl_->wait(POLLIN, milliseconds(patience));
    impl_->take(stray);
  }
  if (impl_->inbox.empty()) return std::nullopt;
  SessionReceived first = std::move(impl_->inbox.front());
  impl_->inbox.pop_front();
  return first;
}

int Session::fd() const {
  return impl_->fd;
}
bool Session::alive() const {
  return impl_->alive;
}
NodeId Session::node() const {
  return impl_->node;
}

}  // namespace seneschal::overlay

struct seneschal_session {
  seneschal::overlay::Session session;
  seneschal::Port port;
};

namespace {
using namespace seneschal;

int send_to(seneschal_session* session, const overlay::Target& target, const void* data, size_t size) {
  const auto sent =
      session->session.send(session->port, std::array{target}, Span(static_cast<const Byte*>(data), size));
  if (sent) return 0;
  return sent.error() == Reject::QueueFull ? 1 : 2;
}
}  // namespace

extern "C" {

seneschal_session* seneschal_session_connect(const char* path, uint32_t port, char* error, size_t error_size) {
  auto session = overlay::Session::connect(path);
  Status good = session ? session->open(Port(port)) : Status(std::unexpected(session.error()));
  if (good) return new seneschal_session{std::move(*session), Port(port)};
  if (error_size > 0) {
    const std::size_t n = std::min(good.error().message.size(), error_size - 1);
    std::memcpy(error, good.error().message.data(), n);
    error[n] = '\0';
  }
  return nullptr;
}

int seneschal_session_join(seneschal_session* session, uint32_t group) {
  return session->session.join(session->port, GroupId(group)) ? 0 : 2;
}

int seneschal_session_send(seneschal_session* session, uint16_t node, uint32_t port, const void* data, size_t size) {
  return send_to(session, EndpointId{NodeId(node), Port(port)}, data, size);
}

int seneschal_session_send_group(seneschal_session* session, uint32_t group, const void* data, size_t size) {
  return send_to(session, GroupId(group), data, size);
}

long seneschal_session_receive(seneschal_session* session, int ms, uint16_t* source_node, uint32_t* source_port,
                               void* data, size_t capacity) {
  const auto got = session->session.receive(std::chrono::milliseconds(ms));
  if (!got) return session->session.alive() ? -1 : -2;
  if (source_node != nullptr) *source_node = got->source.node.value;
  if (source_port != nullptr) *source_port = got->source.port.value;
  std::memcpy(data, got->bytes->data(), std::min(capacity, got->bytes->size()));
  return static_cast<long>(got->bytes->size());
}

int seneschal_session_fd(const seneschal_session* session) {
  return session->session.fd();
}

void seneschal_session_close(seneschal_session* session) {
  delete session;
}
}
