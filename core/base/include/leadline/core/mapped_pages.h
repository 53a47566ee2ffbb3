#pragma once

/// What the system keeps in memory of a mapped file. A range is any part of a mapping; the system
/// counts and acts in whole pages, so neighbouring ranges may share one.

#include <cstdint>
#include <string_view>

#include "leadline/core/call_control.h"
#include "leadline/core/status.h"

namespace leadline {

/// Of `range`, the bytes that are in memory now, whoever brought them there (the page cache). All
/// of them where the system does not tell, as with a file that this process may not write.
/// Cost: about a millisecond a GiB.
uint64_t ResidentBytes(std::string_view range);

/// Reads what is not in memory and maps all of it, so that reading `range` then takes no fault. The
/// system may take it back at any time. Errors: kUnavailable (a page that cannot be read, where
/// touching it would be a signal), kResourceExhausted (memory), those of `control`, which is looked
/// at once a few MiB.
Status WarmPages(std::string_view range, const CallControl& control);

/// Brings `range` into memory and keeps the system from taking it back until UnlockPages or the end
/// of the mapping. kResourceExhausted where the process may not lock so much: RLIMIT_MEMLOCK. Then
/// nothing more is locked than before.
Status LockPages(std::string_view range);
void UnlockPages(std::string_view range);

/// Reads of `range` that miss memory bring in the pages they touch and no more.
void ExpectScatteredReads(std::string_view range);

}  // namespace leadline
