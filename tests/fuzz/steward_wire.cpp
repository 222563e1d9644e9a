// Every Steward message and log record against arbitrary bytes, and servers whose peers say whatever the input says,
// genuinely: the leader site's representative and a server of the other site.
#include "replication/applications.hpp"
#include "steward/core.hpp"
#include "steward/records.hpp"
#include "steward/view_messages.hpp"
#include "tests/fuzz/round_trip.hpp"
#include "tests/fuzz/trusting_host.hpp"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::steward;
  const Span input(data, size);
  fuzz::round_trip_one_of<PrePrepare, Prepare, SigShare, ShareRequest, SignerSet, CorruptedServer, Proposal, Accept,
                          LocalViewNotice, ProposalCarrier, RelayedAccept, ForwardedUpdate, ReconcileRequest,
                          OrderedEntry, LogRecord, NewRep, StateRequest, ServerState, CollectedState,
                          GlobalViewAttempt, AruClaim, GlobalViewChange, AruMessage, GlobalConstraint,
                          CollectedConstraint, PreinstallProof, EntryRequest, EntryEvidence, GlobalViewNews,
                          AruClaims, RoundTrip, Checkpoint, StableCheckpoint, CheckpointNews>(input);

  Membership membership;
  membership.sites = {{4, 1}, {4, 1}};
  membership.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(1)}};
  Settings settings;
  settings.window = 4;
  settings.set_checkpoint_interval(4);
  settings.durability = Durability::None;
  for (const ServerId self : {ServerId{SiteId(0), ServerIndex(0)}, ServerId{SiteId(1), ServerIndex(1)}}) {
    StewardCore core(self, membership, settings, *replication::make_application("kv"));
    fuzz::TrustingHost host(Principal::of(self), membership, StewardCore::message_table(), core);
    host.feed(input, AuthKind::Bare);
    CHECK(core.history().size() <= settings.history_kept + 2 * settings.window);
  }
  // A log that says whatever the input says: what it makes of it, or nothing at all.
  settings.durability = Durability::Log;
  StewardCore again(ServerId{SiteId(1), ServerIndex(1)}, membership, settings, *replication::make_application("kv"));
  std::uint64_t tickets = 1;
  Effects fx(tickets);
  const std::vector<Record> log{to_bytes(input)};
  again.start({}, log, fx);
  const bool silent = std::ranges::any_of(
      fx.list(), [](const auto& effect) { return std::holds_alternative<Effects::LoseLog>(effect); });
  CHECK(silent || decode_record(input).has_value());
  return 0;
}
