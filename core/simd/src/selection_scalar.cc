#include "levels.h"
#include "selection_loops.h"

namespace leadline::simd {

constinit const SelectionKernels kScalarSelection = {CountAtMost, KeepAtMost, ListAtMost, MinMax};

}  // namespace leadline::simd
