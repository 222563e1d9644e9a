// Representatives that show what their site signed to some sites late. [Steward 6, Forwarding]
#include "steward/forwarding.hpp"
#include "bed.hpp"

namespace seneschal::steward::testing {
namespace {

/// What is between sites here: a round trip of 100 ms, and `pace_floor` for a round inside a site.
constexpr Duration kPatience = 200ms;
constexpr Duration kSlack = 60ms;  // ticks and jobs

bool between(const Bed::Datagram& m, ServerId from, unsigned first_site) {
  return m.from == Principal::of(from) && m.to.is_server() && m.to.server().site != from.site &&
         m.to.server().site.value >= first_site;
}

/// Every client issues updates for so long; returns how long they took, in order of completion.
std::vector<Duration> load(Bed& bed, Duration time) {
  std::vector<Duration> took;
  const Instant end = bed.now + time;
  while (bed.now < end) {
    for (const auto& client : bed.membership.clients) {
      auto& core = bed.at(client.id).client();
      for (const auto& done : core.take_completions()) took.push_back(done.finished - done.started);
      if (core.idle()) bed.put(client.id, "k", "v");
    }
    bed.run_for(2ms);
  }
  return took;
}
Duration longest(const std::vector<Duration>& took) {
  return took.empty() ? Duration::max() : *std::ranges::max_element(took);
}
Duration mean(const std::vector<Duration>& took) {
  Duration sum{};
  for (Duration t : took) sum += t;
  return sum / static_cast<std::int64_t>(std::max<std::size_t>(took.size(), 1));
}
void expect_no_view_change(Bed& bed) {
  for (auto& [who, node] : bed.nodes) {
    if (!who.is_server() || node->down) continue;
    EXPECT_EQ(node->steward().views().local(), LocalView(0)) << to_string(who);
    EXPECT_EQ(node->steward().views().global(), GlobalView(0)) << to_string(who);
  }
}
std::size_t forwarded(const Bed& bed) {
  return bed.count_sent([](const Bed::Datagram& m) {
    return m.is<ProposalCarrier>() && m.from != Principal::of(server(0, 0)) && m.to.server().site != SiteId(0);
  });
}

class StewardForwarding : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Faults, StewardForwarding, ::testing::Values(1u, 2u));

// [Steward 6.21] [Steward 6.22]
TEST_P(StewardForwarding, ProposalsThatTheRepresentativeKeepsFromMostSitesArriveAllTheSame) {
  Bed bed(5, static_cast<std::uint16_t>(GetParam()), 2);
  bed.start();
  const auto calm = load(bed, 8s);
  // Sites 2, 3 and 4 never see one of its Proposals, f-1 of its neighbours help it.
  bed.drop = [&](const Bed::Datagram& m) {
    for (unsigned i = 0; i < GetParam(); ++i)
      if (m.is<ProposalCarrier>() && between(m, server(0, i), 2)) return true;
    return false;
  };
  const auto first = load(bed, 2s);
  // RTT + 5A/4 for each faulty neighbour whose turn it is
  EXPECT_LE(longest(first), longest(calm) + kPatience + (GetParam() - 1) * 225ms + kSlack);
  load(bed, 4s);
  const auto later = load(bed, 10s);
  EXPECT_LE(mean(later), mean(calm) * 115 / 100) << "they are sent on at once";
  expect_no_view_change(bed);  // not at the other sites, either: they see that nobody there is late
  bed.expect_agreement(Seq(20));
}

// [Steward 6.23] [Steward 6.25]
TEST(StewardForwarding, AcceptsThatARepresentativeKeepsFromOthersArriveAllTheSame) {
  Bed bed(3, 1, 2);
  bed.start();
  load(bed, 8s);
  for (unsigned i = 0; i < 4; ++i) bed.kill(server(2, i));  // so that those of site 1 are needed
  const auto only = [](const Bed::Datagram& m) {
    return (m.is<Accept>() || m.is<RelayedAccept>()) && between(m, server(1, 0), 0);
  };
  std::vector<ClientId> served;
  for (const auto& client : bed.membership.clients)
    if (client.home != SiteId(2)) served.push_back(client.id);
  const auto serve = [&](Duration time) {
    std::vector<Duration> took;
    for (const Instant end = bed.now + time; bed.now < end; bed.run_for(2ms))
      for (ClientId id : served) {
        for (const auto& done : bed.at(id).client().take_completions()) took.push_back(done.finished - done.started);
        if (bed.at(id).client().idle()) bed.put(id, "k", "v");
      }
    return took;
  };
  serve(3s);
  const auto calm = serve(3s);
  bed.drop = only;
  const auto first = serve(2s);
  EXPECT_LE(longest(first), longest(calm) + kPatience + 100ms + kSlack);
  const auto later = serve(5s);
  EXPECT_LE(mean(later), mean(calm) * 115 / 100) << "a second server sends them, too";
  EXPECT_EQ(bed.steward(server(0, 3)).views().local(), LocalView(0));
}

// [Steward 6.27]
TEST(StewardForwarding, WhereNothingIsLateNothingIsSentOn) {
  Bed bed(5, 1, 2);
  bed.start();
  load(bed, 5s);
  bed.record = true;
  load(bed, 10s);
  EXPECT_EQ(forwarded(bed), 0u);
}

// [Steward 6.27]
TEST(StewardForwarding, ASiteThatDoesNotAnswerGetsNoMoreThanItsShare) {
  Bed bed(5, 1, 2);
  bed.start();
  load(bed, 5s);
  for (unsigned i = 0; i < 4; ++i) bed.kill(server(4, i));
  bed.membership.clients.resize(8);
  load(bed, 5s);
  bed.record = true;
  load(bed, 20s);
  std::size_t bytes = 0;
  for (const auto& m : bed.sent)
    if (m.is<ProposalCarrier>() && m.from != Principal::of(server(0, 0)) && m.to == Principal::of(server(4, 0)))
      bytes += m.bytes->size();
  EXPECT_LE(bytes, 3 * (20 * 16 + 128) * 1024u);
}

TEST(StewardForwarding, LossyLinksAreNotTakenForALateRepresentative) {
  Bed bed(5, 1, 2);
  bed.start();
  load(bed, 5s);
  Prng random(7);  // 2 % between sites; inside them nothing is lost
  bed.drop = [&](const Bed::Datagram& m) {
    return m.from.is_server() && m.to.is_server() && m.from.server().site != m.to.server().site &&
           random.chance(1, 50);
  };
  load(bed, 20s);  // what may be sent in vain at once is used up
  bed.record = true;
  load(bed, 20s);
  std::size_t sent = 0;
  std::set<std::tuple<Seq, GlobalView, Principal>> different;
  for (const auto& m : bed.sent) {
    if (!m.is<ProposalCarrier>() || m.from.server().site == m.to.server().site) continue;
    const Proposal proposal = m.body<ProposalCarrier>().proposal.body;
    ++sent;
    different.emplace(proposal.seq, proposal.gv, m.to);
  }
  EXPECT_LE(sent * 4, different.size() * 5) << "at most a quarter more, what is lost and sent again included";
}

/// The room alone: five sites of four, round trips of 100 ms, A = 100 ms; it is server 1 of site 0.
struct Room {
  Membership membership = make_membership(5, 1, 1);
  Settings settings;
  Timers timers{settings, membership, SiteId(0)};
  Forwarding room{membership, server(0, 1), timers};
  Instant now{};

