// The codec's building blocks, each kind of field in all its bounds, and the client messages made of them.
#include "base/codec.hpp"

#include "replication/messages.hpp"
#include "runtime/message.hpp"
#include "tests/fuzz/round_trip.hpp"

namespace seneschal {
namespace {

enum class Colour : std::uint8_t { Red, Green, Blue, kLast = Blue };

struct Inner {
  Colour colour = Colour::Red;
  Seq seq;
  auto operator<=>(const Inner&) const = default;
  auto fields() { return std::tie(colour, seq); }
};

struct Everything {
  static constexpr const char* kName = "Everything";
  bool flag = false;
  std::uint8_t small = 0;
  std::uint16_t medium = 0;
  std::uint32_t large = 0;
  ServerId server;
  EndpointId endpoint;
  Digest digest;
  BoundedBytes<64> text;
  List<Inner, 5> list;
  SortedList<Inner, 5> sorted;
  std::optional<Inner> maybe;
  std::variant<Seq, Inner, Digest> either;
  auto fields() {
    return std::tie(flag, small, medium, large, server, endpoint, digest, text, list, sorted, maybe, either);
  }
};

}  // namespace
}  // namespace seneschal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  const Span input(data, size);
  fuzz::round_trip_one_of<Everything, Inner, List<List<Inner, 3>, 3>, Header, replication::Update, replication::Query,
                          replication::Reply, replication::Answer, replication::NoMajority, replication::Batch>(
      input);
  return 0;
}
