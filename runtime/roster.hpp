// Membership and directory of a deployment as lines of a `ConfigText`: what every plugin and client of it is told.
//
//   deployment = 7
//   site = 4 1 1 1 1 1        # servers, faults, node of each server; sites in order of their id
//   client = 12 0 1           # id, home site, node; ascending by id
//   administrator = 12        # may enroll and revoke clients; without this line nobody can
#pragma once
#include "runtime/config_text.hpp"
#include "runtime/directory.hpp"
#include "runtime/membership.hpp"

namespace seneschal {

struct Roster {
  Membership membership;
  Directory directory;
};

/// Lines that `read_roster` reads back to an equal roster.
std::string to_text(const Roster& roster);
/// Takes the roster's keys out of `config`; errors are noted there.
Roster read_roster(ConfigText& config);

}  // namespace seneschal
