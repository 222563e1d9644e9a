// Clients that come and go in a scenario: what the administrator orders, and what must come of it.
#pragma once
#include "lab/sim/plan.hpp"
#include "replication/administration.hpp"

#include <functional>

namespace seneschal::lab::sim {

/// One order of the administrator, in turn.
struct ChurnStep {
  replication::Administration order;
  replication::Verdict expected = replication::Verdict::Done;
};

/// Keys of a client that is to join.
using JoiningKeys = std::function<crypto::ClientKeys(ClientId)>;

/// All newcomers join; some of them leave again, at times a first client does; in between the administrator asks for
/// what must be refused. Nothing without newcomers.
std::vector<ChurnStep> churn_of(const Plan& plan, const JoiningKeys& keys);

/// Clients that the administrator revokes: nothing is asked for of them.
std::vector<ClientId> leavers(const Plan& plan);

}  // namespace seneschal::lab::sim