  Room() {
    for (std::uint16_t s = 1; s < 5; ++s)
      for (unsigned i = 0; i < 2; ++i) timers.measured(server(s, i), 100ms);
    room.set_allowance(100ms);
  }
  std::vector<SiteId> proposed(std::uint64_t seq) {
    return room.proposed(now, Seq(seq), 1000, SiteId(0), ServerIndex(0));
  }
};

// [Steward 6.26]
TEST(StewardForwardingTurns, EachEntryIsOneServersAndOnlySitesWithoutAnAcceptGetIt) {
  Room r;
  for (std::uint64_t seq = 1; seq <= 3; ++seq) EXPECT_TRUE(r.proposed(seq).empty());
  r.now = r.now + 150ms;
  for (std::uint64_t seq = 1; seq <= 3; ++seq) r.room.accepted(r.now, Seq(seq), SiteId(2));
  EXPECT_TRUE(r.room.due(r.now).empty()) << "before RTT + A";
  r.now = r.now + 51ms;
  const auto due = r.room.due(r.now);
  ASSERT_EQ(due.size(), 1u) << "the others' turns are 225 and 450 ms later";
  EXPECT_EQ(due[0].sites, (std::vector{SiteId(1), SiteId(3), SiteId(4)}));
  r.now = r.now + 150ms;
  EXPECT_TRUE(r.room.due(r.now).empty()) << "the site may take A for its Accept";
  r.now = r.now + 75ms;
  EXPECT_EQ(r.room.due(r.now).size(), 1u);
  r.now = r.now + 225ms;
  EXPECT_TRUE(r.room.due(r.now).empty()) << "f+1 turns";
}

// [Steward 6.27]
TEST(StewardForwardingTurns, SitesThatAreLateByThemselvesAreLeftAlone) {
  Room r;
  std::size_t at_once = 0;
  for (std::uint64_t seq = 1; seq <= 400; ++seq) {
    at_once += r.proposed(seq).size();
    r.room.due(r.now = r.now + 205ms);
    r.room.due(r.now = r.now + 30ms);
    for (std::uint16_t s = 1; s < 5; ++s) r.room.accepted(r.now, Seq(seq), SiteId(s));
  }
  EXPECT_LE(at_once, 4 * 20u) << "sending at once was tried, and made nobody faster";
}

TEST(StewardForwardingTurns, BoundedWhateverIsProposed) {
  Room r;
  for (std::uint64_t seq = 1; seq <= 1000; ++seq) r.proposed(seq);
  EXPECT_LE(r.room.size(), 128u);
  r.room.view_changed();
  EXPECT_FALSE(r.room.busy());
}

}  // namespace
}  // namespace seneschal::steward::testing
