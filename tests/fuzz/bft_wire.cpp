// A backup and a primary of the flat baseline whose peers say whatever the input says, genuinely.
#include "bft/bft_core.hpp"
#include "replication/applications.hpp"
#include "tests/fuzz/round_trip.hpp"
#include "tests/fuzz/trusting_host.hpp"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::bft;
  Span input(data, size);
  fuzz::round_trip_one_of<PrePrepare, Prepare, Commit, Checkpoint, bft::Status, Entry, Doubt, LogRecord>(input);

  Membership membership;
  membership.sites = {{4, 1}};
  membership.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(0)}};
  Settings settings;
  settings.checkpoint_interval = 2;
  settings.log_span = 4;
  settings.window = 4;
  settings.durability = Durability::None;
  for (std::uint16_t self : {0, 1}) {
    BftCore core(ServerIndex(self), membership, settings, *replication::make_application("kv"));
    fuzz::TrustingHost host(Principal::of(ServerId{SiteId(0), ServerIndex(self)}), membership,
                            BftCore::message_table(), core);
    host.feed(input, AuthKind::Authenticator);
    CHECK(core.execution().executed().value <= size);
  }
  // A log that says whatever the input says: what it makes of it, or nothing at all.
  BftCore again(ServerIndex(1), membership, settings, *replication::make_application("kv"));
  std::uint64_t tickets = 1;
  Effects fx(tickets);
  const std::vector<Record> log{to_bytes(input)};
  again.start({}, log, fx);
  const bool silent = std::ranges::all_of(
      fx.list(), [](const auto& effect) { return std::holds_alternative<Effects::LoseLog>(effect); });
  CHECK(again.participating() || silent || decode_record(input).has_value());
  return 0;
}
