// One program, many subcommands.
#include "base/version.hpp"
#include "emulator/did_you_mean.hpp"
#include "tools/seneschal/commands.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
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

constexpr std::array kSubcommands = {
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
  for (const Command& command : kSubcommands)
    std::fprintf(out, "  %-8s %s\n", std::string(command.name).c_str(), std::string(command.what).c_str());
  std::fprintf(out, "\n'seneschal COMMAND --help' tells more; 'seneschal --version' tells which one this is.\n");
}

/// What was printed must have arrived: a full device is an error, not a good result.
int finish(const char* name, int code) {
  errno = 0;
  const bool lost = std::ferror(stdout) != 0;
  // Some file systems tell of a full device only when the file is closed.
  if (std::fclose(stdout) == 0 && !lost) return code;
  std::fprintf(stderr, "seneschal %s: its output cannot be written: %s\n", name,
               errno != 0 ? std::strerror(errno) : "not all of it was taken");
  return code == 0 ? 1 : code;
}

int run(const Command& command, int argc, char** argv) {
  try {
    return command.run(argc - 1, argv + 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "seneschal %s: %s\n", argv[1], error.what());
    return 1;
  }
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
    return finish(argv[1], 0);
  }
  if (name == "--version" || name == "-V") {
    std::printf("seneschal %s\n", seneschal::version().c_str());
    return finish(argv[1], 0);
  }
  std::vector<std::string> names;
  for (const Command& command : kSubcommands) {
    if (command.name == name) return finish(argv[1], run(command, argc, argv));
    names.emplace_back(command.name);
  }
  const auto nearest = seneschal::emulator::did_you_mean(name, names);
  std::fprintf(stderr, "seneschal: unknown command '%s'%s\n", argv[1],
               nearest ? (" (did you mean '" + *nearest + "'?)").c_str() : "");
  usage(stderr);
  return 2;
}
