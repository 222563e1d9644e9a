#include "emulator/link_model.hpp"

#include "base/prng.hpp"

#include <algorithm>
#include <limits>

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
  busy_until_ = last_arrival_ = last_offer_ = carried_until_ = {std::numeric_limits<std::int64_t>::min() / 4};
  configure(config);
}

void LinkModel::configure(const LinkConfig& config) {
  if (busy_until_ > last_offer_) {
    carried_bytes_ = queued_bytes(last_offer_);
    carried_from_ = last_offer_;
    carried_until_ = busy_until_;
  }
  config_ = config;
  remainder_ = 0;
  queue_time_ =
      Duration(config.bandwidth_bps == 0 ? kForever : time_of(config.effective_queue_bytes(), config.bandwidth_bps));
}

std::uint64_t LinkModel::queued_bytes(Instant now) const {
  std::uint64_t bytes = 0;
  Instant from = now;
  if (now < carried_until_) {
    const auto left = static_cast<std::uint64_t>((carried_until_ - std::max(now, carried_from_)).count());
    const auto span = static_cast<std::uint64_t>((carried_until_ - carried_from_).count());
    bytes = static_cast<std::uint64_t>(static_cast<Wide>(carried_bytes_) * left / span);
    from = carried_until_;
  }
  if (busy_until_ > from) {
    const auto left = static_cast<std::uint64_t>((busy_until_ - from).count());
    // Rounded up: a byte is gone when it has been sent entirely.
    const Wide bits = static_cast<Wide>(left) * config_.bandwidth_bps;
    bytes += static_cast<std::uint64_t>((bits + 8 * kNsPerSecond - 1) / (8 * kNsPerSecond));
  }
  return bytes;
}

/// The queue's content as time at the present bandwidth.
Duration LinkModel::backlog(Instant now) const {
  if (now >= busy_until_) return Duration(0);
  if (now >= carried_until_) return busy_until_ - now;
  return Duration(time_of(queued_bytes(now), config_.bandwidth_bps));
}

Duration LinkModel::serialise(std::size_t wire_bytes, bool idle) {
  if (idle) remainder_ = 0;
  // Fits: datagrams have at most 64 KiB, and even 1 GiB would be 8.6e18.
  const std::uint64_t ns = static_cast<std::uint64_t>(wire_bytes) * 8 * kNsPerSecond + remainder_;
  remainder_ = ns % config_.bandwidth_bps;
  return Duration(static_cast<std::int64_t>(ns / config_.bandwidth_bps));
}

Duration LinkModel::draw_jitter(std::uint64_t prefix) const {
  const std::uint64_t bound = static_cast<std::uint64_t>(config_.jitter.count()) + 1;
  return Duration(static_cast<std::int64_t>((static_cast<Wide>(scatter(prefix ^ nth_)) * bound) >> 64));
}

Fate LinkModel::offer(Instant now, std::size_t payload_bytes) {
  const std::size_t wire_bytes = payload_bytes + kIpUdpHeaderBytes;
  Fate fate;
  ++nth_;  // counted before anything can drop the packet: later packets keep their draws
  ++counters_.packets;
  last_offer_ = now;

  const bool idle = now >= busy_until_;
  Instant start = idle ? now : busy_until_;
  if (config_.bandwidth_bps != 0) {
    const std::uint64_t before = remainder_;
    const Duration takes = serialise(wire_bytes, idle);
    // An idle link always takes a packet, however short its queue.
    if (!idle && backlog(now) + takes > queue_time_) {
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
  Instant arrival = fate.sent + config_.delay;
  if (config_.jitter.count() != 0) arrival = arrival + draw_jitter(prefixes_[kJitter]);
  if (hit(kReorder, config_.reorder_ppm)) {
    ++counters_.reordered;
    arrival = arrival + config_.reorder_extra;  // later packets may overtake it: last_arrival_ stays
  } else {
    arrival = std::max(arrival, last_arrival_);
    last_arrival_ = arrival;
  }
  fate.copies = 1;
  fate.arrivals[0] = arrival;
  if (hit(kDuplicate, config_.duplicate_ppm)) {
    ++counters_.duplicates;
    fate.copies = 2;
    fate.arrivals[1] = arrival + draw_jitter(prefixes_[kCopyJitter]);
  }
  return fate;
}

}  // namespace seneschal::emulator
