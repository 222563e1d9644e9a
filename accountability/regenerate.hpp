// Clean states: the operations that remain, executed again over the last snapshot before the first that does not.
// [Graph 5]
#pragma once
#include "accountability/store.hpp"
#include "replication/application.hpp"

namespace seneschal::accountability {

enum class Keep : std::uint8_t { Everything, Clean, CleanAndSuspect };

struct Regenerated {
  std::unique_ptr<replication::Application> application;  // holding the state
  UpdateId from;                                          // the first update that was looked at
  std::uint64_t executed = 0;
  std::uint64_t left_out = 0;
  std::vector<UpdateId> first_left_out;  // at most kShown
  static constexpr std::size_t kShown = 1000;
  std::vector<std::string> passed_over;  // snapshots that would have been nearer, and what is wrong with them
};

/// `application` is a fresh one. Error if operations or the snapshot are missing.
Result<Regenerated> regenerate(const Store& store, const Colours& colours, Keep keep,
                               std::unique_ptr<replication::Application> application);

/// A part of a state (a key of `kv`, a row of `sql`) whose value is not the same in another state.
struct Difference {
  struct Value {
    Bytes bytes;
    std::string text;
  };
  std::string part;  // what it is, to read
  Bytes key;
  std::optional<Value> before, after;
};
/// Ascending by key, at most `most`.
std::vector<Difference> differences(const replication::Application& before, const replication::Application& after,
                                    std::size_t most);

}  // namespace seneschal::accountability
