// What a long command tells its user: one line that changes on a terminal, plain lines elsewhere.
#pragma once
#include <mutex>
#include <string>

namespace seneschal::lab {

/// Writes to standard error. Safe from several threads.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// A step has begun or moved on: replaces the changing line; not shown when standard error is no terminal.
  void update(const std::string& text);
  /// A line that stays.
  void line(const std::string& text);
  /// Takes the changing line back: something else is printed next.
  void clear();

 private:
  void take_back();
  std::mutex mutex_;
  bool terminal_;
  bool shown_ = false;
};

}  // namespace seneschal::lab
