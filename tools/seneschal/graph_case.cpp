// `seneschal graph case`: makes the graph of a case study and its page, to try the other commands on.
#include "base/version.hpp"
#include "tools/seneschal/flags.hpp"
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_packages.hpp"
#include "tools/seneschal/graph_story.hpp"

#include <tclap/CmdLine.h>

namespace seneschal::graph_tool {

int make_case(int argc, char** argv) {
  TCLAP::CmdLine line(
      "Makes a graph: 'picture', a common operation picture with a false report in it, or 'threads', a biodefense "
      "network's messages, or 'packages', what the packages of an apt mirror need.",
      ' ', version());
  TCLAP::UnlabeledValueArg<std::string> name("name", "picture, threads or packages", true, "", "NAME", line);
  TCLAP::ValueArg<std::string> folder("", "graph", "where to make it", true, "", "DIR", line);
  // The least of each is what the story needs.
  const tools::WholeFlag units(line, "", "units", "units of the picture", 5000, 17, 1'000'000);
  const tools::WholeFlag minutes(line, "", "minutes", "minutes of the picture", 720, 10, 100'000);
  const tools::WholeFlag messages(line, "", "messages", "messages of the network", 48'000, 100, 1'000'000'000);
  const tools::WholeFlag per_day(line, "", "per-day", "messages a day", 4'000, 1, 1'000'000'000);
  TCLAP::MultiArg<std::string> lists("", "list", "packages: the Packages file of a release; in order", false,
                                     "RELEASE=PATH", line);
  TCLAP::ValueArg<std::string> what_if("", "what-if", "packages: the one that was corrupt", false, "", "NAME", line);
  TCLAP::ValueArg<std::string> since("", "since", "packages: from this release on", false, "", "RELEASE", line);
  const tools::WholeFlag seed(line, "", "seed", "of the generator", 1, 0, tools::kAnyNumber);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  const accountability::Picture picture{static_cast<std::uint32_t>(units.value()),
                                        static_cast<std::uint32_t>(minutes.value()), seed.value()};
  const accountability::Threads threads{300, messages.value(), per_day.value(), seed.value()};
  if (name.getValue() == "packages")
    return make_packages({folder.getValue(), lists.getValue(), what_if.getValue(), since.getValue()});
  if (name.getValue() == "picture") return make_picture(folder.getValue(), picture);
  if (name.getValue() == "threads") return make_threads(folder.getValue(), threads);
  return usage_error("case takes picture, threads or packages");
}

}  // namespace seneschal::graph_tool
