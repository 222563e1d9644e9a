// Random faults over random settings: agreement, exactly-once, and progress once the faults are over.
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

namespace seneschal::bft {
namespace {

using seneschal::testing::Bed;
using seneschal::testing::Group;
using seneschal::testing::server_id;
using namespace std::chrono_literals;

Settings random_settings(Prng& prng) {
  Settings s;
  s.auth = prng.chance(1, 4) ? Auth::Signatures : Auth::Mac;
  s.delivery = prng.chance(1, 2) ? Delivery::Unicast : Delivery::Multicast;
  s.batch_max = prng.chance(1, 3) ? 1 : 64;
  s.checkpoint_interval = prng.between(1, 16);
  s.log_span = 2 * s.checkpoint_interval + prng.below(16);
  s.window = prng.between(1, s.log_span);
  return s;
}

TEST(BftProperty, FaultsChangeLatencyOnly) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Prng prng(seed);
    auto faults = static_cast<std::uint16_t>(prng.chance(1, 5) ? 2 : 1);
    Group group(faults, 4, random_settings(prng), seed);
    group.bed.jitter = Duration(static_cast<std::int64_t>(prng.below(20'000'000)));
    group.bed.loss_per_mille = prng.below(150);
    group.bed.duplicate_per_mille = prng.below(150);
    std::set<std::size_t> dead;
    while (dead.size() < prng.below(faults + 1u)) dead.insert(prng.between(1, 3u * faults));
    for (std::size_t i : dead) group.bed.server(static_cast<std::uint16_t>(i)).down = true;
    // A partition in the middle: one living backup hears and says nothing for a while.
    std::uint16_t cut_off = 1;
    while (dead.contains(cut_off)) ++cut_off;
    bool cut = false;
    group.bed.filter = [&](Bed::Datagram& d) {
      return !cut || (d.from != server_id(cut_off) && d.to != server_id(cut_off));
    };
    group.add_clients(4, 25);
    group.bed.start();
    group.bed.run_for(150ms);
    cut = true;
    group.bed.run_for(1s);
    cut = false;
    group.bed.loss_per_mille = std::min<std::uint64_t>(group.bed.loss_per_mille, 50);
    ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 600s)) << "seed " << seed;
    group.bed.loss_per_mille = 0;
    ASSERT_TRUE(group.bed.run_until([&] { return group.equal(dead); }, 60s)) << "seed " << seed;
    EXPECT_TRUE(group.agreed()) << "seed " << seed;
    EXPECT_EQ(group.count(0, EventKind::UpdateDone), 100u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace seneschal::bft
