// The subcommands of `seneschal graph`. Each returns an exit code: 0 good, 1 failed, 2 usage, 3 the graph cannot say,
// 130 interrupted.
#pragma once
#include <cstdio>
#include <stdexcept>
#include <string>

namespace seneschal::graph_tool {

/// A command that cannot be meant like that: told to the user, exit code 2. What goes wrong later is a
/// `std::runtime_error`, exit code 1.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What is asked goes back to before the graph begins, or nobody vouches for the answer: exit code 3.
struct UnknownError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline constexpr int kUnknown = 3;

/// The user interrupted: what was begun is removed, exit code kInterrupted.
struct Interrupted {};

inline int usage_error(const std::string& what) {
  std::fprintf(stderr, "seneschal graph: %s\n", what.c_str());
  return 2;
}

int bench(int argc, char** argv);
int mark_client(int argc, char** argv);
int clear_update(int argc, char** argv);
int show_status(int argc, char** argv);
int show_blast(int argc, char** argv);
int show_why(int argc, char** argv);
int show_whatif(int argc, char** argv);
int show_risk(int argc, char** argv);
int regenerate_state(int argc, char** argv);
int show_diff(int argc, char** argv);
int export_graph(int argc, char** argv);
int write_report(int argc, char** argv);
int verify_report(int argc, char** argv);
int sweep(int argc, char** argv);
int make_case(int argc, char** argv);

}  // namespace seneschal::graph_tool
