#include <algorithm>
#include <array>
#include <cstdlib>

#include "leadline/simd/distance.h"
#include "levels.h"

namespace leadline::simd {
namespace {

constexpr std::array<std::string_view, 4> kKnownNames = {"scalar", "avx2", "avx512", "neon"};

std::vector<const DistanceKernels*> DetectLevels() {
  std::vector<const DistanceKernels*> levels = {&kScalarKernels};
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    levels.push_back(&kAvx2Kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      levels.push_back(&kAvx512Kernels);
    }
  }
#elif defined(__aarch64__)
  levels.push_back(&kNeonKernels);
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
  for (const DistanceKernels* level : AvailableLevels()) {
    names.push_back(level->name);
  }
  return Join(names);
}

KernelSelection SelectFromEnvironment() {
  // Read once, before the first distance; nothing in the library sets environment variables.
  const char* value = std::getenv("LEADLINE_SIMD");  // NOLINT(concurrency-mt-unsafe)
  KernelSelection selection;
  selection.requested = value != nullptr ? value : "";
  Result<const DistanceKernels*> selected = SelectKernels(selection.requested);
  if (selected.ok()) {
    selection.kernels = *selected;
  } else {
    selection.kernels = AvailableLevels().back();
    selection.fallback_reason = selected.status().message();
  }
  return selection;
}

}  // namespace

std::span<const DistanceKernels* const> AvailableLevels() {
  static const std::vector<const DistanceKernels*> kLevels = DetectLevels();
  return kLevels;
}

Result<const DistanceKernels*> SelectKernels(std::string_view name) {
  if (name.empty() || name == "auto") {
    return AvailableLevels().back();
  }
  for (const DistanceKernels* level : AvailableLevels()) {
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

const KernelSelection& DefaultKernelSelection() {
  static const KernelSelection kSelection = SelectFromEnvironment();
  return kSelection;
}

}  // namespace leadline::simd
