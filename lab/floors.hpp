// The crossings floor: the least wide-area time that a protocol needs for a client at a given site. Propagation only:
// no serialisation, no local network, no computing. Reported beside every latency.
#pragma once
#include "lab/experiment.hpp"

namespace seneschal::lab {

/// Leader site of global view 0 (Steward), or site of the primary of view 0 (BFT).
std::size_t first_leader_site(const Series& series);

/// Of an update from a client at `site`, with the first leader.
Duration update_floor(const Series& series, std::size_t site);
/// Of a read-only query from a client at `site`.
Duration query_floor(const Series& series, std::size_t site);
/// Of the series' mix, as a mean over its operations.
Duration operation_floor(const Series& series, std::size_t site);
/// Mean over clients 1..`clients`, which are dealt to the sites in turn.
Duration mean_floor(const Series& series, std::uint32_t clients);

}  // namespace seneschal::lab
