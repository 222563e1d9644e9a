#include "overlay/daemon/session_server.hpp"

#include <sys/socket.h>
#include <cerrno>

namespace seneschal::overlay {
namespace {
constexpr int kSendBuffer = 1 << 20;
constexpr std::size_t kSendBatch = 64;
constexpr int kReceiveBatch = 256;
}  // namespace

class SessionServer::Connection {
 public:
  Connection(SessionServer& server, asio::Fd fd) : server_(server), fd_(std::move(fd)) {
    if (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) != 0)
      (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    server_.loop_.watch_read(fd_.get(), [this] { on_readable(); });
  }
  ~Connection() {
    for (auto& [port, endpoint] : ports_) server_.node_.close(port);
    server_.loop_.unwatch(fd_.get());
  }

  void flush();

 private:
  struct PortEndpoint final : Endpoint {
    PortEndpoint(Connection& c, Port p) : connection(c), port(p) {}
    void deliver(const Delivery& delivery) override { connection.queue(port, delivery); }
    Connection& connection;
    Port port;
  };
  struct Out {
    Bytes header;
    SharedBytes owner;
    Span payload;
    std::size_t bytes() const { return header.size() + payload.size(); }
  };

  void on_readable();
  bool handle(Span packet);
  bool request(SessionType type, Span packet);
  bool send(Span packet);
  void answer(SessionType request, std::expected<void, Reject> result);
  void queue(Port port, const Delivery& delivery);
  void push(Out out);
  void end() {
    if (ended_) return;
    ended_ = true;
    server_.loop_.unwatch(fd_.get());  // the other end is gone: it would stay readable for ever
    server_.dead_.push_back(fd_.get());
  }

  SessionServer& server_;
  asio::Fd fd_;
  std::map<Port, std::unique_ptr<PortEndpoint>> ports_;
  std::vector<Target> targets_;
  std::deque<Out> out_;
  std::size_t out_bytes_ = 0;
  bool blocked_ = false;
  bool ended_ = false;
};

void SessionServer::Connection::on_readable() {
  for (int i = 0; i < kReceiveBatch && !ended_; ++i) {
    const ssize_t n = ::recv(fd_.get(), server_.buffer_.data(), server_.buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) end();
      return;
    }
    if (n == 0) return end();
    const auto size = static_cast<std::size_t>(n);
    if (size <= server_.buffer_.size() && handle(Span(server_.buffer_).first(size))) continue;
    ++server_.counters_.malformed;
    return end();
  }
}

bool SessionServer::Connection::handle(Span packet) {
  if (packet[0] > static_cast<Byte>(SessionType::kLast)) return false;
  const auto type = static_cast<SessionType>(packet[0]);
  switch (type) {
    case SessionType::Open:
    case SessionType::Close:
    case SessionType::Join:
    case SessionType::Leave: return request(type, packet);
    case SessionType::Send: return send(packet);
    case SessionType::Answer:
    case SessionType::Datagram: break;  // only nodes say these
  }
  return false;
}

bool SessionServer::Connection::request(SessionType type, Span packet) {
  Span rest;
  const auto message = read_session<SessionRequest>(packet, rest);
  if (!message || !rest.empty()) return false;
  const bool mine = ports_.contains(message->port);
  if (type == SessionType::Open) {
    if (ports_.size() >= kMaxPorts) return answer(type, std::unexpected(Reject::Overloaded)), true;
    auto endpoint = std::make_unique<PortEndpoint>(*this, message->port);
    const auto opened = server_.node_.open(message->port, *endpoint);
    if (opened) ports_.emplace(message->port, std::move(endpoint));
    answer(type, opened);
  } else if (type == SessionType::Join) {
    answer(type, mine ? server_.node_.join(message->port, message->group) : std::unexpected(Reject::NotOurs));
  } else if (type == SessionType::Leave && mine) {
    server_.node_.leave(message->port, message->group);
  } else if (type == SessionType::Close && mine) {
    server_.node_.close(message->port);
    ports_.erase(message->port);
  }
  return true;
}

