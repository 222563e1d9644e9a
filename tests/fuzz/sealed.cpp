// The envelope of every replication message: parts lie inside the input and put together again give the input.
#include "runtime/message.hpp"

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  const Span input(data, size);
  const auto parts = parse_sealed(input);
  if (!parts) return 0;
  CHECK(parts->signed_bytes.size() + parts->auth.size() == input.size());
  CHECK(parts->signed_bytes.data() == input.data());
  CHECK(parts->body.size() == parts->header.body_size);
  Bytes again = unsealed(parts->header, parts->body);
  append(again, parts->auth);
  CHECK(equal(again, input));
  return 0;
}
