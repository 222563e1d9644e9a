// `seneschal graph case`: makes the graph of a case study and its page, to try the other commands on.
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_packages.hpp"
#include "tools/seneschal/graph_story.hpp"

#include <tclap/CmdLine.h>

namespace seneschal::graph_tool {

int make_case(int argc, char** argv) {
  TCLAP::CmdLine line(
      "Makes a graph: 'picture', a common operation picture with a false report in it, or 'threads', a biodefense "
      "network's messages, or 'packages', what the packages of an apt mirror need.",
      ' ', "1");
  TCLAP::UnlabeledValueArg<std::string> name("name", "picture, threads or packages", true, "", "NAME", line);
  TCLAP::ValueArg<std::string> folder("", "graph", "where to make it", true, "", "DIR", line);
  TCLAP::ValueArg<std::uint32_t> units("", "units", "units of the picture", false, 5000, "N", line);
  TCLAP::ValueArg<std::uint32_t> minutes("", "minutes", "minutes of the picture", false, 720, "N", line);
  TCLAP::ValueArg<std::uint64_t> messages("", "messages", "messages of the network", false, 48'000, "N", line);
  TCLAP::ValueArg<std::uint64_t> per_day("", "per-day", "messages a day", false, 4'000, "N", line);
  TCLAP::MultiArg<std::string> lists("", "list", "packages: the Packages file of a release; in order", false,
                                     "RELEASE=PATH", line);
  TCLAP::ValueArg<std::string> what_if("", "what-if", "packages: the one that was corrupt", false, "", "NAME", line);
  TCLAP::ValueArg<std::string> since("", "since", "packages: from this release on", false, "", "RELEASE", line);
  TCLAP::ValueArg<std::uint64_t> seed("", "seed", "of the generator", false, 1, "N", line);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  if (name.getValue() == "packages")
    return make_packages({folder.getValue(), lists.getValue(), what_if.getValue(), since.getValue()});
  if (name.getValue() == "picture")
    return make_picture(folder.getValue(), {units.getValue(), minutes.getValue(), seed.getValue()});
  if (name.getValue() == "threads")
    return make_threads(folder.getValue(), {300, messages.getValue(), per_day.getValue(), seed.getValue()});
  return usage_error("case takes picture, threads or packages");
}

}  // namespace seneschal::graph_tool
