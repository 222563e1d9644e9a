// What a server holds does not grow with what was ordered. [Steward 7] Half a virtual minute; an hour with
// SENESCHAL_FULL=1.
#include "tests/unit/steward/bed.hpp"

#include <malloc.h>

#include <cstdlib>

namespace seneschal::steward::testing {
namespace {

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer)
constexpr bool kCountsHeap = false;  // mallinfo knows nothing of a sanitizer's allocator
#else
constexpr bool kCountsHeap = true;
#endif

/// All clients keep one update outstanding; what the bed itself keeps is thrown away as it goes.
void run_at_load(Bed& bed, Duration time, std::uint64_t& done) {
  Instant end = bed.now + time;
  while (bed.now < end) {
    for (const auto& info : bed.membership.clients) {
      auto& client = bed.at(info.id).client();
      done += client.take_completions().size();
      if (client.idle())
        bed.put(info.id, "k" + std::to_string(done % 500), std::string(200, static_cast<char>('a' + done % 26)));
    }
    bed.run_for(10ms);
    for (auto& [who, node] : bed.nodes) node->events.clear();
  }
}

/// The least of many looks: what is in flight, and how far the next checkpoint is, differs from one to the next.
std::size_t heap(Bed& bed, std::uint64_t& done) {
  std::size_t least = ~std::size_t{0};
  for (int i = 0; i < 50; ++i) {
    run_at_load(bed, 110ms, done);
    least = std::min<std::size_t>(least, mallinfo2().uordblks);
  }
  return least;
}

TEST(StewardMemory, IsFlatAtLoad) {
  const bool full = std::getenv("SENESCHAL_FULL") != nullptr;
  Settings settings;
  settings.log_growth = 64 * 1024;  // the bed's logs are in memory, too
  if (!full) settings.set_checkpoint_interval(16);
  Bed bed(3, 1, 8, settings);
  bed.start();
  std::uint64_t done = 0;
  run_at_load(bed, full ? 5min : 60s, done);  // until all that is bounded by number is full
  const Seq seq_before = bed.steward(server(0, 0)).history().aru();
  const std::size_t before = heap(bed, done);
  run_at_load(bed, full ? 55min : 30s, done);
  const std::size_t after = heap(bed, done);
  const Seq seq_after = bed.steward(server(0, 0)).history().aru();
  RecordProperty("updates", static_cast<int>(done));
  RecordProperty("entries", static_cast<int>(seq_after.value));
  RecordProperty("heap_before", static_cast<int>(before));
  RecordProperty("heap_after", static_cast<int>(after));
  // Enough happened for a leak to show: what one entry holds is more than a kilobyte at each of 12 servers.
  EXPECT_GT(seq_after.value - seq_before.value, settings.history_span);
  // The short run begins while some tables still fill. A single entry that stays costs its kilobyte 12 times, several
  // times the whole heap within that run.
  if (kCountsHeap) {
    EXPECT_LT(after, before + before / (full ? 20 : 5));
  }
  for (auto& [who, node] : bed.nodes) {
    if (!who.is_server()) continue;
    EXPECT_LE(node->steward().history().size(), settings.history_kept + 2 * settings.window) << to_string(who);
    // The newest one may be on its way: a majority of sites has to sign it first.
    EXPECT_LT(node->steward().history().aru().value,
              node->steward().history().stable().value + 2 * settings.checkpoint_interval)
        << to_string(who);
  }
}

}  // namespace
}  // namespace seneschal::steward::testing
