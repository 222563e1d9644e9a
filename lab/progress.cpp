#include "lab/progress.hpp"

#include <unistd.h>

#include <cstdio>

namespace seneschal::lab {

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  const std::lock_guard lock(mutex_);
  take_back();
}

void Progress::clear() {
  const std::lock_guard lock(mutex_);
  take_back();
  std::fflush(stderr);
}

void Progress::take_back() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void Progress::update(const std::string& text) {
  if (!terminal_) return;
  const std::lock_guard lock(mutex_);
  take_back();
  // A longer line would wrap, and only its last part could be taken back.
  std::fputs(text.substr(0, 78).c_str(), stderr);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::line(const std::string& text) {
  const std::lock_guard lock(mutex_);
  take_back();
  std::fputs((text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace seneschal::lab
