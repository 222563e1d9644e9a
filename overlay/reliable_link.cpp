#include "overlay/reliable_link.hpp"

#include "base/check.hpp"

namespace seneschal::overlay {
namespace {
constexpr std::int64_t kMinTimeoutNs = 30'000'000;
constexpr std::int64_t kMaxTimeoutNs = 2'000'000'000;
constexpr std::uint32_t kMaxBackoff = 6;
// A packet is overtaken when one sent this many transmissions later has been acknowledged.
constexpr std::uint64_t kReorderTolerance = 3;
}  // namespace

ReliableSender::ReliableSender(std::uint64_t boot, Duration rtt_guess, std::size_t max_bytes)
    : boot_(boot), max_bytes_(max_bytes), srtt_ns_(rtt_guess.count()), rttvar_ns_(rtt_guess.count() / 2) {}

void ReliableSender::enqueue(Frame frame) {
  CHECK(has_room(frame.bytes()));
  frame.type = FrameType::ReliableData;
  bytes_ += frame.bytes();
  waiting_.push_back(std::move(frame));
}

Duration ReliableSender::timeout() const {
  return Duration(std::clamp(srtt_ns_ + 4 * rttvar_ns_, kMinTimeoutNs, kMaxTimeoutNs));
}

Instant ReliableSender::lost_at(const InFlight& packet) const {
  const auto backoff = std::min(packet.tries - 1, kMaxBackoff);
  const Duration patience = std::min<Duration>(timeout() * (1 << backoff), Duration(kMaxTimeoutNs));
  if (packet.order + kReorderTolerance > latest_acked_order_) return packet.sent + patience;
  // Later ones have arrived: this one is overtaken, or lost.
  return packet.sent + std::min(patience, Duration(srtt_ns_ + std::max(srtt_ns_ / 4, 2 * rttvar_ns_)));
}

Frame ReliableSender::transmit(InFlight& packet, Instant now) {
  packet.sent = now;
  packet.order = ++transmissions_;
  ++packet.tries;
  packet.frame.reliable.lag = static_cast<std::uint16_t>(packet.frame.reliable.seq - base_);
  return packet.frame;
}

std::optional<std::pair<Frame, bool>> ReliableSender::next(Instant now) {
  for (InFlight& packet : flight_)
    if (!packet.acked && lost_at(packet) <= now) return std::make_pair(transmit(packet, now), true);
  if (waiting_.empty() || flight_.size() >= kReliableWindow) return std::nullopt;
  InFlight& packet = flight_.emplace_back();
  packet.frame = std::move(waiting_.front());
  waiting_.pop_front();
  packet.frame.reliable.boot = boot_;
  packet.frame.reliable.seq = base_ + flight_.size() - 1;
  return std::make_pair(transmit(packet, now), false);
}

bool ReliableSender::wants_to_send(Instant now) const {
  if (!waiting_.empty() && flight_.size() < kReliableWindow) return true;
  return deadline() <= now;
}

Instant ReliableSender::deadline() const {
  Instant earliest = Instant::never();
  for (const InFlight& packet : flight_) {
    if (!packet.acked) earliest = std::min(earliest, lost_at(packet));
  }
  return earliest;
}

void ReliableSender::measure(Duration sample) {
  const std::int64_t ns = sample.count();
  if (!measured_) {
    measured_ = true;
    srtt_ns_ = ns;
    rttvar_ns_ = ns / 2;
    return;
  }
  const std::int64_t error = ns - srtt_ns_;
  srtt_ns_ += error / 8;
  rttvar_ns_ += ((error < 0 ? -error : error) - rttvar_ns_) / 4;
}

void ReliableSender::acknowledge(Instant now, std::uint64_t seq) {
  if (seq < base_ || seq - base_ >= flight_.size()) return;
  InFlight& packet = flight_[seq - base_];
  if (packet.acked) return;
  packet.acked = true;
  latest_acked_order_ = std::max(latest_acked_order_, packet.order);
  // Of a packet sent twice nobody knows which copy was acknowledged (Karn).
  if (packet.tries == 1) measure(now - packet.sent);
  bytes_ -= packet.frame.bytes();
  packet.frame.owner = nullptr;
}

void ReliableSender::on_ack(Instant now, const ReliableAck& ack) {
  if (ack.boot != boot_) return;
  const std::uint64_t end = base_ + flight_.size();
  for (std::uint64_t seq = base_; seq < std::min(ack.base, end); ++seq) acknowledge(now, seq);
  for (std::size_t i = 0; i < kReliableWindow; ++i)
    if (ack.bits[i / 64] >> (i % 64) & 1) acknowledge(now, ack.base + 1 + i);
  while (!flight_.empty() && flight_.front().acked) {
    flight_.pop_front();
    ++base_;
  }
}

std::vector<Frame> ReliableSender::take_all() {
  std::vector<Frame> frames;
  for (InFlight& packet : flight_)
    if (!packet.acked) frames.push_back(std::move(packet.frame));
  for (Frame& frame : waiting_) frames.push_back(std::move(frame));
  base_ += flight_.size();
  flight_.clear();
  waiting_.clear();
  bytes_ = 0;
  return frames;
}

std::uint64_t ReliableReceiver::floor_for(const ReliableHeader& header) const {
  const std::uint64_t said = header.seq - std::min<std::uint64_t>(header.lag, header.seq);
  return header.boot > boot_ ? said : std::max(base_, said);
}

std::expected<void, Reject> ReliableReceiver::admits(const ReliableHeader& header) const {
  if (header.boot < boot_) return std::unexpected(Reject::Replay);
  if (header.lag >= kReliableWindow || header.seq == 0) return std::unexpected(Reject::OutsideWindow);
  if (header.boot > boot_) return {};
  if (header.seq < base_) return std::unexpected(Reject::Duplicate);
  if (header.seq - base_ < have_.size() && have_[header.seq - base_]) return std::unexpected(Reject::Duplicate);
  return {};
}

std::expected<void, Reject> ReliableReceiver::accept(Instant now, const ReliableHeader& header) {
  const auto answer = admits(header);
  if (!answer) return answer;
  const std::uint64_t floor = floor_for(header);
  if (header.boot > boot_ || floor - base_ >= have_.size()) {
    boot_ = header.boot;
    base_ = floor;
    have_.clear();
  }
  for (; base_ < floor; ++base_) have_.pop_front();
  if (header.seq - base_ >= have_.size()) have_.resize(header.seq - base_ + 1, false);
  have_[header.seq - base_] = true;
  for (; !have_.empty() && have_.front(); ++base_) have_.pop_front();
  due_ = ++unacked_ >= kAckEvery ? now : std::min(due_, now + kAckDelay);
  return {};
}

ReliableAck ReliableReceiver::take_ack() {
  ReliableAck ack;
  ack.boot = boot_;
  ack.base = base_;
  // Bit i stands for base + 1 + i: base itself is missing by definition.
  for (std::size_t i = 0; i + 1 < have_.size() && i < kReliableWindow; ++i)
    if (have_[i + 1]) ack.bits[i / 64] |= std::uint64_t{1} << (i % 64);
  due_ = Instant::never();
  unacked_ = 0;
  return ack;
}

}  // namespace seneschal::overlay
