// What Byzantine servers do, in plans and experiments, simulated and live. The deeds are in lab/sim/adversaries/.
#pragma once
#include "base/ids.hpp"

#include <span>
#include <string_view>

namespace seneschal::lab {

/// What a Byzantine server does; at most f per site unless a test says otherwise.
enum class Behaviour : std::uint8_t {
  Silent,      // stops talking
  BadShares,   // its threshold shares are wrong
  LyingReply,  // tells clients wrong results
  Replay,      // says everything several times, and repeats what others said
  Withhold,    // talks to some servers only
  Equivocate,  // as representative or primary: different batches to different servers
  Repeat,      // as representative or primary: old updates once more
  Stall,       // as representative: takes part in everything but never orders anything
  Starve,      // never hears one of the clients
  Poison,  // lends forged pieces of states, and says in its own name what only a site may: that there is a Checkpoint
  Late,    // says everything half a second later than it could
  Collude,  // votes twice, leaves out of its states what it knows, lets old messages out in new views
  Hoard,    // keeps what its site signed for the next view, and proposes once more when the others leave one
  Stray,    // proposes, votes and shares outside the window, in other views, and in the representative's place
  Forge,    // proves with certificates in which one word is counted several times, or is about something else
  Foreign,  // says here what it signed for another deployment
  Slander,  // blames servers that did nothing wrong
  Agitate,  // wants another local and global view, always
  Phantom,  // speaks of batches that nobody has
  Flood,    // noise, damaged copies, and questions whose answers are large
  Betray,   // shows Accepts to the leader site alone, keeps Checkpoints to itself and lends nothing
  Botch,    // as representative: batches that are empty, too long, or hold what must not be ordered (any more)
  Tease,    // names what is genuine and never proves it
  Show,     // shows clients' updates to all but the server that could order them
  Spoil,    // sends noise for a share of whatever its site is about to sign, unasked and without a proof
  Sly,      // as representative of the leader site: Proposals to its own site and one other, to the rest late
  Shy,      // as representative of another site: its Accepts in the same way
  Dawdle,   // as representative of another site: takes most of the allowance for its Accepts
  Deaf,   // as representative of the leader site: knows nothing of other sites' updates until its own site shows them
  Frame,  // as representative of the leader site: Proposals to servers first that could blame theirs for being late
  Skip,   // every ninth share is missing
  kLast = Skip,
};
std::string_view to_string(Behaviour behaviour);
/// The names of all behaviours, in their order.
std::span<const std::string_view> behaviour_names();

struct Traitor {
  ServerId server;
  Behaviour behaviour = Behaviour::Silent;
  bool operator==(const Traitor&) const = default;
};

}  // namespace seneschal::lab
