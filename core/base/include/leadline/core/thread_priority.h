#pragma once

#include <cstdint>

namespace leadline {

inline constexpr int kMaxNice = 19;

/// Gives the calling thread the nice value `nice`, [0, kMaxNice]: of threads that all have work one
/// of nice 10 gets a tenth of what one of 0 does, and who wakes at 0 has its processor at once. A
/// process without privileges cannot go back. Where the system refuses the thread stays as it is.
void LowerThreadPriority(int nice);

/// Asks the system for turns of `nanos` on a processor for the calling thread, 0.1 to 100 ms. Who
/// asks for shorter turns than others waits less for them: it takes the processor from a thread of
/// longer turns once it wakes. No effect where the system cannot (Linux before 6.12).
void ShortenTurns(int64_t nanos);

}  // namespace leadline
