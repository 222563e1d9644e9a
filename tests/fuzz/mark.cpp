// The reader of a server's mark: it takes what the writer made, and nothing else.
#include "runtime/storage/mark.hpp"
#include "base/check.hpp"
#include "base/crc32c.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::storage;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto check = [](std::string_view text) {
    const auto mark = parse_mark(text);
    if (!mark) return;
    CHECK(valid(*mark) && to_text(*mark) == text);
    CHECK(differences(mark->facts, mark->facts).empty());
  };
  check(input);
  // Behind a good beginning and before a good sum, so that the lines in between are reached.
  std::string text = to_text({"deployment 7", "server 1.0", NodeId(1), Mark::State::New, {}, {}});
  text.resize(text.rfind("state "));
  text += input;
  const std::uint32_t sum = crc32c(as_span(text));
  text += "sum ";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[sum >> shift & 0xf];
  check(text + "\n");
  const std::string name = file_name(input);
  CHECK(name.find('/') == std::string::npos && name.find('\0') == std::string::npos && !name.starts_with('.'));
  return 0;
}
