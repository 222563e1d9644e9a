// What servers say about themselves: what they hold stays bounded, and no correct server sees a proof that the fault
// model was broken.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

class StatusChecker {
 public:
  /// The deployment's: every bound follows from them.
  StatusChecker(Protocol protocol, const ProtocolOptions& options, std::uint64_t clients);

  /// Nothing, or what is wrong, as "property: what".
  std::optional<std::string> check(const StatusList& status) const;

 private:
  std::map<std::string, std::uint64_t> most_;   // by name of the counter
  std::map<std::string, std::string> must_be_;  // text that has only one good value
};

}  // namespace seneschal::lab::sim
