#include "replication/contact_choice.hpp"

#include <algorithm>

namespace seneschal::replication {

void ContactChoice::finished(Duration took, bool repeated) {
  if (!tries_) return;
  if (trial_) {
    if (--trial_->left > 0) return;
    // Much less: what differs by chance is not worth a change.
    const bool better = trial_->heard && !repeated && 4 * took < 3 * usual_;
    if (better) {
      contact_ = trial_->who;
      usual_ = took;
      set_gap(kLeastGap);
    } else if (++in_vain_ > faults_) {  // a correct one was among them
      set_gap(std::min(2 * gap_, kMostGap));
    }
    trial_.reset();
    since_ = 0;
    return;
  }
  ++since_;
  // Somebody may have become slow: no long wait for the next trial, and not one after the other if all are slow.
  if (usual_.count() > 0 && took > 2 * usual_) set_gap(kLeastGap);
  usual_ = usual_.count() == 0 ? took : usual_ + (took - usual_) / 4;
  if (since_ >= gap_) begin_trial();
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
  trial_.reset();
  since_ = 0;
}

}  // namespace seneschal::replication
