// Graph files from elsewhere: any bytes as frames, blocks and formulas. Nothing crashes, and what is taken can be
// marked.
#include "accountability/frames.hpp"
#include "accountability/ingest.hpp"
#include "accountability/marking.hpp"
#include "accountability/packages.hpp"
#include "accountability/trace.hpp"
#include "base/check.hpp"

namespace {

using namespace seneschal;
using namespace seneschal::accountability;

void use(const Graph& graph) {
  Findings findings;
  findings.marks.insert({graph.client(graph.base()), graph.base()});
  findings.cleared.insert(graph.base().next());
  const Colours colours = mark(graph, findings);
  CHECK(colours.corrupt() + colours.suspect() <= graph.end().value - graph.origin().value);
  ReverseIndex index(graph);
  (void)blast(graph, index, graph.base(), 100);
  std::uint64_t rows = 0;
  graph.each(graph.base(), [&](UpdateId id, ClientId, const Formula& formula) {
    (void)graph.seq(id);
    for (const UpdateId name : formula.leaves()) (void)colours.of(name);
    return ++rows < 200;
  });
  (void)why(graph, colours, UpdateId(graph.end().value - 1));
  (void)risks(graph, {{ClientId(1), UpdateId(0), 0}, {ClientId(1), graph.base(), 0}});
}

void check_block(Span bytes) {
  auto block = Block::parse(bytes);
  if (!block) return CHECK(!block.error().empty());
  auto graph = Graph::of({*block}, block->first());
  CHECK(graph.has_value());
  use(*graph);
}

void check_formula(Span bytes) {
  if (const auto formula = Formula::parse(as_text(bytes))) {
    CHECK(formula->leaves().size() <= kMaxLeaves);
    CHECK(*Formula::parse(formula->text()) == *formula);
    CHECK(formula->simplified(UpdateId(0)) == *formula);
  }
  if (auto declaration = decode<Declaration>(bytes)) {
    if (const auto formula = Formula::from_tokens(declaration->formula.items)) {
      const auto good = [](UpdateId) { return false; };
      CHECK(!formula->fails(good, false));
    }
  }
}

void check_packages(std::string_view text) {
  const auto packages = parse_packages(text, "list");
  if (!packages) return CHECK(!packages.error().message.empty());
  CHECK(!packages->empty());
  for (const Package& package : *packages) CHECK(!package.name.empty() && !package.version.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 64 * 1024) return 0;
  const Span rest(data + 1, size - 1);
  // Of three kinds as ever, so that kept inputs mean what they meant; the fourth is for one value of the first byte.
  if (data[0] == 0xff) {
    check_packages(as_text(rest));
    return 0;
  }
  switch (data[0] % 3) {
    case 0: {
      const FrameScan scan = scan_frames(rest);
      CHECK(scan.good <= rest.size());
      for (const Frame& frame : scan.frames) check_block(frame.content);
      break;
    }
    case 1: check_block(rest); break;
    default: check_formula(rest);
  }
  return 0;
}
