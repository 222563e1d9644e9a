#include "overlay/link.hpp"

namespace seneschal::overlay {
namespace {
__extension__ typedef unsigned __int128 Wide;

constexpr std::int64_t kQuantumUs = 250;
constexpr std::int64_t kLeastChangeUs = 500;
constexpr std::uint32_t kRepliesPerWindow = 20;
constexpr std::uint32_t kRepliesToStart = 3;
// Bulk may run ahead of the link by this much, so that a late timer leaves no hole.
constexpr Duration kBurst = 2ms;
constexpr std::size_t kBurstPackets = 2;
constexpr std::size_t kPacketBytes = 1428;
constexpr Duration kMaxBacklog = 500ms;

Duration serialisation(std::size_t bytes, std::uint64_t bandwidth_bps) {
  return Duration(static_cast<std::int64_t>(bytes * 8'000'000'000ULL / bandwidth_bps));
}
}  // namespace

Liveness::Liveness(const NodeConfig& node, const PeerConfig& peer)
    : mode_(node.routing),
      interval_(node.timing.hello_interval),
      silence_(node.timing.hello_interval * node.timing.missed_hellos),
      boot_(node.boot),
      up_(node.routing == RoutingMode::Static),
      cost_us_(std::max<std::uint32_t>(peer.metric_us, 1)) {}

bool Liveness::heard(Instant now) {
  last_heard_ = now;
  const bool news = !up_;
  up_ = true;
  return news;
}

bool Liveness::check(Instant now) {
  if (mode_ == RoutingMode::Static || !up_ || last_heard_ + silence_ > now) return false;
  up_ = false;
  in_window_ = 0;
  previous_min_ns_ = 0;
  return true;
}

Hello Liveness::make_hello(Instant now) {
  // A late timer must not be followed by a volley.
  next_hello_ = std::max(next_hello_ + interval_, now + interval_ / 2);
  ++seq_;
  Asked& slot = asked_[seq_ % asked_.size()];
  if (slot.seq != 0) {
    const std::uint32_t sample = slot.open ? 1000 : 0;
    loss_permille_ = (loss_permille_ * 31 + sample + 16) / 32;
  }
  slot = {seq_, now, true};
  return {boot_, seq_};
}

std::expected<void, Reject> Liveness::on_reply(Instant now, const HelloReply& reply) {
  Asked& slot = asked_[reply.seq % asked_.size()];
  if (reply.boot != boot_ || !slot.open || slot.seq != reply.seq) return std::unexpected(Reject::NotOurs);
  slot.open = false;
  measure((now - slot.at).count());
  return {};
}

void Liveness::measure(std::int64_t rtt_ns) {
  srtt_ns_ = srtt_ns_ == 0 ? rtt_ns : srtt_ns_ + (rtt_ns - srtt_ns_) / 8;
  window_min_ns_ = in_window_ == 0 ? rtt_ns : std::min(window_min_ns_, rtt_ns);
  ++in_window_;
  if (!adopted_ && in_window_ >= kRepliesToStart) adopt(window_min_ns_);
  if (in_window_ < kRepliesPerWindow) return;
  adopt(previous_min_ns_ == 0 ? window_min_ns_ : std::min(window_min_ns_, previous_min_ns_));
  previous_min_ns_ = window_min_ns_;
  in_window_ = 0;
}

void Liveness::adopt(std::int64_t rtt_ns) {
  if (mode_ != RoutingMode::Measured) return;
  const std::int64_t one_way_us = rtt_ns / 2000;
  const std::int64_t quantised =
      std::clamp<std::int64_t>((one_way_us + kQuantumUs - 1) / kQuantumUs * kQuantumUs, kQuantumUs, 60'000'000);
  const std::int64_t change = quantised > cost_us_ ? quantised - cost_us_ : cost_us_ - quantised;
  if (adopted_ && change < std::max<std::int64_t>(kLeastChangeUs, cost_us_ / 5)) return;
  adopted_ = true;
  cost_us_ = static_cast<std::uint32_t>(quantised);
}

Instant Liveness::deadline() const {
  if (mode_ == RoutingMode::Static) return Instant::never();
  return up_ ? std::min(next_hello_, last_heard_ + silence_) : next_hello_;
}

void Pacer::set(Instant now, std::uint64_t bandwidth_bps) {
  const std::uint64_t former_bps = std::exchange(bandwidth_bps_, bandwidth_bps);
  if (!paces()) return;
  burst_ = std::max(kBurst, serialisation(kBurstPackets * kPacketBytes, bandwidth_bps));
  if (former_bps == 0 || busy_until_ <= now) return;
  const Wide left = static_cast<Wide>((busy_until_ - now).count()) * former_bps / bandwidth_bps;
  const Duration most = std::max(kMaxBacklog, burst_);
  busy_until_ = now + (left < static_cast<Wide>(most.count()) ? Duration(static_cast<std::int64_t>(left)) : most);
}

void Pacer::on_sent(Instant now, std::size_t packet_bytes) {
  if (!paces()) return;
  busy_until_ = std::max(busy_until_, now) + serialisation(packet_bytes + kIpUdpBytes, bandwidth_bps_);
  busy_until_ = std::min(busy_until_, now + std::max(kMaxBacklog, burst_));
}

Instant Link::deadline() const {
  Instant earliest = std::min(liveness.deadline(), receiver.ack_due());
  if (!liveness.up()) return earliest;
  for (const auto& [origin, state] : pending) earliest = std::min(earliest, state.due);
  if (!paced.empty()) earliest = std::min(earliest, pacer.ready_at());
  if (sender.queued() > 0) {
    const Instant retry = std::max(sender.deadline(), pacer.ready_at());
    earliest = std::min(earliest, retry);
    if (sender.wants_to_send(pacer.ready_at())) earliest = std::min(earliest, pacer.ready_at());
  }
  return earliest;
}

}  // namespace seneschal::overlay
