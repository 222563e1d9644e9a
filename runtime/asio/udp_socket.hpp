// UDP in batches: many datagrams per system call, in and out.
#pragma once
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/asio/fd.hpp"

#include <netinet/in.h>
#include <memory>

namespace seneschal::asio {

/// A numeric IPv4 or IPv6 address with a port.
class UdpAddress {
 public:
  /// "127.0.0.1:7000" or "[::1]:7000". Port 0 lets the system choose (listening only).
  static Result<UdpAddress> parse(std::string_view text);
  static UdpAddress from(const sockaddr_storage& storage);

  std::string text() const;
  std::uint16_t port() const { return static_cast<std::uint16_t>(key_[17] << 8 | key_[18]); }
  bool is_v4() const { return size_ == sizeof(sockaddr_in); }
  const sockaddr_storage& storage() const { return storage_; }
  socklen_t size() const { return size_; }
  /// Equal for equal addresses.
  const std::array<Byte, 19>& key() const { return key_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
  std::array<Byte, 19> key_{};
};

class UdpSocket {
 public:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kMaxHeader = 64;
  /// Longer datagrams are reported as oversized.
  static constexpr std::size_t kMaxDatagram = 2048;

  /// Errors: the address is in use, or not of this machine.
  static Result<std::unique_ptr<UdpSocket>> open(const UdpAddress& address);
  ~UdpSocket();

  int fd() const { return fd_.get(); }
  UdpAddress local() const;

  struct Received {
    const UdpAddress* from;
    Span bytes;      // valid until the next receive
    bool oversized;  // cut off
  };
  /// Takes up to kBatch datagrams that have arrived; empty if there are none.
  std::span<const Received> receive();

  /// Queues one datagram (header, then payload) and sends the queue when it is full. `to` must outlive the flush.
  void send(const UdpAddress& to, Span header, const SharedBytes& owner, Span payload);
  /// Sends what is queued.
  void flush();

  /// Datagrams that the kernel dropped because we read too slowly (SO_RXQ_OVFL).
  std::uint64_t receive_drops() const { return receive_drops_; }
  /// Datagrams that the kernel would not take.
  std::uint64_t send_drops() const { return send_drops_; }

 private:
  struct Batch;
  explicit UdpSocket(Fd fd);
  Fd fd_;
  std::unique_ptr<Batch> batch_;
  std::uint64_t receive_drops_ = 0;
  std::uint64_t send_drops_ = 0;
};

}  // namespace seneschal::asio
