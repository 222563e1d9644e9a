// One program, many subcommands.
#include "emulator/did_you_mean.hpp"
#include "tools/seneschal/commands.hpp"

#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Command {
  std::string_view name;
  std::string_view what;
  int (*run)(int argc, char** argv);
};

constexpr std::array kCommands = {
    Command{"node", "runs an overlay node", node_command},
    Command{"ctl", "shows and changes a running node", ctl_command},
    Command{"client", "uses a running deployment", client_command},
    Command{"keygen", "makes the keys of a deployment", keygen_command},
    Command{"lab", "runs experiments and deployments", lab_command},
    Command{"sim", "runs seeds in the simulated world", sim_command},
    Command{"graph", "what did a malicious client touch, and what is clean", graph_command},
};

void usage(std::FILE* out) {
  std::fprintf(out, "usage: seneschal COMMAND [ARGUMENTS]\n\n");
  for (const Command& command : kCommands)
    std::fprintf(out, "  %-8s %s\n", std::string(command.name).c_str(), std::string(command.what).c_str());
  std::fprintf(out, "\n'seneschal COMMAND --help' tells more.\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    usage(stderr);
    return 2;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    usage(stdout);
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (command.name == name) {
      try {
        return command.run(argc - 1, argv + 1);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "seneschal %s: %s\n", argv[1], error.what());
        return 1;
      }
    }
    names.emplace_back(command.name);
  }
  const auto nearest = seneschal::emulator::did_you_mean(name, names);
  std::fprintf(stderr, "seneschal: unknown command '%s'%s\n", argv[1],
               nearest ? (" (did you mean '" + *nearest + "'?)").c_str() : "");
  usage(stderr);
  return 2;
}
