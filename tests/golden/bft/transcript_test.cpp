// One request through the flat baseline, message by message, and one encoding of each message type. A difference
// means that the protocol or its wire format changed: look at it, and if it is meant, run with
// SENESCHAL_UPDATE_GOLDEN=1.
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace seneschal::bft {
namespace {

using seneschal::testing::Group;
using namespace std::chrono_literals;

void expect_golden(const std::string& name, const std::string& text) {
  std::string path = std::string(SENESCHAL_SOURCE_DIR) + "/tests/golden/bft/" + name;
  if (std::getenv("SENESCHAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path << " is missing";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path;
}

std::string describe(const MessageTable& table, Span sealed) {
  auto parts = parse_sealed(sealed);
  if (!parts) return "?";
  const MessageType* type = table.find(parts->header.protocol, parts->header.type);
  if (type == nullptr) return "?";
  auto body = type->decode(parts->body, nullptr);
  if (!body) return "?";
  const char* const kAuth[] = {"signed", "mac", "authenticator", "bare"};
  return type->print(body->get()) + " " + kAuth[static_cast<std::size_t>(parts->header.auth)];
}

std::string transcript(Settings settings) {
  Group group(1, 1, settings);
  group.bed.record = true;
  group.add_clients(1, 1);
  EXPECT_TRUE(group.run(1s));
  group.bed.run_for(10ms);
  MessageTable table = MessageTable::of<PrePrepare, Prepare, Commit, Checkpoint, Status, Entry, replication::Update,
                                        replication::Query, replication::Reply, replication::Answer>();
  std::string text;
  for (const auto& d : group.bed.sent)
    text += to_string(d.from) + " -> " + to_string(d.to) + ": " + describe(table, *d.bytes) + "\n";
  for (std::uint16_t i = 0; i < 4; ++i)
    text += "server " + std::to_string(i) + " executed " + std::to_string(group.executed(i).value) + "\n";
  return text;
}

TEST(BftGolden, OneRequestWithMacs) {
  expect_golden("one_request_mac.txt", transcript({}));
}

TEST(BftGolden, OneRequestWithSignaturesAndCheckpoint) {
  Settings settings;
  settings.auth = Auth::Signatures;
  settings.delivery = Delivery::Unicast;
  settings.checkpoint_interval = 1;
  expect_golden("one_request_signatures.txt", transcript(settings));
}

TEST(BftGolden, EncodingOfEachMessage) {
  Group group;
  Digest digest;
  for (std::size_t i = 0; i < 32; ++i) digest.bytes[i] = static_cast<Byte>(i);
  auto update = group.update(1, 2, "v", AuthKind::Signature);
  PrePrepare proposal = group.proposal(5, {update}, 3);
  Status status{View(3), Seq(4), Seq(2), 7, {}};
  status.slots.items.push_back({Seq(5), true, 6, 0});
  std::string text;
  auto line = [&](const char* name, const Bytes& bytes) { text += std::string(name) + " " + to_hex(bytes) + "\n"; };
  line("PrePrepare", encode(proposal));
  line("Prepare", encode(Prepare{View(3), Seq(5), digest}));
  line("Commit", encode(Commit{View(3), Seq(5), digest}));
  line("Checkpoint", encode(Checkpoint{Seq(128), digest}));
  line("Status", encode(status));
  line("Entry", encode(Entry{View(3), Seq(5), true, digest, Vouched<Batch>{proposal.batch}}));
  line("Entry", encode(Entry{View(3), Seq(5), true, digest, std::nullopt}));
  expect_golden("encodings.txt", text);
}

}  // namespace
}  // namespace seneschal::bft
