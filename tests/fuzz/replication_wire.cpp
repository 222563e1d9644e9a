// What a client and an application take from outside: operations, results, snapshots, replies and answers.
#include "replication/client_core.hpp"
#include "replication/execution.hpp"
#include "replication/kv.hpp"
#include "replication/snapshot_assembly.hpp"
#include "tests/fuzz/round_trip.hpp"
#include "tests/fuzz/trusting_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::replication;
  Span input(data, size);
  fuzz::round_trip_one_of<kv::Operation, kv::Outcome, Reply, Answer, NoMajority, SnapshotRequest, SnapshotBlock,
                          SnapshotChunk, SnapshotHead, TableChunk, Administration, Administered, RosterHead,
                          RosterChunk, Listed>(input);

  kv::KvApplication app;
  Bytes before = app.snapshot();
  CHECK(kv::parse_result(app.apply(ClientId(1), input)).has_value());
  CHECK(kv::parse_result(app.query(input)).has_value());
  CHECK(!kv::print_operation(input).empty() && !kv::print_result(input).empty());
  app.undo();
  CHECK(app.snapshot() == before);
  if (app.restore(input)) CHECK(equal(app.snapshot(), input));

  // A state in one chunk: what is taken freezes to the same bytes.
  kv::KvApplication thawed;
  std::vector<SharedBytes> chunks{share(Bytes(input.begin(), input.end()))};
  if (thawed.thaw(chunks)) CHECK(equal(*thawed.freeze()->chunk(0), input));
  // Nothing that is made up is part of a snapshot that was signed.
  SnapshotAssembly assembly(1 << 20);
  assembly.aim(Seq(1), Digest{}, nullptr);
  if (auto block = decode<SnapshotBlock>(input)) CHECK(assembly.add(*block) != SnapshotAssembly::Piece::Useful);
  if (auto chunk = decode<SnapshotChunk>(input)) CHECK(assembly.add(*chunk) != SnapshotAssembly::Piece::Useful);

  // An administrator that orders whatever the input says: what comes of it reads back to the same roster.
  Membership ruled;
  ruled.sites = {{4, 1}};
  ruled.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(0)}};
  ruled.administrator = ClientId(1);
  ClientRoster roster(ruled, 4);
  std::uint64_t ticket = 1;
  Effects told(ticket);
  roster.administer(Seq(1), input, told);
  const auto again = roster.unpack(roster.pack());
  CHECK(again && again->digest() == roster.digest() && roster.members() <= 3);
  const std::vector<SharedBytes> made_up{share(encode(RosterHead{ClientId(9), 1, {}})), chunks[0]};
  if (auto read = roster.unpack(made_up)) CHECK(read->unpack(read->pack()).has_value());

  // A client whose servers say whatever the input says.
  Membership membership;
  membership.sites = {{4, 1}};
  membership.clients = {{ClientId(1), SiteId(0)}};
  ClientSettings settings;
  settings.self = ClientId(1);
  settings.probe = size % 2 == 0;
  ClientCore core(membership, settings);
  fuzz::TrustingHost host(Principal::of(ClientId(1)), membership, ClientCore::message_table(), core);
  host.drive([&](Instant now, Effects& fx) { CHECK(core.submit(now, {}, size % 3 == 0, fx).has_value()); });
  host.feed(input, AuthKind::Mac);
  CHECK(core.take_completions().size() <= 1);
  return 0;
}
