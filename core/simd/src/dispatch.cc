#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "leadline/simd/level.h"
#include "levels.h"

namespace leadline::simd {
namespace {

constexpr std::array<std::string_view, 6> kKnownNames = {"scalar",     "avx2", "avx512",
                                                         "avx512vnni", "amx",  "neon"};

constexpr Level kScalarLevel = {"scalar", kScalarDistance, kScalarCodes, kScalarTiles,
                                kScalarSelection};

#if defined(__x86_64__)
/// Whether the CPU has AMX tiles of int8, the operating system saves them and lets this process use
/// them: Linux wants to be asked, once per process.
bool TilesGranted() {
  constexpr unsigned kXsaveEnabled = 1U << 27U;                 // leaf 1, ecx
  constexpr unsigned kTilesOfInt8 = (1U << 24U) | (1U << 25U);  // leaf 7, edx
  constexpr unsigned kTileState = (1U << 17U) | (1U << 18U);    // XCR0
  constexpr long kRequestPermission = 0x1023;                   // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;                                // XFEATURE_XTILEDATA
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kXsaveEnabled) == 0 ||
      __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 ||
      (edx & kTilesOfInt8) != kTilesOfInt8) {
    return false;
  }
  unsigned saved = 0;
  unsigned saved_high = 0;
  asm volatile("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
  return (saved & kTileState) == kTileState &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

TileKernels WithTiles(TileKernels kernels) {
  kernels.step = kPackedStep;
  kernels.packed_sums = amx::PackedSums;
  return kernels;
}
#endif

std::vector<const Level*> DetectLevels() {
  std::vector<const Level*> levels = {&kScalarLevel};
#if defined(__x86_64__)
  static constexpr Level kAvx2Level = {"avx2", kAvx2Distance, kAvx2Codes, kAvx2Tiles,
                                       kAvx2Selection};
  static constexpr Level kAvx512Level = {"avx512", kAvx512Distance, kAvx512Codes, kAvx512Tiles,
                                         kAvx512Selection};
  static constexpr Level kAvx512VnniLevel = {"avx512vnni", kAvx512Distance, kAvx512VnniCodes,
                                             kAvx512VnniTiles, kAvx512Selection};
  static const TileKernels kAmxTiles = WithTiles(kAvx512VnniTiles);
  static const Level kAmxLevel = {"amx", kAvx512Distance, kAvx512VnniCodes, kAmxTiles,
                                  kAvx512Selection};
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    levels.push_back(&kAvx2Level);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      levels.push_back(&kAvx512Level);
      if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi")) {
        levels.push_back(&kAvx512VnniLevel);
        if (TilesGranted()) {
          levels.push_back(&kAmxLevel);
        }
      }
    }
  }
#elif defined(__aarch64__)
  static constexpr Level kNeonLevel = {"neon", kNeonDistance, kNeonCodes, kScalarTiles,
                                       kScalarSelection};
  levels.push_back(&kNeonLevel);
#endif
  return levels;
}

template <typename Names>
std::string Join(const Names& names) {
  std::string joined;
  for (const std::string_view name : names) {
    joined.append(joined.empty() ? "" : "|").append(name);
  }
  return joined;
}

std::string AvailableNames() {
  std::vector<std::string_view> names;
  for (const Level* level : AvailableLevels()) {
    names.push_back(level->name);
  }
  return Join(names);
}

LevelSelection SelectFromEnvironment() {
  // Read once, before the first distance; nothing in the library sets environment variables.
  const char* value = std::getenv("LEADLINE_SIMD");  // NOLINT(concurrency-mt-unsafe)
  LevelSelection selection;
  selection.requested = value != nullptr ? value : "";
  Result<const Level*> selected = SelectLevel(selection.requested);
  if (selected.ok()) {
    selection.level = *selected;
  } else {
    selection.level = AvailableLevels().back();
    selection.fallback_reason = selected.status().message();
  }
  return selection;
}

}  // namespace

std::span<const Level* const> AvailableLevels() {
  static const std::vector<const Level*> kLevels = DetectLevels();
  return kLevels;
}

Result<const Level*> SelectLevel(std::string_view name) {
  if (name.empty() || name == "auto") {
    return AvailableLevels().back();
  }
  for (const Level* level : AvailableLevels()) {
    if (level->name == name) {
      return level;
    }
  }
  if (std::find(kKnownNames.begin(), kKnownNames.end(), name) == kKnownNames.end()) {
    return InvalidFieldError("unknown SIMD level", "LEADLINE_SIMD", name,
                             "auto|" + Join(kKnownNames));
  }
  const std::string available = AvailableNames();
  Status status = FailedPreconditionError(
      "SIMD level is not in this build or not supported by this CPU: field=LEADLINE_SIMD value=" +
      std::string(name) + " limit=" + available);
  status.WithField("LEADLINE_SIMD", available);
  return status;
}

const LevelSelection& DefaultLevelSelection() {
  static const LevelSelection kSelection = SelectFromEnvironment();
  return kSelection;
}

const DistanceKernels& Kernels() {
  return CurrentLevel().distance;
}

}  // namespace leadline::simd
