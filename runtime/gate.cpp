#include "runtime/gate.hpp"

#include "crypto/digest.hpp"

namespace seneschal {

bool admits(const Admission& admission, Prefix prefix, Span body) {
  if (prefix == Prefix::None) return true;
  Reader reader(body);
  std::uint64_t view = 0;
  std::uint64_t sub_view = admission.min_sub_view;
  std::uint64_t seq = 0;
  if (!reader.number(view, 8)) return true;  // too short: decoding will say so
  if (prefix == Prefix::ViewSubViewSeq && !reader.number(sub_view, 8)) return true;
  if (!reader.number(seq, 8)) return true;
  return view >= admission.min_view && view <= admission.max_view && sub_view >= admission.min_sub_view &&
         sub_view <= admission.max_sub_view && seq >= admission.min_seq && seq <= admission.max_seq;
}

std::shared_ptr<const Opened> OpenCache::find(const Bytes* bytes) const {
  auto it = entries_.find(bytes);
  return it == entries_.end() ? nullptr : it->second;
}

void OpenCache::put(std::shared_ptr<const Opened> opened) {
  const Bytes* key = opened->bytes.get();
  if (!entries_.emplace(key, std::move(opened)).second) return;
  order_.push_back(key);
  if (order_.size() > capacity_) {
    entries_.erase(order_.front());
    order_.pop_front();
  }
}

Gate::Gate(MessageTable table, const Membership& membership, OpenCache* cache, std::size_t remembered)
    : table_(std::move(table)), membership_(membership), cache_(cache), memory_(remembered) {}

std::expected<Proof, Reject> Gate::proof_of(const SealedParts& parts) const {
  if (parts.header.deployment != membership_.deployment) return std::unexpected(Reject::WrongDeployment);
  if (!membership_.knows(parts.header.sender)) return std::unexpected(Reject::UnknownSender);
  return Proof{parts.header.sender, static_cast<std::uint8_t>(parts.header.auth), parts.signed_bytes, parts.auth, {}};
}

bool Gate::knows_all(const Opened& opened) const {
  return std::ranges::all_of(opened.proofs, [&](const Proof& proof) { return membership_.knows(proof.signer); });
}

std::expected<std::shared_ptr<const Opened>, Reject> Gate::open(const SharedBytes& bytes,
                                                                const Admission& admission) const {
  if (cache_ != nullptr) {
    if (auto hit = cache_->find(bytes.get())) {
      if (!admits(admission, hit->type->prefix, hit->parts.body)) return std::unexpected(Reject::NotAdmitted);
      // Decoded by a gate that may know clients that this one does not.
      if (!knows_all(*hit)) return std::unexpected(Reject::UnknownSender);
      return hit;
    }
  }
  auto parts = parse_sealed(*bytes);
  if (!parts) return std::unexpected(parts.error());
  auto outer = proof_of(*parts);
  if (!outer) return std::unexpected(outer.error());
  const MessageType* type = table_.find(parts->header.protocol, parts->header.type);
  if (type == nullptr) return std::unexpected(Reject::UnknownType);
  if (bytes->size() > type->max_size) return std::unexpected(Reject::TooLong);
  if (!type->fits(parts->header, bytes->size())) return std::unexpected(Reject::WrongSenderKind);
  if (!admits(admission, type->prefix, parts->body)) return std::unexpected(Reject::NotAdmitted);

  auto opened = std::make_shared<Opened>();
  opened->bytes = bytes;
  opened->parts = *parts;
  opened->type = type;
  std::vector<Span> nested;
  auto body = type->decode(parts->body, &nested);
  if (!body) return std::unexpected(body.error());
  opened->body = std::move(*body);
  opened->proofs.reserve(1 + nested.size());
  opened->proofs.push_back(*outer);
  for (Span sealed : nested) {
    auto inner_parts = parse_sealed(sealed);
    CHECK(inner_parts.has_value());  // decoding parsed the same span
    auto inner = proof_of(*inner_parts);
    if (!inner) return std::unexpected(inner.error());
    opened->proofs.push_back(*inner);
  }
  for (Proof& proof : opened->proofs)
    // A MAC costs no more to check than to look up: only signatures are remembered.
    if (static_cast<AuthKind>(proof.auth_kind) == AuthKind::Signature)
      proof.id = crypto::sha256({proof.signed_bytes, proof.auth});
  if (cache_ != nullptr) cache_->put(opened);
  return opened;
}

std::vector<Proof> Gate::owed(const Opened& opened) const {
  std::vector<Proof> owed;
  for (const Proof& proof : opened.proofs)
    if (proof.id.is_zero() || !memory_.contains(proof.id)) owed.push_back(proof);
  return owed;
}

Inbound Gate::admit(std::shared_ptr<const Opened> opened, Unproven unproven) {
  for (const Proof& proof : opened->proofs)
    if (!proof.id.is_zero()) memory_.add(proof.id);
  if (unproven.empty()) return Inbound(std::move(opened), nullptr);
  CHECK(opened->type->may_be_unproven);
  return Inbound(std::move(opened), std::make_shared<const Unproven>(std::move(unproven)));
}

}  // namespace seneschal
