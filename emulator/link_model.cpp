#include "emulator/link_model.hpp"

#include "base/prng.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

namespace seneschal::emulator {

namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max() / 4;

/// Kinds of draws: each has a stream of its own, so that switching one fault off leaves the others as they were.
enum Draw : std::size_t { kLoss, kDuplicate, kReorder, kJitter, kCopyJitter };

/// keyed_draw without its last step, which is the only one that changes from packet to packet.
std::uint64_t draw_prefix(const LinkKey& key, std::uint64_t kind) {
  const std::uint64_t stream = scatter(key.stream ^ hash_name("link")) ^ kind;
  return scatter(scatter(scatter(scatter(key.seed) ^ stream) ^ key.source) ^ key.destination);
}

/// Time to serialise `bytes` at `bps`, rounded down, clamped to something that can be added to an instant.
std::int64_t time_of(std::uint64_t bytes, std::uint64_t bps) {
  const Wide ns = static_cast<Wide>(bytes) * 8 * kNsPerSecond / bps;
  return ns > static_cast<Wide>(kForever) ? kForever : static_cast<std::int64_t>(ns);
}

}  // namespace

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::None: return "none";
    case DropReason::QueueFull: return "queue-full";
    case DropReason::Lost: return "lost";
  }
  return "unknown";
}

std::uint64_t LinkConfig::effective_queue_bytes() const {
  if (queue_bytes != 0) return queue_bytes;
  const Wide product =
      static_cast<Wide>(bandwidth_bps) * static_cast<std::uint64_t>(delay.count()) / 8 / kNsPerSecond;
  return std::max(static_cast<std::uint64_t>(product), kLeastQueueBytes);
}

LinkModel::LinkModel(const LinkConfig& config, const LinkKey& key) {
  for (std::size_t kind = 0; kind < prefixes_.size(); ++kind) prefixes_[kind] = draw_prefix(key, kind);
  // Nothing was offered yet: any instant may come first.
  busy_until_ = last_arrival_ = {std::numeric_limits<std::int64_t>::min() / 4};
  adopt(config);
}

void LinkModel::adopt(const LinkConfig& config) {
  config_ = config;
  remainder_ = 0;
  queue_time_ =
      Duration(config.bandwidth_bps == 0 ? kForever : time_of(config.effective_queue_bytes(), config.bandwidth_bps));
}

void LinkModel::configure(Instant now, const LinkConfig& config, std::span<Transit* const> waiting) {
  const std::uint64_t former_bps = config_.bandwidth_bps;
  adopt(config);
  std::vector<Transit*> in_order(waiting.begin(), waiting.end());
  std::ranges::sort(in_order, {}, [](const Transit* packet) { return std::pair(packet->nth, packet->copy); });
  serialise_again(now, in_order, former_bps);
  last_arrival_ = std::min(last_arrival_, now);
  Instant first_copy{};
  std::optional<std::uint64_t> nth;
  for (Transit* packet : in_order) {
    // The first copy may have been delivered, or dropped by the carrier; the second follows it all the same.
    if (packet->nth != nth) first_copy = arrival(packet->sent, packet->nth, packet->reordered);
    nth = packet->nth;
    packet->due = packet->copy == 0 ? first_copy : first_copy + draw_jitter(prefixes_[kCopyJitter], packet->nth);
    packet->due = std::max(packet->due, now);
  }
}

void LinkModel::serialise_again(Instant now, std::span<Transit* const> in_order, std::uint64_t former_bps) {
  if (busy_until_ > now) counters_.busy -= busy_until_ - now;
  Instant free = now;
  Transit* before = nullptr;
  for (Transit* packet : in_order) {
    if (before != nullptr && before->nth == packet->nth) {
      packet->sent = before->sent;
      continue;
    }
    before = packet;
    if (packet->sent <= now) continue;
    // What has left of the packet that is just being sent has left.
    std::uint64_t bytes = packet->wire_bytes;
    if (former_bps != 0) {
      const Wide left = static_cast<Wide>((packet->sent - now).count()) * former_bps;
      bytes = std::min(bytes, static_cast<std::uint64_t>((left + 8 * kNsPerSecond - 1) / (8 * kNsPerSecond)));
    }
    const Duration takes = config_.bandwidth_bps == 0 ? Duration{} : serialise(bytes, free == now);
    free = std::min(free + takes, now + Duration(kForever));
    packet->sent = free;
  }
  counters_.busy += free - now;
  busy_until_ = std::min(busy_until_, now);
  if (free > now) busy_until_ = free;
}

