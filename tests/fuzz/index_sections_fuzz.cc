// Serialised hnsw and ivf sections, codes in blocks, principal axes and search curves from hostile
// bytes: whatever Open accepts must be safe to search and give rows of the segment. Half of the
// inputs are edits to a sound section.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "byte_edits.h"
#include "leadline/core/rng.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/search_tuning.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {
namespace {

constexpr size_t kRows = 48;
constexpr size_t kDim = 4;

const std::vector<float>& Vectors() {
  static const std::vector<float> kVectors = [] {
    Rng rng(1);
    std::vector<float> values(kRows * kDim);
    for (float& value : values) {
      value = static_cast<float>(rng.Gaussian());
    }
    // Some rows are equal, so that a graph has duplicates.
    std::copy_n(values.begin(), 3 * kDim, values.end() - 3 * kDim);
    return values;
  }();
  return kVectors;
}

const Section& SoundSection(const IndexFactory& factory) {
  static const auto build = [](const IndexFactory& from) {
    BuildOptions options;
    options.m = 3;
    options.ef_construction = 20;
    options.nlist = 4;
    return from.Build({Vectors().data(), kRows, kDim}, options).value()[0];
  };
  static const Section kGraph = build(HnswIndexFactory());
  static const Section kLists = build(IvfIndexFactory());
  return factory.kind() == IndexKind::kHnsw ? kGraph : kLists;
}

void Search(const SegmentIndex& index, const uint64_t* allowed, size_t ef) {
  SearchParams params;
  params.k = 7;
  params.ef_search = ef;
  params.nprobe = 2;
  params.allowed = allowed;
  std::vector<SearchOutcome> outcomes(3);
  if (!index.Search({Vectors().data(), outcomes.size(), kDim}, params, outcomes).ok()) {
    return;
  }
  for (const SearchOutcome& outcome : outcomes) {
    for (const Neighbor& neighbor : outcome.neighbors) {
      if (neighbor.row >= kRows || !IsAllowed(allowed, neighbor.row)) {
        std::abort();
      }
    }
    if (!std::is_sorted(outcome.neighbors.begin(), outcome.neighbors.end())) {
      std::abort();
    }
  }
}

const std::string& SoundCurve() {
  static const std::string kCurve =
      EncodeCurve({IndexKind::kIvf,
                   CodeType::kPq4,
                   4,
                   48,
                   {{1, 40, 15, 0.5F, 0.25F, 20}, {2, 40, 15, 0.75F, 0.5F, 30}}});
  return kCurve;
}

void ExerciseCurve(bool edited, std::string_view rest) {
  const auto curve =
      DecodeCurve(edited ? leadline::testing::Edited(SoundCurve(), rest) : std::string(rest),
                  IndexKind::kIvf, CodeType::kPq4);
  if (!curve.ok()) {
    return;
  }
  for (const std::optional<double> target : {std::optional<double>(), std::optional<double>(0.6)}) {
    const TunedSearch tuned = TuneSearch(*curve, {.k = 30, .target_recall = target});
    if (tuned.effort > kMaxEfSearch || tuned.candidates > kMaxEfSearch ||
        tuned.rescore > kMaxEfSearch || !(tuned.promised.value_or(0) <= 1)) {
      std::abort();
    }
  }
}

/// An ivf index whose rows have the codes; their section stands before the row codes.
const std::vector<Section>& SoundCoded(CodeType codes) {
  static const auto build = [](CodeType with) {
    BuildOptions options;
    options.codes = with;
    options.nlist = 4;
    return IvfIndexFactory().Build({Vectors().data(), kRows, kDim}, options).value();
  };
  static const std::vector<Section> kProducts = build(CodeType::kPq4);
  static const std::vector<Section> kBits = build(CodeType::kRabitq);
  return codes == CodeType::kPq4 ? kProducts : kBits;
}

/// A section as a mapped file has it: ends where its block ends, as far as the 64-byte alignment
/// allows.
struct MappedSection {
  explicit MappedSection(const std::string& bytes)
      : block(static_cast<char*>(
                  std::aligned_alloc(64, std::max<size_t>((bytes.size() + 63) / 64 * 64, 64))),
              &std::free),
        view(block.get(), bytes.size()) {
    std::copy_n(bytes.data(), bytes.size(), block.get());
  }