bool SessionServer::Connection::send(Span packet) {
  Span payload;
  const auto message = read_session<SessionSend>(packet, payload);
  if (!message) return false;
  ++server_.counters_.received;
  if (!ports_.contains(message->source)) return false;
  targets_.clear();
  for (const SessionTarget& target : message->targets) targets_.push_back(target.target());
  // Refusals are counted by the node; datagrams promise nothing.
  (void)server_.node_.send(message->source, targets_, share(to_bytes(payload)), message->service);
  return true;
}

void SessionServer::Connection::answer(SessionType request, std::expected<void, Reject> result) {
  SessionAnswer message{request, server_.node_.self(), std::nullopt};
  if (!result) message.refused = result.error();
  push({session_packet(SessionType::Answer, message), nullptr, {}});
}

void SessionServer::Connection::queue(Port port, const Delivery& delivery) {
  if (out_.size() >= kMaxQueued || out_bytes_ + delivery.payload.size() > kMaxQueuedBytes) {
    ++server_.counters_.queue_drops;
    return;
  }
  ++server_.counters_.sent;
  const SessionDatagram message{port, delivery.source, SessionTarget::of(delivery.target)};
  push({session_packet(SessionType::Datagram, message), delivery.owner, delivery.payload});
}

void SessionServer::Connection::push(Out out) {
  if (out_.empty()) server_.dirty_.push_back(fd_.get());
  out_bytes_ += out.bytes();
  out_.push_back(std::move(out));
}

void SessionServer::Connection::flush() {
  while (!out_.empty() && !blocked_ && !ended_) {
    std::array<mmsghdr, kSendBatch> messages{};
    std::array<std::array<iovec, 2>, kSendBatch> parts;
    const std::size_t n = std::min(out_.size(), kSendBatch);
    for (std::size_t i = 0; i < n; ++i) {
      Out& out = out_[i];
      parts[i][0] = {out.header.data(), out.header.size()};
      parts[i][1] = {const_cast<Byte*>(out.payload.data()), out.payload.size()};
      messages[i].msg_hdr.msg_iov = parts[i].data();
      messages[i].msg_hdr.msg_iovlen = 2;
    }
    const int sent = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(n), MSG_DONTWAIT | MSG_NOSIGNAL);
    for (int i = 0; i < sent; ++i) {
      out_bytes_ -= out_.front().bytes();
      out_.pop_front();
    }
    if (sent > 0) continue;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) return end();
    blocked_ = true;
    server_.loop_.watch_write(fd_.get(), [this] {
      blocked_ = false;
      flush();
    });
  }
}

SessionServer::SessionServer(asio::IoLoop& loop, asio::UnixListener listener, Switchboard& node)
    : loop_(loop),
      node_(node),
      buffer_(kMaxSessionPacket),
      door_(loop, std::move(listener), "sessions", kSpareDescriptors,
            [this](asio::Fd fd) { welcome(std::move(fd)); }) {}

SessionServer::~SessionServer() {
  sessions_.clear();
}

void SessionServer::welcome(asio::Fd fd) {
  if (sessions_.size() >= kMaxSessions) {
    ++counters_.refused;
    return;
  }
  ++counters_.accepted;
  const int number = fd.get();
  sessions_.emplace(number, std::make_unique<Connection>(*this, std::move(fd)));
}

void SessionServer::flush() {
  door_.settle();
  std::vector<int> dirty;
  dirty.swap(dirty_);
  for (int fd : dirty)
    if (const auto at = sessions_.find(fd); at != sessions_.end()) at->second->flush();
  std::vector<int> dead;
  dead.swap(dead_);
  for (int fd : dead) sessions_.erase(fd);
}

}  // namespace seneschal::overlay
