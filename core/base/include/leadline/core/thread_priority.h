#pragma once

namespace leadline {

inline constexpr int kMaxNice = 19;

/// Gives the calling thread the nice value `nice`, [0, kMaxNice]: of threads that all have work one
/// of nice 10 gets a tenth of what one of 0 does, and who wakes at 0 has its processor at once. A
/// process without privileges cannot go back. Where the system refuses the thread stays as it is.
void LowerThreadPriority(int nice);

}  // namespace leadline
