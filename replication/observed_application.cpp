#include "replication/observed_application.hpp"

#include "base/check.hpp"

namespace seneschal::replication {
namespace {

std::optional<Dependent> unwrap(Span operation) {
  if (operation.empty() || operation[0] != Dependent::kTag) return std::nullopt;
  auto dependent = decode<Dependent>(operation);
  return dependent ? std::optional(std::move(*dependent)) : std::nullopt;
}

}  // namespace

Bytes with_dependencies(Bytes dependencies, Span operation) {
  Dependent dependent;
  dependent.dependencies.value = std::move(dependencies);
  dependent.operation.value = to_bytes(operation);
  return encode(dependent);
}

Bytes ObservedApplication::apply(ClientId client, Span operation) {
  const auto wrapped = unwrap(operation);
  Bytes result = application_->apply(client, wrapped ? Span(wrapped->operation.value) : operation);
  if (observer_ != nullptr) waiting_.push_back({client, to_bytes(operation), result});
  return result;
}

void ObservedApplication::undo() {
  application_->undo();
  if (observer_ == nullptr) return;
  CHECK(!waiting_.empty());
  waiting_.pop_back();
}

void ObservedApplication::settle() {
  application_->settle();
  seq_ = seq_.next();
  if (observer_ == nullptr) return;
  for (const Waiting& update : waiting_) {
    const auto wrapped = unwrap(update.signed_operation);
    ExecutionObserver::Executed executed{seq_, update.client,           update.signed_operation,
                                         {},   update.signed_operation, update.result};
    if (wrapped) {
      executed.dependencies = wrapped->dependencies.value;
      executed.operation = wrapped->operation.value;
    }
    observer_->executed(executed);
  }
  waiting_.clear();
  observer_->batch_done(seq_, *application_);
}

Status ObservedApplication::restore(Span snapshot) {
  return took_over(application_->restore(snapshot));
}

Status ObservedApplication::thaw(std::span<const SharedBytes> chunks) {
  return took_over(application_->thaw(chunks));
}

Status ObservedApplication::took_over(Status done) {
  if (done && observer_ != nullptr) {
    waiting_.clear();
    observer_->replaced(*application_);
  }
  return done;
}

}  // namespace seneschal::replication
