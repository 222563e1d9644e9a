// The commands of `seneschal lab`; each takes its own arguments (argv[0] is its name) and returns an exit code.
#pragma once
#include "lab/report.hpp"
#include "tools/seneschal/commands.hpp"

#include <tclap/CmdLine.h>

#include <optional>
#include <string>
#include <string_view>

namespace seneschal::lab {

inline constexpr int kGood = static_cast<int>(ExitCode::Good);
inline constexpr int kFailed = static_cast<int>(ExitCode::Missed);
inline constexpr int kUsage = static_cast<int>(ExitCode::Usage);

int lab_complain(std::string_view command, const std::string& message, int code = kUsage);
/// Parses arguments with TCLAP; a code to exit with unless all is well.
std::optional<int> lab_parse(TCLAP::CmdLine& line, int argc, char** argv);

// lab_deployment.cpp: deployments by hand
int lab_up(int argc, char** argv);
int lab_status(int argc, char** argv);
int lab_down(int argc, char** argv);
int lab_start(int argc, char** argv);
int lab_stop(int argc, char** argv);
int lab_restart(int argc, char** argv);

}  // namespace seneschal::lab
