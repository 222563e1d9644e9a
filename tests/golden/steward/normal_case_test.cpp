// The messages of one update at f = 1 with three sites, as one would draw them on a board. Written anew with
// SENESCHAL_UPDATE_GOLDEN=1.
#include "tests/unit/steward/bed.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace seneschal::steward::testing {
namespace {

std::string transcript(FanOut fan_out, Delivery delivery) {
  Settings settings;
  settings.fan_out = fan_out;
  settings.delivery = delivery;
  Bed bed(3, 1, 1, settings);
  bed.record = true;
  bed.start();
  MessageTable names = StewardCore::message_table();
  std::ostringstream out;
  std::size_t written = 0;
  auto write = [&] {
    // Equal messages of one sender in one instant are one line with all receivers.
    while (written < bed.sent.size()) {
      const auto& first = bed.sent[written];
      const MessageType* type = names.find(first.protocol(), first.type());
      out << bed.now.ns / 1000 << " us  " << to_string(first.from) << " -> ";
      std::size_t receivers = 0;
      std::string last;
      for (; written < bed.sent.size() && bed.sent[written].bytes == first.bytes; ++written, ++receivers)
        last += (receivers ? ", " : "") + to_string(bed.sent[written].to);
      out << (receivers <= 4 ? last : std::to_string(receivers) + " servers");
      out << ": " << (type != nullptr ? type->name : "Reply") << ", " << first.bytes->size() << " bytes\n";
    }
  };
  bed.put(ClientId(2), "key", "value");
  write();
  bed.run_while(2s, [&] {
    write();
    return !bed.at(ClientId(2)).client().idle();
  });
  write();
  return out.str();
}

void compare(const std::string& name, const std::string& now) {
  std::string path = std::string(SENESCHAL_SOURCE_DIR) + "/tests/golden/steward/" + name + ".txt";
  if (std::getenv("SENESCHAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << now;
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path << " is missing; write it with SENESCHAL_UPDATE_GOLDEN=1";
  std::stringstream expected;
  expected << in.rdbuf();
  EXPECT_EQ(now, expected.str()) << "if this change is meant, write the files anew with SENESCHAL_UPDATE_GOLDEN=1";
}

TEST(StewardTranscript, CollectorAndMulticast) {
  compare("collector_multicast", transcript(FanOut::Collector, Delivery::Multicast));
}

TEST(StewardTranscript, AsInThePaper) {
  compare("paper", transcript(FanOut::All, Delivery::Representative));
}

}  // namespace
}  // namespace seneschal::steward::testing
