// `ctl` talks to a node over a Unix socket: one JSON object per line and direction.
#pragma once
#include "overlay/daemon/doorway.hpp"

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

  /// To be called after each round of the loop.
  void settle() { door_.settle(); }

 private:
  struct Connection {
    asio::Fd fd;
    std::string in;
  };
  /// Fewer than sessions leave: an operator can ask when no session gets in any more.
  static constexpr int kSpareDescriptors = 16;
  void welcome(asio::Fd fd);
  void on_readable(int fd);
  void close(int fd);

  asio::IoLoop& loop_;
  Handler handler_;
  std::map<int, Connection> connections_;
  Doorway door_;
};

}  // namespace seneschal::overlay
