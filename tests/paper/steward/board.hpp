// One update as in the report: every share to every server, messages between sites to representatives, one update
// per Proposal. What is said is written down with the line of the figure that says it.
#pragma once
#include "tests/paper/stored.hpp"
#include "tests/unit/steward/lone.hpp"

#include <sstream>

namespace seneschal::steward::testing {

inline Settings as_in_the_report() {
  Settings settings;
  settings.fan_out = FanOut::All;
  settings.delivery = Delivery::Representative;
  settings.batch_max = 1;
  return settings;
}

/// The line of the report's figures 5 to 7 that sends this message.
inline std::string line_of(const Bed::Datagram& m, SiteId leader) {
  bool at_leader = m.from.is_server() && m.from.server().site == leader;
  if (m.is<PrePrepare>()) return "Fig. 6 A3";
  if (m.is<Prepare>()) return "Fig. 6 B3";
  if (m.is<SigShare>()) return "Fig. 5 A2";
  if (m.is<CorruptedServer>()) return "Fig. 5 B10";
  if (m.is<ProposalCarrier>()) return at_leader ? "Fig. 7 A3" : "Fig. 7 B4";
  if (m.is<RelayedAccept>()) return "Fig. 7 B8";
  if (m.is<Accept>()) {
    SiteId of = parse_sealed(*m.bytes)->header.sender.site();
    return m.from.server().site == of ? "Fig. 7 B8" : "Fig. 7 C3";
  }
  return "";
}

/// What the figures speak of, one line per message and group of receivers, in the order of sending.
inline std::string transcript(const Bed& bed, SiteId leader = SiteId(0)) {
  MessageTable names = StewardCore::message_table();
  std::ostringstream out;
  for (std::size_t i = 0; i < bed.sent.size();) {
    const Bed::Datagram& first = bed.sent[i];
    std::string to;
    for (; i < bed.sent.size() && bed.sent[i].bytes == first.bytes && bed.sent[i].from == first.from; ++i)
      to += (to.empty() ? "" : ", ") + to_string(bed.sent[i].to);
    std::string line = line_of(first, leader);
    if (line.empty()) continue;
    auto parts = parse_sealed(*first.bytes);
    const MessageType* type = names.find(first.protocol(), first.type());
    out << line << ": " << to_string(first.from) << " -> " << to << ": ";
    if (parts->header.sender.is_site()) out << to_string(parts->header.sender) << "'s ";
    out << type->name << "\n";
  }
  return out.str();
}

using seneschal::testing::expect_stored;

}  // namespace seneschal::steward::testing
