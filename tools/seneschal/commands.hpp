// The subcommands of `seneschal`: each takes its own arguments (argv[0] is its name) and returns an exit code:
// 0 good, 1 failed, 2 usage or configuration, 3 fidelity INVALID, 4 safety violated, 130 interrupted.
#pragma once

/// What a shell says of a program that Ctrl-C ended.
inline constexpr int kInterrupted = 130;

int node_command(int argc, char** argv);
int ctl_command(int argc, char** argv);
int client_command(int argc, char** argv);
int keygen_command(int argc, char** argv);
int lab_command(int argc, char** argv);
int sim_command(int argc, char** argv);
int graph_command(int argc, char** argv);
