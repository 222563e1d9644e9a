#include "replication/contact_choice.hpp"

#include <algorithm>

namespace seneschal::replication {

void ContactChoice::finished(Duration took, bool repeated) {
  if (!tries_) return;
  if (trial_) return tried(took, repeated);
  ++since_;
  if (repeated) return;  // how long it took is the retry's doing
  // A server may have become slow: no long wait for the next trial, and not one after the other if all are slow.
  if (usual_.count() > 0 && took > 2 * usual_) set_gap(kLeastGap);
  usual_ = usual_.count() == 0 ? took : usual_ + (took - usual_) / 4;
  if (since_ >= gap_) begin_trial();
}

void ContactChoice::tried(Duration took, bool repeated) {
  // Much less than usual: what differs by chance is not worth a change. Then alone about as little as with the other.
  const bool little = trial_->alone ? 3 * took <= 4 * trial_->together : 4 * took < 3 * usual_;
  const bool better = trial_->heard && !repeated && little;
  if (--trial_->left > 0 && (better || !trial_->alone)) return;
  if (better && !trial_->alone) {
    trial_ = Trial{.who = trial_->who, .heard = true, .alone = true, .together = took};
    return;
  }
  if (!better && trial_->alone) usual_ = trial_->together;  // it was the contact that was quick
  if (better) {
    contact_ = trial_->who;
    usual_ = took;
    set_gap(kLeastGap);
  } else if (++in_vain_ > faults_) {  // a correct one was among them
    set_gap(std::min(2 * gap_, kMostGap));
  }
  trial_.reset();
  since_ = 0;
}

void ContactChoice::set_gap(std::uint32_t updates) {
  gap_ = updates;
  in_vain_ = 0;
}

void ContactChoice::begin_trial() {
  do {
    next_ = ServerIndex(static_cast<std::uint16_t>((next_.value + 1) % servers_));
  } while (next_ == contact_);
  trial_ = Trial{next_};
}

void ContactChoice::move_to(ServerIndex contact) {
  contact_ = contact;
  usual_ = {};  // that was the other's
  trial_.reset();
  since_ = 0;
}

}  // namespace seneschal::replication
