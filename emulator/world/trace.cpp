#include "emulator/world/trace.hpp"

#include <cstdio>

namespace seneschal::world {

void Trace::text(Instant at, const std::string& who, const std::string& what) {
  if (keep_ == 0) return;
  char time[40];
  std::snprintf(time, sizeof time, "%lld.%06lld ms ", static_cast<long long>(at.ns / 1'000'000),
                static_cast<long long>(at.ns % 1'000'000));
  lines_.push_back(time + who + " " + what);
  if (lines_.size() > keep_) {
    lines_.pop_front();
    ++dropped_;
  }
}

std::string Trace::lines() const {
  std::string text;
  if (dropped_ != 0) text = "(" + std::to_string(dropped_) + " earlier lines left out)\n";
  for (const std::string& line : lines_) text += line + "\n";
  return text;
}

}  // namespace seneschal::world
