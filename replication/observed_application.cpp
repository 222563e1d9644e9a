#include "replication/observed_application.hpp"

#include "base/check.hpp"
#include "crypto/merkle.hpp"

namespace seneschal::replication {
namespace {

std::optional<Dependent> unwrap(Span operation) {
  if (operation.empty() || operation[0] != Dependent::kTag) return std::nullopt;
  auto dependent = decode<Dependent>(operation);
  return dependent ? std::optional(std::move(*dependent)) : std::nullopt;
}

/// A frozen state with one chunk more.
class FrozenAt final : public Frozen {
 public:
  FrozenAt(std::shared_ptr<const Frozen> state, const Position& position)
      : state_(std::move(state)), position_(share(encode(position))) {}
  std::size_t chunks() const override { return state_->chunks() + 1; }
  SharedBytes chunk(std::size_t index) const override { return own(index) ? position_ : state_->chunk(index); }
  Digest leaf(std::size_t index) const override {
    return own(index) ? crypto::merkle_leaf(*position_) : state_->leaf(index);
  }
  std::size_t cost(std::size_t index) const override { return own(index) ? position_->size() : state_->cost(index); }

 private:
  bool own(std::size_t index) const { return index == state_->chunks(); }
  std::shared_ptr<const Frozen> state_;
  SharedBytes position_;
};

constexpr std::size_t kPositionBytes = 16;

}  // namespace

Bytes with_dependencies(Bytes dependencies, Span operation) {
  Dependent dependent;
  dependent.dependencies.value = std::move(dependencies);
  dependent.operation.value = to_bytes(operation);
  return encode(dependent);
}

void ObservedApplication::on_evidence(Span sealed) {
  if (observer_ != nullptr) evidence_.assign(sealed.begin(), sealed.end());
}

Bytes ObservedApplication::apply(ClientId client, Span operation) {
  const auto wrapped = unwrap(operation);
  const Span inner = wrapped ? Span(wrapped->operation.value) : operation;
  Bytes result = application_->apply(client, inner);
  ++position_.updates;
  if (observer_ != nullptr) {
    if (waits_ == waiting_.size()) waiting_.emplace_back();
    Waiting& update = waiting_[waits_++];
    update.client = client;
    update.signed_operation.assign(operation.begin(), operation.end());
    update.evidence.swap(evidence_);
    evidence_.clear();
    update.footprint = application_->footprint(inner);
  }
  if (!wrapped) return result;
  Numbered numbered;
  numbered.update = position_.updates;
  if (judge_) numbered.refused = judge_(wrapped->dependencies.value, position_.updates);
  numbered.result.value = std::move(result);
  return encode(numbered);
}

void ObservedApplication::undo() {
  application_->undo();
  CHECK(position_.updates > 0);
  --position_.updates;
  if (observer_ == nullptr) return;
  CHECK(waits_ > 0);
  --waits_;
}

void ObservedApplication::settle() {
  application_->settle();
  position_.seq = position_.seq.next();
  if (observer_ == nullptr) return;
  for (const Waiting& update : std::span(waiting_).first(waits_)) {
    const auto wrapped = unwrap(update.signed_operation);
    ExecutionObserver::Executed executed;
    executed.seq = position_.seq;
    executed.client = update.client;
    executed.signed_operation = executed.operation = update.signed_operation;
    executed.evidence = update.evidence;
    executed.footprint = &update.footprint;
    if (wrapped) {
      executed.dependencies = wrapped->dependencies.value;
      executed.operation = wrapped->operation.value;
    }
    observer_->executed(executed);
  }
  waits_ = 0;
  // What a large batch took is given back.
  constexpr std::size_t kKept = 256;
  if (waiting_.size() > kKept) waiting_.resize(kKept);
  observer_->batch_done(position_, *application_);
}

Status ObservedApplication::replace(const Position& position, Status done) {
  if (!done) return done;
  waits_ = 0;
  position_ = position;
  if (observer_ != nullptr) observer_->replaced(position_, *application_);
  return {};
}

Bytes ObservedApplication::snapshot() const {
  Bytes bytes = encode(position_);
  append(bytes, application_->snapshot());
  return bytes;
}

Status ObservedApplication::restore(Span snapshot) {
  const auto position = decode<Position>(snapshot.first(std::min(snapshot.size(), kPositionBytes)));
  if (!position) return failure("snapshot: it does not begin with how many updates led to it");
  return replace(*position, application_->restore(snapshot.subspan(kPositionBytes)));
}

std::shared_ptr<const Frozen> ObservedApplication::freeze() const {
  if (observer_ != nullptr) observer_->checkpointing();
  return std::make_shared<FrozenAt>(application_->freeze(), position_);
}

Status ObservedApplication::thaw(std::span<const SharedBytes> chunks) {
  const auto position = chunks.empty() ? std::expected<Position, Reject>(std::unexpected(Reject::Malformed))
                                       : decode<Position>(*chunks.back());
  if (!position) return failure("snapshot: its last chunk does not tell how many updates led to it");
  return replace(*position, application_->thaw(chunks.first(chunks.size() - 1)));
}

}  // namespace seneschal::replication
