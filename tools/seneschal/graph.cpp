// `seneschal graph`: the Accountability Graph.
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/flags.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <tclap/CmdLine.h>
#include <array>
#include <string_view>

namespace {

using namespace seneschal::graph_tool;

struct Part {
  std::string_view name, what;
  int (*run)(int, char**);
};

constexpr std::array kParts = {
    Part{"status", "what the graph holds and who is marked", show_status},
    Part{"mark", "--client C [--since SEQ|uUPDATE|TIME] [--reason TEXT] [--withdraw]: a malicious client",
         mark_client},
    Part{"clear", "UPDATE [--withdraw]: a suspect update that is good", clear_update},
    Part{"blast", "UPDATE: what one bad update would reach", show_blast},
    Part{"why", "UPDATE: a shortest chain from a corrupt update", show_why},
    Part{"whatif", "--client C [--redundant C,C]: what a malicious client would touch", show_whatif},
    Part{"risk", "--top K [--by client|update]: who would touch most", show_risk},
    Part{"regenerate", "--clean|--with-suspects --out FILE: a clean state", regenerate_state},
    Part{"diff", "--clean|--with-suspects: what differs from the present state", show_diff},
    Part{"export", "--dot|--json|--prov: for other programs", export_graph},
    Part{"report", "[--out NAME]: signed JSON and a page to read", write_report},
    Part{"verify", "REPORT [--key PUBLIC.pem]: who signed a report, and whether it is as it was", verify_report},
    Part{"case", "picture|threads|packages --graph DIR: a case study to try this on", make_case},
    Part{"sweep", "[--out DIR]: the report's three sweeps, with plots", sweep},
    Part{"bench", "builds and marks the report's random graph", bench},
};

int run(const Part& part, int argc, char** argv) {
  try {
    return part.run(argc, argv);
  } catch (const UsageError& error) {
    return usage_error(error.what());
  } catch (const UnknownError& error) {
    std::fprintf(stderr, "seneschal graph: %s\n", error.what());
    return kUnknown;
  } catch (const Interrupted&) {
    std::fprintf(stderr, "seneschal graph: interrupted\n");
    return kInterrupted;
  } catch (const TCLAP::ArgException& error) {
    return usage_error(seneschal::tools::what_is_wrong(error) + "\nTry 'seneschal graph " + std::string(part.name) +
                       " --help'.");
  } catch (const TCLAP::ExitException& exit) {  // --help
    return exit.getExitStatus();
  }
}

}  // namespace

int graph_command(int argc, char** argv) {
  if (argc >= 2)
    for (const Part& part : kParts)
      if (part.name == argv[1]) return run(part, argc - 1, argv + 1);
  const bool help = argc >= 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h");
  std::FILE* const out = help ? stdout : stderr;
  if (argc >= 2 && !help) std::fprintf(out, "seneschal graph: unknown command '%s'\n", argv[1]);
  std::fprintf(out, "usage: seneschal graph COMMAND [ARGUMENTS]\n\n");
  for (const Part& part : kParts)
    std::fprintf(out, "  %-10s %s\n", std::string(part.name).c_str(), std::string(part.what).c_str());
  std::fprintf(out, "\n'seneschal graph COMMAND --help' tells more.\n");
  return help ? 0 : 2;
}
