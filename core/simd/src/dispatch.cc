#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "leadline/simd/level.h"
#include "levels.h"

namespace leadline::simd {
namespace {

constexpr std::array<std::string_view, 7> kKnownNames = {
    "scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx", "neon"};

constexpr Level kScalarLevel = {"scalar", kScalarDistance, kScalarCodes};

std::vector<const Level*> DetectLevels() {
  std::vector<const Level*> levels = {&kScalarLevel};
#if defined(__x86_64__)
  static constexpr Level kAvx2Level = {"avx2", kAvx2Distance, kScalarCodes};
  static constexpr Level kAvx512Level = {"avx512", kAvx512Distance, kScalarCodes};
  static constexpr Level kAvx512VnniLevel = {"avx512vnni", kAvx512Distance, kAvx512VnniCodes};
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    levels.push_back(&kAvx2Level);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      levels.push_back(&kAvx512Level);
      if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi")) {
        levels.push_back(&kAvx512VnniLevel);
      }
    }
  }
#elif defined(__aarch64__)
  static constexpr Level kNeonLevel = {"neon", kNeonDistance, kScalarCodes};
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
