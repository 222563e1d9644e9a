// Every Steward message and log record against arbitrary bytes.
#include "steward/records.hpp"
#include "steward/view_messages.hpp"
#include "tests/fuzz/round_trip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::steward;
  fuzz::round_trip_one_of<PrePrepare, Prepare, SigShare, ShareRequest, SignerSet, CorruptedServer, Proposal, Accept,
                          LocalViewNotice, ProposalCarrier, RelayedAccept, ForwardedUpdate, ReconcileRequest,
                          OrderedEntry, LogRecord, NewRep, StateRequest, ServerState, CollectedState,
                          GlobalViewAttempt, AruClaim, GlobalViewChange, AruMessage, GlobalConstraint,
                          CollectedConstraint, PreinstallProof, EntryRequest, EntryEvidence, GlobalViewNews,
                          AruClaims, RoundTrip, Checkpoint, StableCheckpoint, CheckpointNews>(Span(data, size));
  return 0;
}
