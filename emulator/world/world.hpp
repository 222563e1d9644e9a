// Virtual time: events happen in the order of their times, then of their insertion, and take no time themselves.
#pragma once
#include "emulator/world/event_queue.hpp"
#include "emulator/world/trace.hpp"

namespace seneschal::world {

class World {
 public:
  /// `seed` names all random draws made in this world (see `keyed_draw`).
  explicit World(std::uint64_t seed) : seed_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Instant now() const { return now_; }
  std::uint64_t seed() const { return seed_; }

  /// `handler` must outlive the event. `at` must not be in the past (CHECKed).
  void schedule(Instant at, Handler& handler, std::uint32_t kind, std::uint32_t payload = 0) {
    CHECK(at >= now_);
    queue_.push(at, handler, kind, payload);
  }

  /// Carries out the next event; false if there is none.
  bool step();
  /// Carries out all events up to and including `end`, then sets the clock to `end`.
  void run_until(Instant end);

  std::uint64_t events() const { return events_; }
  std::size_t pending() const { return queue_.size(); }
  Trace& trace() { return trace_; }
  const Trace& trace() const { return trace_; }

 private:
  std::uint64_t seed_;
  Instant now_{};
  EventQueue queue_;
  std::uint64_t events_ = 0;
  Trace trace_;
};

}  // namespace seneschal::world
