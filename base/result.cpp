#include "base/result.hpp"

namespace seneschal {

std::string_view to_string(Reject reason) {
  switch (reason) {
    case Reject::TooShort: return "too-short";
    case Reject::TooLong: return "too-long";
    case Reject::WrongVersion: return "wrong-version";
    case Reject::WrongProtocol: return "wrong-protocol";
    case Reject::WrongDeployment: return "wrong-deployment";
    case Reject::UnknownType: return "unknown-type";
    case Reject::UnknownSender: return "unknown-sender";
    case Reject::WrongSenderKind: return "wrong-sender-kind";
    case Reject::NotAdmitted: return "not-admitted";
    case Reject::Malformed: return "malformed";
    case Reject::TrailingBytes: return "trailing-bytes";
    case Reject::NotCanonical: return "not-canonical";
    case Reject::BadSignature: return "bad-signature";
    case Reject::BadInnerSignature: return "bad-inner-signature";
    case Reject::Replay: return "replay";
    case Reject::WrongView: return "wrong-view";
    case Reject::NotRepresentative: return "not-representative";
    case Reject::NotLeaderSite: return "not-leader-site";
    case Reject::OutsideWindow: return "outside-window";
    case Reject::Duplicate: return "duplicate";
    case Reject::Equivocation: return "equivocation";
    case Reject::Conflict: return "conflict";
    case Reject::Constrained: return "constrained";
    case Reject::EmptyBatch: return "empty-batch";
    case Reject::RepeatedUpdate: return "repeated-update";
    case Reject::AlreadyExecuted: return "already-executed";
    case Reject::WrongSite: return "wrong-site";
    case Reject::Superseded: return "superseded";
    case Reject::MissingBatch: return "missing-batch";
    case Reject::BadShare: return "bad-share";
    case Reject::UnknownClient: return "unknown-client";
    case Reject::StaleTimestamp: return "stale-timestamp";
    case Reject::Overloaded: return "overloaded";
    case Reject::NotConstrained: return "not-constrained";
    case Reject::UnknownPeer: return "unknown-peer";
    case Reject::NoRoute: return "no-route";
    case Reject::QueueFull: return "queue-full";
    case Reject::FragmentLimit: return "fragment-limit";
    case Reject::Expired: return "expired";
    case Reject::NotOurs: return "not-ours";
  }
  return "unknown";
}

}  // namespace seneschal