std::uint64_t LinkModel::queued_bytes(Instant now) const {
  if (busy_until_ <= now) return 0;
  const auto left = static_cast<std::uint64_t>((busy_until_ - now).count());
  // Rounded up: a byte is gone when it has been sent entirely.
  const Wide bits = static_cast<Wide>(left) * config_.bandwidth_bps;
  return static_cast<std::uint64_t>((bits + 8 * kNsPerSecond - 1) / (8 * kNsPerSecond));
}

Duration LinkModel::serialise(std::size_t wire_bytes, bool idle) {
  if (idle) remainder_ = 0;
  // Fits: datagrams have at most 64 KiB, and even 1 GiB would be 8.6e18.
  const std::uint64_t ns = static_cast<std::uint64_t>(wire_bytes) * 8 * kNsPerSecond + remainder_;
  remainder_ = ns % config_.bandwidth_bps;
  return Duration(static_cast<std::int64_t>(ns / config_.bandwidth_bps));
}

Duration LinkModel::draw_jitter(std::uint64_t prefix, std::uint64_t nth) const {
  const std::uint64_t bound = static_cast<std::uint64_t>(config_.jitter.count()) + 1;
  return Duration(static_cast<std::int64_t>((static_cast<Wide>(scatter(prefix ^ nth)) * bound) >> 64));
}

// Packets picked for reordering may be overtaken; all others keep their order.
Instant LinkModel::arrival(Instant sent, std::uint64_t nth, bool reordered) {
  Instant at = sent + config_.delay;
  if (config_.jitter.count() != 0) at = at + draw_jitter(prefixes_[kJitter], nth);
  if (reordered) return at + config_.reorder_extra;
  last_arrival_ = std::max(at, last_arrival_);
  return last_arrival_;
}

Fate LinkModel::offer(Instant now, std::size_t payload_bytes) {
  const std::size_t wire_bytes = payload_bytes + kIpUdpHeaderBytes;
  Fate fate;
  ++nth_;  // counted before anything can drop the packet: later packets keep their draws
  ++counters_.packets;
  fate.nth = nth_;
  fate.wire_bytes = wire_bytes;

  const bool idle = now >= busy_until_;
  Instant start = idle ? now : busy_until_;
  if (config_.bandwidth_bps != 0) {
    const std::uint64_t before = remainder_;
    const Duration takes = serialise(wire_bytes, idle);
    // An idle link always takes a packet, however short its queue.
    if (!idle && busy_until_ - now + takes > queue_time_) {
      remainder_ = before;
      ++counters_.queue_drops;
      fate.dropped = DropReason::QueueFull;
      return fate;
    }
    start = start + takes;
    counters_.busy += takes;
  }
  busy_until_ = start;
  fate.sent = start;
  counters_.wire_bytes += wire_bytes;

  const auto hit = [&](Draw kind, std::uint32_t ppm) {
    return ppm != 0 && chance(scatter(prefixes_[kind] ^ nth_), ppm, kCertainPpm);
  };
  if (hit(kLoss, config_.loss_ppm)) {
    ++counters_.losses;
    fate.dropped = DropReason::Lost;
    return fate;
  }
  fate.reordered = hit(kReorder, config_.reorder_ppm);
  if (fate.reordered) ++counters_.reordered;
  fate.copies = 1;
  fate.arrivals[0] = arrival(fate.sent, nth_, fate.reordered);
  if (hit(kDuplicate, config_.duplicate_ppm)) {
    ++counters_.duplicates;
    fate.copies = 2;
    fate.arrivals[1] = fate.arrivals[0] + draw_jitter(prefixes_[kCopyJitter], nth_);
  }
  return fate;
}

}  // namespace seneschal::emulator
