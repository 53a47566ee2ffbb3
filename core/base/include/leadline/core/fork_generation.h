#pragma once

/// Threads and locks do not survive fork. What owns some remembers the generation that it was made
/// in, and does nothing that could wait once the process is of another.

#include <cstdint>

namespace leadline {

/// Number of forks between this process and the one that first called this: the same throughout a
/// process, another in its child. The first call registers a handler with pthread_atfork; later
/// ones take no lock, so a child may call this right after the fork. Thread-safe.
uint64_t ForkGeneration();

}  // namespace leadline
