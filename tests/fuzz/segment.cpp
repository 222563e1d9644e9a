// The reader of a log's files: whatever they contain, what it returns was framed there, and nothing else is claimed.
#include "runtime/storage/segment.hpp"
#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::storage;
  const Span input(data, size);
  if (const auto header = decode_header(input)) {
    CHECK(equal(encode_header(*header), input.first(header_size())) || header->identity.size() <= kMaxIdentity);
    (void)read_frames(input, *header);
  }
  // Behind a good header and a good frame, so that the search for later frames is reached.
  const SegmentHeader header{3, 0, "fuzz"};
  Bytes file = encode_header(header);
  append_frame(file, header.salt, 3, 0, input.first(size / 2));
  const std::size_t good = file.size();
  append(file, input);
  const Contents contents = read_frames(file, header);
  CHECK(!contents.records.empty() && equal(contents.records.front(), input.first(size / 2)));
  CHECK(contents.good_size >= good && contents.good_size <= file.size());
  CHECK((contents.end == Contents::End::Clean) == (contents.good_size == file.size()));
  return 0;
}
