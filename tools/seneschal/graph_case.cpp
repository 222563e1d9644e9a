// `seneschal graph case`: makes the graph of a case study, to try the other commands on.
#include "accountability/cases.hpp"
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_incident.hpp"
#include "tools/seneschal/graph_packages.hpp"

#include <tclap/CmdLine.h>

namespace seneschal::graph_tool {

using namespace accountability;

int make_case(int argc, char** argv) {
  TCLAP::CmdLine line(
      "Makes a graph: 'picture', a common operation picture with a false report in it, or 'threads', a biodefense "
      "network's messages, or 'packages', what the packages of an apt mirror need.",
      ' ', "1");
  TCLAP::UnlabeledValueArg<std::string> name("name", "picture, threads or packages", true, "", "NAME", line);
  TCLAP::ValueArg<std::string> folder("", "graph", "where to make it", true, "", "DIR", line);
  TCLAP::ValueArg<std::uint32_t> units("", "units", "units of the picture", false, 5000, "N", line);
  TCLAP::ValueArg<std::uint32_t> minutes("", "minutes", "minutes of the picture", false, 720, "N", line);
  TCLAP::ValueArg<std::uint64_t> messages("", "messages", "messages of the network", false, 50'000, "N", line);
  TCLAP::MultiArg<std::string> lists("", "list", "packages: the Packages file of a release; in order", false,
                                     "RELEASE=PATH", line);
  TCLAP::ValueArg<std::string> what_if("", "what-if", "packages: the one that was corrupt", false, "", "NAME", line);
  TCLAP::ValueArg<std::string> since("", "since", "packages: from this release on", false, "", "RELEASE", line);
  TCLAP::ValueArg<std::uint64_t> seed("", "seed", "of the generator", false, 1, "N", line);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  if (name.getValue() == "packages")
    return make_packages({folder.getValue(), lists.getValue(), what_if.getValue(), since.getValue()});
  if (name.getValue() != "picture" && name.getValue() != "threads")
    return usage_error("case takes picture, threads or packages");
  StoreOptions options;
  options.digests = options.payloads = true;
  auto writer = StoreWriter::open(folder.getValue(), options, {});
  if (!writer) fail(writer.error().message);
  if ((*writer)->next().value != 1) fail(folder.getValue() + ": there is a graph already");
  if (name.getValue() == "picture") {
    const auto story = generate(Picture{units.getValue(), minutes.getValue(), seed.getValue()}, **writer);
    if (!story) fail(story.error().message);
    std::printf(
        "%lu updates; client %u reports an enemy where it is not: update %lu\n"
        "  the convoy's path %lu, the meeting point %lu and the attack plan %lu rest on it\n"
        "try: seneschal graph mark --graph %s --client %u\n",
        (*writer)->next().value - 1, story->officer.value, story->false_report.value, story->convoy_path.value,
        story->meeting_point.value, story->attack_plan.value, folder.getValue().c_str(), story->officer.value);
    return 0;
  }
  const auto client = generate(Threads{300, messages.getValue(), seed.getValue()}, **writer);
  if (!client) fail(client.error().message);
  std::printf("%lu messages; client %u opened most threads\ntry: seneschal graph mark --graph %s --client %u\n",
              (*writer)->next().value - 1, client->value, folder.getValue().c_str(), client->value);
  return 0;
}

}  // namespace seneschal::graph_tool
