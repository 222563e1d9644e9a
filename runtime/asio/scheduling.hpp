// Which threads go first when the machine is busy: packets leave on time while everything else computes.
#pragma once

namespace seneschal::asio {

enum class Promptness {
  Usual,  // nice -10 and a short time slice, so that Linux (6.12 and later) lets the thread interrupt a computation
  Exact,  // real-time, round robin at the lowest level: shaped links must release packets on time whatever computes
};
/// For the I/O thread. What the system refuses (no privilege, older kernel) falls back to the next weaker wish.
void run_before_others(Promptness promptness);
/// For threads that compute: nice +10.
void run_after_others();

}  // namespace seneschal::asio
