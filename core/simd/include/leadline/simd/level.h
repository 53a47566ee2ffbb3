#pragma once

/// Instruction-set levels: which kernels run on this machine. One level is chosen once per process;
/// LEADLINE_SIMD forces another.

#include <span>
#include <string>
#include <string_view>

#include "leadline/core/status.h"
#include "leadline/simd/code_kernels.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/selection.h"
#include "leadline/simd/tile_kernels.h"

namespace leadline::simd {

/// Immutable, thread-safe. Names, slowest first: "scalar"; "avx2" (and FMA); "avx512" (F, BW, DQ,
/// VL); "avx512vnni" (and VNNI, VBMI: Ice Lake, Zen 4 and later); "amx" (and AMX tiles of int8); on
/// ARM "scalar" and "neon". They are the words LEADLINE_SIMD takes.
struct Level {
  std::string_view name;
  const DistanceKernels& distance;
  const CodeKernels& codes;
  const TileKernels& tiles;
  const SelectionKernels& selection;
};

/// Levels this build has and this CPU runs, slowest first; never empty, scalar is always there.
std::span<const Level* const> AvailableLevels();

/// The level called `name`; the fastest one for "" and "auto". Errors: kInvalidArgument (field
/// LEADLINE_SIMD) for an unknown name, kFailedPrecondition for one this build or CPU lacks.
Result<const Level*> SelectLevel(std::string_view name);

/// How the process default came about; shown by `leadline info`.
struct LevelSelection {
  const Level* level = nullptr;
  std::string requested;        ///< value of LEADLINE_SIMD, empty when unset
  std::string fallback_reason;  ///< why `requested` was not followed; empty when it was
};

/// Reads LEADLINE_SIMD at the first call, then never again. Where it cannot be followed the
/// fastest level serves and the reason is kept. Thread-safe.
const LevelSelection& DefaultLevelSelection();

/// The process default.
inline const Level& CurrentLevel() {
  return *DefaultLevelSelection().level;
}

}  // namespace leadline::simd
