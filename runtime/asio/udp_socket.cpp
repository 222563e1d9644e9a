#include "runtime/asio/udp_socket.hpp"

#include "base/check.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace seneschal::asio {
namespace {
constexpr int kBufferBytes = 8 * 1024 * 1024;

// As much buffer as the system grants: beyond its limit only root gets what it asks for.
void enlarge(int fd, int force, int ordinary) {
  if (::setsockopt(fd, SOL_SOCKET, force, &kBufferBytes, sizeof kBufferBytes) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, ordinary, &kBufferBytes, sizeof kBufferBytes);
}
}  // namespace

UdpAddress UdpAddress::from(const sockaddr_storage& storage) {
  UdpAddress address;
  std::uint16_t port = 0;
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    address.size_ = sizeof v4;
    std::memcpy(&address.storage_, &v4, sizeof v4);
    std::memcpy(&address.key_[1], &v4.sin_addr, 4);
    port = ntohs(v4.sin_port);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    address.size_ = sizeof v6;
    std::memcpy(&address.storage_, &v6, sizeof v6);
    std::memcpy(&address.key_[1], &v6.sin6_addr, 16);
    port = ntohs(v6.sin6_port);
  }
  address.key_[0] = static_cast<Byte>(storage.ss_family);
  address.key_[17] = static_cast<Byte>(port >> 8);
  address.key_[18] = static_cast<Byte>(port);
  return address;
}

Result<UdpAddress> UdpAddress::parse(std::string_view text) {
  const auto wrong = [&] {
    return failure("'" + std::string(text) + "' is not an address; expected \"127.0.0.1:7000\" or \"[::1]:7000\"");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string host(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return wrong();
  sockaddr_storage storage{};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1) return wrong();
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return wrong();
  }
  return from(storage);
}

std::string UdpAddress::text() const {
  char host[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage_).sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(port());
  }
  ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr, host, sizeof host);
  return "[" + std::string(host) + "]:" + std::to_string(port());
}

struct UdpSocket::Batch {
  // Receiving.
  std::array<std::array<Byte, kMaxDatagram>, kBatch> buffers;
  std::array<sockaddr_storage, kBatch> names;
  std::array<std::array<char, CMSG_SPACE(sizeof(std::uint32_t))>, kBatch> controls;
  std::array<iovec, kBatch> in_parts;
  std::array<mmsghdr, kBatch> in;
  std::array<UdpAddress, kBatch> from;
  std::array<Received, kBatch> received;
  // Sending.
  std::array<std::array<Byte, kMaxHeader>, kBatch> headers;
  std::array<SharedBytes, kBatch> owners;
  std::array<std::array<iovec, 2>, kBatch> out_parts;
  std::array<mmsghdr, kBatch> out;
  std::size_t queued = 0;
};

UdpSocket::UdpSocket(Fd fd) : fd_(std::move(fd)), batch_(std::make_unique<Batch>()) {}
UdpSocket::~UdpSocket() = default;

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(const UdpAddress& address) {
  Fd fd(::socket(address.storage().ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failure("cannot make a UDP socket: " + std::string(std::strerror(errno)));
  enlarge(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  enlarge(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage()), address.size()) != 0) {
    const std::string hint = errno == EADDRINUSE
                                 ? "another program uses this port; stop it or change the node's address"
                                 : "is this an address of this machine?";
    return failure("cannot listen on " + address.text() + ": " + std::strerror(errno) + "; " + hint);
  }
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(fd)));
}

UdpAddress UdpSocket::local() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  CHECK(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  return UdpAddress::from(storage);
}

std::span<const UdpSocket::Received> UdpSocket::receive() {
  Batch& b = *batch_;
  for (std::size_t i = 0; i < kBatch; ++i) {
    b.in_parts[i] = {b.buffers[i].data(), kMaxDatagram};
    b.in[i] = {};
    b.in[i].msg_hdr.msg_name = &b.names[i];
    b.in[i].msg_hdr.msg_namelen = sizeof b.names[i];
    b.in[i].msg_hdr.msg_iov = &b.in_parts[i];
    b.in[i].msg_hdr.msg_iovlen = 1;
    b.in[i].msg_hdr.msg_control = b.controls[i].data();
    b.in[i].msg_hdr.msg_controllen = b.controls[i].size();
  }
  const int n = ::recvmmsg(fd_.get(), b.in.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (n <= 0) return {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    msghdr& header = b.in[i].msg_hdr;
    b.from[i] = UdpAddress::from(b.names[i]);
    b.received[i] = {&b.from[i], Span(b.buffers[i].data(), b.in[i].msg_len), (header.msg_flags & MSG_TRUNC) != 0};
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
      std::uint32_t total = 0;
      std::memcpy(&total, CMSG_DATA(c), sizeof total);
      receive_drops_ = total;
    }
  }
  return {b.received.data(), static_cast<std::size_t>(n)};
}

void UdpSocket::send(const UdpAddress& to, Span header, const SharedBytes& owner, Span payload) {
  CHECK(header.size() <= kMaxHeader);
  Batch& b = *batch_;
  const std::size_t i = b.queued++;
  std::ranges::copy(header, b.headers[i].begin());
  b.owners[i] = owner;
  // sendmmsg takes pointers to mutable memory but does not write to it.
  b.out_parts[i][0] = {b.headers[i].data(), header.size()};
  b.out_parts[i][1] = {const_cast<Byte*>(payload.data()), payload.size()};
  b.out[i] = {};
  b.out[i].msg_hdr.msg_name = const_cast<sockaddr_storage*>(&to.storage());
  b.out[i].msg_hdr.msg_namelen = to.size();
  b.out[i].msg_hdr.msg_iov = b.out_parts[i].data();
  b.out[i].msg_hdr.msg_iovlen = 2;
  if (b.queued == kBatch) flush();
}

void UdpSocket::flush() {
  Batch& b = *batch_;
  std::size_t at = 0;
  bool waited = false;
  while (at < b.queued) {
    const int n = ::sendmmsg(fd_.get(), &b.out[at], static_cast<unsigned>(b.queued - at), MSG_DONTWAIT);
    if (n > 0) {
      at += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if ((errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) && !waited) {
      // The socket's buffer drains in well under a millisecond; waiting beats losing a batch.
      pollfd wait{fd_.get(), POLLOUT, 0};
      (void)::poll(&wait, 1, 1);
      waited = true;
      continue;
    }
    ++send_drops_;  // this one cannot be sent (unreachable, too long for the path); the others may
    ++at;
  }
  for (std::size_t i = 0; i < b.queued; ++i) b.owners[i] = nullptr;
  b.queued = 0;
}

}  // namespace seneschal::asio
