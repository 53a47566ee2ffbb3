#include "levels.h"
#include "selection_loops.h"

namespace leadline::simd {

constinit const SelectionKernels kAvx2Selection = {CountAtMost, KeepAtMost, ListAtMost, MinMax};

}  // namespace leadline::simd
