// A node whose neighbours send whatever the input says: packets of 2-byte length each, from one of two peers.
#include "overlay/node_core.hpp"
#include "tests/fuzz/round_trip.hpp"

namespace {
using namespace seneschal;
using namespace seneschal::overlay;

class Sink : public NodeEnv {
 public:
  void transmit(NodeId, const Frame& frame) override {
    HeaderBuffer header;
    CHECK(write_header(frame, header) == frame.header_bytes());
  }
  void deliver(Port, const Delivery& delivery) override {
    CHECK(delivery.bytes()->size() == delivery.payload.size());
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Span input(data, size);
  fuzz::round_trip_one_of<Hello, HelloReply, LinkState, LinkStateAck, ReliableAck>(input);

  Sink sink;
  NodeConfig config;
  config.self = NodeId(1);
  config.peers = {{NodeId(2)}, {NodeId(3), 500, 1'000'000}};
  config.limits.partial_bytes = 64 * 1024;
  NodeCore node(config, sink);
  Instant now{1'000'000};
  node.start(now);
  CHECK(node.open(Port(100)).has_value());
  CHECK(node.join(now, Port(100), GroupId(1)).has_value());
  while (input.size() > 3) {
    const std::size_t length = std::min<std::size_t>(input[1] * 256u + input[2], input.size() - 3);
    const NodeId from(input[0] % 2 == 0 ? 2 : 3);
    // Most inputs would fail at the magic number; the fuzzer's time is better spent behind it.
    Bytes packet{0x53, 0x4e, 0x01};
    append(packet, input.subspan(3, length));
    node.on_datagram(now, from, share(std::move(packet)));
    input = input.subspan(3 + length);
    now = now + 7ms;
    node.on_time(now);
  }
  CHECK(node.reassembler().partial_bytes() <= config.limits.partial_bytes);
  return 0;
}
