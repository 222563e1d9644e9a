#include "overlay/fragments.hpp"

#include "base/check.hpp"

namespace seneschal::overlay {

bool Reassembler::same_message(const DataHeader& a, const DataHeader& b) {
  return a.source == b.source && a.kind == b.kind && a.to_node == b.to_node && a.to == b.to && a.total == b.total &&
         a.chunk == b.chunk && a.service == b.service;
}

bool Reassembler::is_window(const Frame& piece) {
  return piece.owner && piece.owner->size() == piece.header.total &&
         piece.payload.data() ==
             piece.owner->data() + static_cast<std::size_t>(piece.header.index) * piece.header.chunk;
}

Instant Reassembler::dies_at(const Partial& partial) const {
  // A reliable piece may be lost several times on several links before it arrives.
  const int patience = partial.first.service == Service::Reliable ? 5 : 1;
  return partial.news + patience * limits_.partial_timeout;
}

std::expected<Reassembler::Partial*, Reject> Reassembler::partial_of(Instant now, Source& source,
                                                                     const Frame& piece) {
  const DataHeader& header = piece.header;
  for (Partial& partial : source.partials) {
    if (partial.first.message != header.message) continue;
    if (!same_message(partial.first, header)) return std::unexpected(Reject::Conflict);
    return &partial;
  }
  for (std::uint64_t finished : source.finished)
    if (finished == std::uint64_t{header.message} + 1) return std::unexpected(Reject::Duplicate);
  if (source.partials.size() >= limits_.partials_per_source) {
    forget(source, 0);
    drops_.add(Reject::FragmentLimit);
  }
  if (bytes_ + header.total > limits_.partial_bytes) return std::unexpected(Reject::FragmentLimit);
  bytes_ += header.total;
  Partial& partial = source.partials.emplace_back();
  partial.first = header;
  partial.news = now;
  partial.missing = header.pieces();
  partial.have.assign(header.pieces(), false);
  if (is_window(piece)) partial.shared = piece.owner;
  return &partial;
}

void Reassembler::store(Partial& partial, const Frame& piece) {
  if (partial.shared == piece.owner && is_window(piece)) return;
  if (partial.buffer.empty()) partial.buffer.resize(partial.first.total);
  const std::size_t chunk = partial.first.chunk;
  if (partial.shared) {
    // The windows had one owner until now; from here on pieces are copied, those already here included.
    partial.buffer = *partial.shared;
    partial.shared = nullptr;
  }
  std::ranges::copy(piece.payload, partial.buffer.begin() + static_cast<std::ptrdiff_t>(piece.header.index * chunk));
}

std::expected<std::optional<Message>, Reject> Reassembler::add(Instant now, const Frame& piece) {
  const DataHeader& header = piece.header;
  CHECK(header.index < header.pieces() && piece.payload.size() == header.piece_bytes());
  if (header.total > limits_.max_payload) return std::unexpected(Reject::TooLong);
  auto at = sources_.find(header.source.node);
  if (at == sources_.end()) {
    if (sources_.size() >= limits_.max_nodes) return std::unexpected(Reject::FragmentLimit);
    at = sources_.try_emplace(header.source.node).first;
  }
  Source& source = at->second;
  const auto found = partial_of(now, source, piece);
  if (!found) return std::unexpected(found.error());
  Partial& partial = **found;
  if (partial.have[header.index]) return std::unexpected(Reject::Duplicate);
  store(partial, piece);
  partial.have[header.index] = true;
  partial.news = now;
  if (--partial.missing > 0) return std::optional<Message>{};

  Message message;
  message.owner = partial.shared ? partial.shared : share(std::move(partial.buffer));
  message.payload = *message.owner;
  source.finished[source.next_finished++ % source.finished.size()] = std::uint64_t{header.message} + 1;
  forget(source, static_cast<std::size_t>(&partial - source.partials.data()));
  return std::optional<Message>(std::move(message));
}

void Reassembler::forget(Source& source, std::size_t index) {
  bytes_ -= source.partials[index].first.total;
  source.partials.erase(source.partials.begin() + static_cast<std::ptrdiff_t>(index));
}

void Reassembler::expire(Instant now) {
  for (auto& [node, source] : sources_) {
    for (std::size_t i = source.partials.size(); i-- > 0;) {
      if (dies_at(source.partials[i]) > now) continue;
      forget(source, i);
      drops_.add(Reject::Expired);
    }
  }
}

Instant Reassembler::deadline() const {
  Instant earliest = Instant::never();
  if (bytes_ == 0) return earliest;
  for (const auto& [node, source] : sources_)
    for (const Partial& partial : source.partials) earliest = std::min(earliest, dies_at(partial));
  return earliest;
}

std::size_t Reassembler::partials() const {
  std::size_t n = 0;
  for (const auto& [node, source] : sources_) n += source.partials.size();
  return n;
}

}  // namespace seneschal::overlay
