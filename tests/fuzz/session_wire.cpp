// What a program and its node say to each other: whatever decodes encodes back, and the payload is the rest.
#include "overlay/session_wire.hpp"
#include "tests/fuzz/round_trip.hpp"

namespace {
using namespace seneschal;
using namespace seneschal::overlay;

template <class M>
void packet_of(SessionType type, Span packet) {
  Span payload;
  const auto message = read_session<M>(packet, payload);
  if (!message) return;
  CHECK(payload.empty() || payload.data() + payload.size() == packet.data() + packet.size());
  Bytes again = session_packet(type, *message);
  append(again, payload);
  CHECK(equal(Span(again).subspan(1), packet.subspan(1)));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Span packet(data, size);
  fuzz::round_trip_one_of<SessionRequest, SessionSend, SessionAnswer, SessionDatagram>(packet);
  packet_of<SessionRequest>(SessionType::Open, packet);
  packet_of<SessionSend>(SessionType::Send, packet);
  packet_of<SessionAnswer>(SessionType::Answer, packet);
  packet_of<SessionDatagram>(SessionType::Datagram, packet);
  return 0;
}