  std::unique_ptr<char, decltype(&std::free)> block;
  std::string_view view;
};

void SearchUnderFilters(const SegmentIndex& index) {
  const std::vector<uint64_t> some = {0x0000'F0F0'F0F0'F0F0};
  const std::vector<uint64_t> few = {0x0000'0000'0001'0001};
  for (const uint64_t* allowed : {static_cast<const uint64_t*>(nullptr), some.data(), few.data()}) {
    Search(index, allowed, 1);
    Search(index, allowed, 30);
  }
}

/// Codes of rows in blocks, beside sound lists and row codes.
void ExerciseBlocks(CodeType codes, bool edited, std::string_view rest) {
  const std::vector<Section>& sound = SoundCoded(codes);
  std::vector<MappedSection> mapped;
  std::vector<SectionView> sections;
  for (size_t s = 0; s < sound.size(); ++s) {
    const bool hostile = s + 2 == sound.size();
    const std::string& bytes = sound[s].bytes;
    mapped.emplace_back(!hostile ? bytes
                        : edited ? leadline::testing::Edited(bytes, rest)
                                 : std::string(rest));
    sections.push_back({sound[s].type, mapped.back().view});
  }
  const auto index = IvfIndexFactory().Open(sections, {Vectors().data(), kRows, kDim}, Metric::kL2);
  if (index.ok()) {
    SearchUnderFilters(**index);
  }
}

/// Rows that lie along few axes, and what `factory` makes of them.
struct Reduced {
  static constexpr size_t kReducedRows = 2100;
  static constexpr size_t kReducedDim = 32;

  explicit Reduced(const IndexFactory& factory) : values(kReducedRows * kReducedDim) {
    Rng rng(2);
    std::vector<float> low(4);
    for (size_t i = 0; i < values.size(); ++i) {
      if (i % kReducedDim == 0) {
        std::generate(low.begin(), low.end(), [&] { return static_cast<float>(rng.Gaussian()); });
      }
      values[i] = low[i % 4] * static_cast<float>(1 + i % kReducedDim / 4);
    }
    BuildOptions options;
    options.codes = CodeType::kPca8;
    options.m = 3;
    options.ef_construction = 20;
    options.nlist = 4;
    sections = factory.Build(view(), options).value();
    if (sections.back().type != kPrincipalAxesSection || sections.back().bytes.size() == 64) {
      std::abort();  // no axes to be damaged
    }
  }

  [[nodiscard]] MatrixView view() const { return {values.data(), kReducedRows, kReducedDim}; }

  std::vector<float> values;
  std::vector<Section> sections;
};

/// Axes, or row codes along them, beside sound sections of an index.
void ExerciseAxes(uint8_t control, std::string_view rest) {
  static const Reduced kGraph(HnswIndexFactory());
  static const Reduced kLists(IvfIndexFactory());
  const bool graph = (control & 1U) != 0;
  const Reduced& sound = graph ? kGraph : kLists;
  const uint32_t hostile = (control & 32U) != 0 ? kRowCodesSection : kPrincipalAxesSection;
  std::vector<MappedSection> mapped;
  std::vector<SectionView> sections;
  for (const Section& section : sound.sections) {
    const bool edited = (control & 2U) != 0;
    mapped.emplace_back(section.type != hostile ? section.bytes
                        : edited                ? leadline::testing::Edited(section.bytes, rest)
                                                : std::string(rest));
    sections.push_back({section.type, mapped.back().view});
  }
  const IndexFactory& factory = graph ? HnswIndexFactory() : IvfIndexFactory();
  const auto index = factory.Open(sections, sound.view(), Metric::kL2);
  if (!index.ok()) {
    return;
  }
  SearchParams params;
  params.share_scan = (control & 4U) != 0;
  std::vector<SearchOutcome> outcomes(3);
  const MatrixView queries{sound.values.data(), outcomes.size(), Reduced::kReducedDim};
  if (!(*index)->Search(queries, params, outcomes).ok()) {
    return;
  }
  for (const SearchOutcome& outcome : outcomes) {
    for (const Neighbor& neighbor : outcome.neighbors) {
      if (neighbor.row >= Reduced::kReducedRows) {
        std::abort();
      }
    }
  }
}

void Exercise(uint8_t control, std::string_view rest) {
  const bool edited = (control & 2U) != 0;
  if ((control & 16U) != 0) {
    ExerciseAxes(control, rest);
    return;
  }
  if ((control & 4U) != 0) {
    ExerciseCurve(edited, rest);
    return;
  }
  if ((control & 8U) != 0) {
    ExerciseBlocks((control & 1U) != 0 ? CodeType::kPq4 : CodeType::kRabitq, edited, rest);
    return;
  }
  const IndexFactory& factory = (control & 1U) != 0 ? HnswIndexFactory() : IvfIndexFactory();
  const Section& sound = SoundSection(factory);
  const MappedSection mapped(edited ? leadline::testing::Edited(sound.bytes, rest)
                                    : std::string(rest));
  const std::vector<SectionView> sections = {{sound.type, mapped.view}};
  const auto index = factory.Open(sections, {Vectors().data(), kRows, kDim}, Metric::kL2);
  if (index.ok()) {
    SearchUnderFilters(**index);
  }
}

}  // namespace
}  // namespace leadline::index

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::index::Exercise(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
