// What the subcommands of `seneschal client` share.
#pragma once
#include "lab/client_host.hpp"
#include "lab/report.hpp"
#include "replication/client_core.hpp"

#include <string>

/// Exit codes, as the lab's: good, failed or refused, used wrongly.
inline constexpr int kGood = static_cast<int>(seneschal::lab::ExitCode::Good);
inline constexpr int kFailed = static_cast<int>(seneschal::lab::ExitCode::Missed);
inline constexpr int kUsage = static_cast<int>(seneschal::lab::ExitCode::Usage);

/// A deployment that `lab up` started.
struct Place {
  seneschal::lab::Deployment deployment;
  seneschal::lab::Cluster cluster;
};
/// `keys`: the folder to use instead of the deployment's, or empty.
seneschal::Result<Place> open_place(const std::string& dir, const std::string& keys);

/// One operation of one client, from its submission to its result. Says on standard error when the servers wait for
/// want of sites. Errors: a client or keys that cannot be used, no result in time.
seneschal::Result<seneschal::replication::Completion> use_once(const Place& place, seneschal::ClientId id,
                                                               const seneschal::Bytes& operation, bool query,
                                                               double seconds);

int enroll_command(int argc, char** argv);
int revoke_command(int argc, char** argv);
int members_command(int argc, char** argv);
