// `ctl` talks to a node over a Unix socket: one JSON object per line and direction.
#pragma once
#include "runtime/asio/io_loop.hpp"
#include "runtime/asio/unix_socket.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace seneschal::overlay {

class ControlServer {
 public:
  static constexpr std::size_t kMaxConnections = 32;
  static constexpr std::size_t kMaxLine = 64 * 1024;
  /// Takes a request line, gives the answer line; neither has the newline.
  using Handler = std::function<std::string(const std::string&)>;

  ControlServer(asio::IoLoop& loop, asio::UnixListener listener, Handler handler);
  ~ControlServer();

 private:
  struct Connection {
    asio::Fd fd;
    std::string in;
  };
  void accept();
  void on_readable(int fd);
  void close(int fd);

  asio::IoLoop& loop_;
  asio::UnixListener listener_;
  Handler handler_;
  std::map<int, Connection> connections_;
};

}  // namespace seneschal::overlay
