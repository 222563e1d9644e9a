// The two kinds of failure that are values: a local operation that failed, and bad input from outside.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace seneschal {

/// A local operation failed. `message` tells a user what to do: file, line, what was expected.
struct Error {
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> failure(std::string message) {
  return std::unexpected(Error{std::move(message)});
}

/// Why an input from a peer or a client was refused. Counted and traced per peer; never an exception.
enum class Reject : std::uint8_t {
  // gate, in the order in which it checks
  TooShort,
  TooLong,
  WrongVersion,
  WrongProtocol,
  WrongDeployment,
  UnknownType,
  UnknownSender,
  WrongSenderKind,
  NotAdmitted,
  Malformed,
  TrailingBytes,
  NotCanonical,
  BadSignature,
  BadInnerSignature,
  Replay,
  // protocol cores
  WrongView,
  NotRepresentative,
  NotLeaderSite,
  OutsideWindow,
  Duplicate,
  Equivocation,
  Conflict,
  Constrained,
  EmptyBatch,
  RepeatedUpdate,
  AlreadyExecuted,
  WrongSite,
  Superseded,
  MissingBatch,
  BadShare,
  UnknownClient,
  StaleTimestamp,
  Overloaded,
  NotConstrained,
  // overlay
  UnknownPeer,
  NoRoute,
  QueueFull,
  FragmentLimit,
  Expired,
  NotOurs,
  kLast = NotOurs,
};

std::string_view to_string(Reject reason);

}  // namespace seneschal
