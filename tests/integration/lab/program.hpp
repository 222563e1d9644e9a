// Running the real program to its end.
#pragma once
#include "lab/files.hpp"
#include "lab/process.hpp"

#include <unistd.h>

#include <string>
#include <vector>

namespace seneschal::lab {

inline const std::string kProgram = SENESCHAL_BINARY_DIR "/bin/seneschal";

struct Outcome {
  int code = -1;
  std::string text;  // standard output and error
};

/// Runs the program to its end, at most 90 s.
inline Outcome run(std::vector<std::string> arguments) {
  char name[] = "/tmp/seneschal-out-XXXXXX";
  const int fd = ::mkstemp(name);
  ::close(fd);
  arguments.insert(arguments.begin(), kProgram);
  Outcome outcome;
  const auto process = spawn(arguments, {.output = name});
  if (process) {
    outcome.code = wait_for(*process, std::chrono::seconds(90)).value_or(-1);
    end_all({*process}, std::chrono::seconds(0));
  }
  outcome.text = read_file(name).value_or("");
  ::unlink(name);
  return outcome;
}

}  // namespace seneschal::lab
