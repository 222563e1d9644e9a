// A graph's folder whose files somebody changed: every byte may be another, with checksums made again. Nothing
// crashes, what can still be proven is what was signed, and no writer goes on from anything else.
#include "accountability/regenerate.hpp"
#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "replication/kv.hpp"

#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <map>

namespace {

using namespace seneschal;
using namespace seneschal::accountability;
namespace fs = std::filesystem;
namespace kv = replication::kv;

const Principal kSigner = Principal::of(ServerId{SiteId(1), ServerIndex(2)});

Bytes signature(Span message) {
  return to_bytes(crypto::sha256({as_span("key"), message}).bytes);
}

bool verifies(const Principal& who, Span message, Span signed_with) {
  return who == kSigner && equal(signature(message), signed_with);
}

StoreOptions options() {
  return {.payloads = true, .application = "kv"};
}

Signer signer() {
  return {kSigner, [](Span message) { return signature(message); },
          [](Span message, Span with) { return verifies(kSigner, message, with); }};
}

/// A graph of a full block, a snapshot, and some updates more: the files as they were signed.
struct Original {
  std::string folder;
  std::map<std::string, Bytes> files;
  Digest digest, state;

  Original() {
    std::string name = (fs::temp_directory_path() / "fuzz-graph-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder = name;
    kv::KvApplication application;
    auto writer = *StoreWriter::open(folder, options(), signer());
    for (std::uint64_t n = 1; n <= kBlockUpdates + 60; ++n) {
      const Bytes operation = kv::put("key" + std::to_string(n % 13), as_span(std::to_string(n)));
      NewUpdate update;
      update.client = ClientId(static_cast<std::uint32_t>(n % 5 + 1));
      update.seq = Seq(n);
      if (n > 3) {
        const auto formula = Formula::parse(n % 7 == 0 ? std::to_string(n - 1) + " or " + std::to_string(n - 3)
                                                       : std::to_string(n - 2));
        CHECK(formula.has_value());
        update.formula = *formula;
      }
      update.operation = operation;
      CHECK(writer->add(update) == UpdateId(n));
      (void)application.apply(update.client, operation);
      application.settle();
      if (n != kBlockUpdates + 20) continue;
      std::vector<Bytes> chunks;
      const auto frozen = application.freeze();
      for (std::size_t i = 0; i < frozen->chunks(); ++i) chunks.push_back(*frozen->chunk(i));
      CHECK(writer->snapshot(update.seq, std::move(chunks), application.digest()).has_value());
    }
    CHECK(writer->seal().has_value());
    digest = writer->digest();
    state = application.digest();
    writer.reset();
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      if (!text.empty()) files[entry.path().filename().string()] = to_bytes(as_span(text));
    }
    CHECK(files.size() == 6);
  }
  ~Original() { fs::remove_all(folder); }
};

/// The frames of the original, with what is in `changed` now: their checksums are right again.
Bytes with_good_checksums(const Bytes& original, const Bytes& changed) {
  Bytes made;
  for (const Frame& frame : scan_frames(original).frames) {
    const std::size_t end = std::min(frame.end, changed.size());
    const std::size_t begin = std::min(frame.end - frame.content.size(), end);
    append(made, make_frame(frame.kind, frame.first, frame.count, Span(changed).subspan(begin, end - begin)));
  }
  return made;
}

void change(std::map<std::string, Bytes>& files, const Original& original, Span& input) {
  if (files.empty()) {
    input = {};
    return;
  }
  auto file = std::next(files.begin(), input[0] % static_cast<std::ptrdiff_t>(files.size()));
  const std::uint8_t how = input[1] % 4;
  const std::size_t at = (input[2] | std::size_t{input[3]} << 8 | std::size_t{input[4]} << 16);
  const Byte with = input[5];
  input = input.subspan(6);
  Bytes& bytes = file->second;
  if (bytes.empty()) return;
  switch (how) {
    case 0: bytes[at % bytes.size()] ^= with; return;
    case 1:
      if (with == 0) {
        files.erase(file);
        return;
      }
      bytes.resize(at % bytes.size());
      return;
    case 2: bytes.insert(bytes.end(), with, with); return;
    default:
      bytes[at % bytes.size()] ^= with;
      if (file->first != "head") bytes = with_good_checksums(original.files.at(file->first), bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Original original;
  static const std::string folder = original.folder + "/changed";
  if (size > 256) return 0;
  auto files = original.files;
  Span input(data, size);
  while (input.size() >= 6) change(files, original, input);
  fs::remove_all(folder);
  fs::create_directory(folder);
  for (const auto& [name, bytes] : files)
    std::ofstream(folder + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));

  bool proven = false;
  if (auto store = Store::open(folder)) {
    proven = !store->doubt(verifies);
    if (proven) CHECK(store->digest_at(UpdateId(store->head()->next)) == original.digest);
    const Colours colours = mark(store->graph(), {{{ClientId(2), UpdateId(7)}}, {UpdateId(20)}});
    CHECK(colours.corrupt() + colours.suspect() <= store->graph().end().value - store->graph().origin().value);
    (void)store->digest_of(UpdateId(5));
    (void)store->times();
    const auto state = regenerate(*store, colours, Keep::Everything, std::make_unique<kv::KvApplication>());
    if (proven && state) CHECK(state->application->digest() == original.state);
  }
  // Without a head and updates it begins anew.
  if (auto writer = StoreWriter::open(folder, options(), signer())) {
    CHECK(proven || (*writer)->next() == UpdateId(1));
    CHECK((*writer)->add(ClientId(1), Seq(1'000'000), {}).has_value());
  }
  return 0;
}
