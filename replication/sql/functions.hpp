// The work that a statement may do, and functions that do not fit SQLite's way of counting it. Internal to this
// folder.
//
// SQLite counts instructions of its virtual machine. One instruction calls a function, and a few functions take time
// that is the product of two lengths: looking for 4 KiB in 8 KiB, millions of times, is a statement that few
// instructions make and no server finishes. Those are replaced by ones that count their work as well.
#pragma once
#include "replication/sql/sqlite.hpp"

#include <cstdint>

namespace seneschal::replication::sql {

/// Counted in instructions: the same on every server, unlike time.
class Budget {
 public:
  void refill(std::uint64_t steps) {
    left_ = steps;
    spent_ = false;
  }
  /// False, from then on, when there is not that much left.
  bool spend(std::uint64_t steps) {
    spent_ = spent_ || steps > left_;
    if (!spent_) left_ -= steps;
    return !spent_;
  }
  bool spent() const { return spent_; }

 private:
  std::uint64_t left_ = 0;
  bool spent_ = false;
};

/// SQLite asks so often, in instructions, whether to go on.
inline constexpr int kBudgetStride = 50;

/// Replaces like, glob, instr, replace and the trims of `connection`. `budget` must outlive it.
void install_functions(sqlite3* connection, Budget& budget);

}  // namespace seneschal::replication::sql
