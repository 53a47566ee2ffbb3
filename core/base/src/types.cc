#include "leadline/core/types.h"

#include <array>
#include <string>
#include <utility>

namespace leadline {
namespace {

template <typename T>
using Name = std::pair<std::string_view, T>;

constexpr std::array<Name<Metric>, 3> kMetrics = {
    {{"l2", Metric::kL2}, {"ip", Metric::kInnerProduct}, {"cosine", Metric::kCosine}}};
constexpr std::array<Name<IndexKind>, 4> kIndexKinds = {{{"auto", IndexKind::kAuto},
                                                         {"flat", IndexKind::kFlat},
                                                         {"hnsw", IndexKind::kHnsw},
                                                         {"ivf", IndexKind::kIvf}}};
constexpr std::array<Name<CodeType>, 8> kCodeTypes = {{{"auto", CodeType::kAuto},
                                                       {"f32", CodeType::kF32},
                                                       {"bf16", CodeType::kBf16},
                                                       {"sq8", CodeType::kSq8},
                                                       {"sq4", CodeType::kSq4},
                                                       {"pq4", CodeType::kPq4},
                                                       {"rabitq", CodeType::kRabitq},
                                                       {"pca8", CodeType::kPca8}}};

template <typename T, size_t N>
std::string_view NameOf(const std::array<Name<T>, N>& table, T value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) {
      return name;
    }
  }
  return "unknown";
}

template <typename T, size_t N>
Result<T> Parse(const std::array<Name<T>, N>& table, std::string_view field,
                std::string_view name) {
  std::string accepted;
  for (const auto& [known, value] : table) {
    if (known == name) {
      return value;
    }
    accepted.append(accepted.empty() ? "" : "|").append(known);
  }
  return InvalidFieldError("unknown name", field, name, accepted);
}

}  // namespace

std::string_view MetricName(Metric metric) {
  return NameOf(kMetrics, metric);
}

Result<Metric> ParseMetric(std::string_view name) {
  return Parse(kMetrics, "metric", name);
}

bool HigherIsBetter(Metric metric) {
  return metric != Metric::kL2;
}

std::string_view IndexKindName(IndexKind kind) {
  return NameOf(kIndexKinds, kind);
}

Result<IndexKind> ParseIndexKind(std::string_view name) {
  return Parse(kIndexKinds, "index", name);
}

std::string_view CodeTypeName(CodeType codes) {
  return NameOf(kCodeTypes, codes);
}

Result<CodeType> ParseCodeType(std::string_view name) {
  return Parse(kCodeTypes, "codes", name);
}

}  // namespace leadline
