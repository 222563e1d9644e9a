#include "emulator/world/world.hpp"

namespace seneschal::world {

bool World::step() {
  if (queue_.empty()) return false;
  const QueuedEvent event = queue_.pop();
  now_ = Instant{event.at_ns};
  ++events_;
  event.handler->fire(now_, event.kind, event.payload);
  return true;
}

void World::run_until(Instant end) {
  while (!queue_.empty() && queue_.top().at_ns <= end.ns) step();
  if (now_ < end) now_ = end;
}

}  // namespace seneschal::world
