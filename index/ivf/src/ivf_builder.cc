#include "ivf_builder.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "bit_lists.h"
#include "centroid_assignment.h"
#include "ivf_layout.h"
#include "kmeans.h"
#include "leadline/core/executor.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/range_check.h"
#include "leadline/index/call_checks.h"
#include "leadline/index/first_error.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/normalize.h"
#include "product_lists.h"

namespace leadline::index {
namespace {

/// Aims at .95 for queries that are not rows: docs/decisions/0005-default-nprobe.md.
constexpr double kTuningRecall = 0.98;

/// Rows at unit length, for clustering by direction; a row without direction stays as it is.
std::vector<float> Directions(MatrixView vectors) {
  std::vector<float> unit(vectors.data, vectors.data + vectors.rows * vectors.dim);
  for (size_t r = 0; r < vectors.rows; ++r) {
    float* out = unit.data() + r * vectors.dim;
    if (!simd::NormalizeToUnit(vectors.row(r).data(), out, vectors.dim)) {
      std::copy_n(vectors.row(r).data(), vectors.dim, out);
    }
  }
  return unit;
}

/// For each neighbour of each held-out row, the nprobe that finds it: the rank of its list.
Status RankLists(MatrixView vectors, MatrixView centroids, const HeldOutRows& held_out, size_t q,
                 std::span<const uint32_t> assignment, const simd::MetricDistance& distance,
                 const CallControl& control, std::vector<size_t>* needed) {
  LEADLINE_RETURN_IF_ERROR(control.Check());
  std::vector<float> to_centroids(centroids.rows);
  distance.Rows(vectors.row(held_out.rows[q]).data(), centroids.data, centroids.rows,
                to_centroids.data());
  for (const Neighbor& neighbor : held_out.nearest[q]) {
    const float own = to_centroids[assignment[neighbor.row]];
    const auto nearer = std::count_if(to_centroids.begin(), to_centroids.end(),
                                      [own](float other) { return other < own; });
    needed->push_back(static_cast<size_t>(nearer) + 1);
  }
  return {};
}

/// Smallest nprobe that finds kTuningRecall of the nearest neighbours of held-out rows.
Result<uint32_t> TuneNprobe(MatrixView vectors, MatrixView centroids,
                            const simd::MetricDistance& distance,
                            const std::vector<uint32_t>& assignment, const BuildOptions& options) {
  HeldOutRows drawn;
  if (options.held_out == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(drawn, DrawHeldOutRows(vectors, options.metric, options.seed,
                                                     options.executor, options.control));
  }
  const HeldOutRows& held_out = options.held_out == nullptr ? drawn : *options.held_out;
  std::vector<std::vector<size_t>> needed_by_row(held_out.rows.size());
  std::vector<Status> statuses(held_out.rows.size());
  ParallelFor(options.executor, held_out.rows.size(), [&](size_t q) {
    statuses[q] = NoThrow([&] {
      return RankLists(vectors, centroids, held_out, q, assignment, distance, options.control,
                       &needed_by_row[q]);
    });
  });
  Status failed = FirstError(statuses);
  LEADLINE_RETURN_IF_ERROR(failed);
  std::vector<size_t> needed;
  for (const std::vector<size_t>& some : needed_by_row) {
    needed.insert(needed.end(), some.begin(), some.end());
  }
  if (needed.empty()) {
    return 1U;
  }
  std::sort(needed.begin(), needed.end());
  const auto position =
      static_cast<size_t>(std::ceil(kTuningRecall * static_cast<double>(needed.size())) - 1);
  return static_cast<uint32_t>(needed[position]);
}

/// Values in a part of a product code: so many bytes are read a row that a finer or coarser cut
/// costs more than it saves.
size_t PartWidth(size_t dim) {
  return dim <= 192 ? 2 : dim <= 512 ? 4 : 8;
}

/// Appends the codes that `options` asks for to the section of the lists they follow.
Status AddCodes(MatrixView vectors, const BuildOptions& options, std::vector<Section>* sections) {
  if (vectors.rows == 0 || options.codes == CodeType::kAuto || options.codes == CodeType::kF32) {
    return {};
  }
  LEADLINE_ASSIGN_OR_RETURN(const IvfView lists,
                            DecodeIvf(sections->front().bytes, vectors.rows, vectors.dim));
  if (options.codes == CodeType::kPca8) {
    LEADLINE_ASSIGN_OR_RETURN(ReducedRows reduced, ReduceRows(vectors, options, lists.row_ids));
    sections->push_back({kRowCodesSection, std::move(reduced.codes)});
    sections->push_back({kPrincipalAxesSection, std::move(reduced.axes)});
    return {};
  }
  const bool products = options.codes == CodeType::kPq4;
  const bool bits = options.codes == CodeType::kRabitq;
  const CodeType of_rows = products || bits ? CodeType::kSq8 : options.codes;
  std::string codes;
  if (of_rows == CodeType::kSq8 && options.row_codes != nullptr) {
    codes = OrderRowCodes(options.row_codes->section(), options.row_codes->codes(), lists.row_ids,
                          options.executor);
  } else {
    LEADLINE_ASSIGN_OR_RETURN(
        codes, EncodeRowCodes(vectors, options.metric, of_rows, options.executor, options.control,
                              lists.row_ids));
  }
  if (products) {
    LEADLINE_ASSIGN_OR_RETURN(
        std::string encoded,
        EncodeProductLists(vectors, lists, options.metric, PartWidth(vectors.dim), options.seed,
                           options.executor, options.control));
    sections->push_back({kIvfProductsSection, std::move(encoded)});
  } else if (bits) {
    LEADLINE_ASSIGN_OR_RETURN(std::string encoded,
                              EncodeBitLists(vectors, lists, options.metric, options.seed,
                                             options.executor, options.control));
    sections->push_back({kIvfBitsSection, std::move(encoded)});
  }
  sections->push_back({kRowCodesSection, std::move(codes)});
  return {};
}

}  // namespace

size_t ResolveNlist(size_t wanted, size_t rows, CodeType codes) {
  if (wanted == 0) {
    // Where rows cost next to nothing, fewer centroids are compared.
    const double per_root = codes == CodeType::kPq4 || codes == CodeType::kRabitq ? 1.75 : 4;
    wanted = static_cast<size_t>(per_root * std::sqrt(static_cast<double>(rows)));
  }
  return std::clamp<size_t>(wanted, 1, std::min<size_t>(std::max<size_t>(rows, 1), kMaxNlist));
}

Result<std::vector<Section>> BuildIvf(MatrixView vectors, const BuildOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckBuild(vectors, options,
                                      {CodeType::kBf16, CodeType::kSq8, CodeType::kSq4,
                                       CodeType::kPq4, CodeType::kRabitq, CodeType::kPca8}));
  LEADLINE_RETURN_IF_ERROR(options.control.Check());
  LEADLINE_RETURN_IF_ERROR(CheckRange("nlist", options.nlist, 0, kMaxNlist));
  const size_t nlist = ResolveNlist(options.nlist, vectors.rows, options.codes);
  std::vector<float> centroids(nlist * vectors.dim, 0.0F);
  std::vector<uint32_t> assignment;
  uint32_t nprobe = 1;
  if (vectors.rows > 0) {
    const bool by_direction = options.metric != Metric::kL2;
    const std::vector<float> unit =
        options.metric == Metric::kInnerProduct ? Directions(vectors) : std::vector<float>();
    const MatrixView training{unit.empty() ? vectors.data : unit.data(), vectors.rows, vectors.dim};
    LEADLINE_ASSIGN_OR_RETURN(centroids, TrainKMeans(training, nlist, by_direction, options.seed,
                                                     options.executor, options.control));
    const simd::MetricDistance distance(options.metric, vectors.dim);
    const MatrixView centres{centroids.data(), nlist, vectors.dim};
    std::vector<Neighbor> nearest(vectors.rows);
    LEADLINE_RETURN_IF_ERROR(
        AssignToCentroids(training, centres, options.executor, options.control, nearest));
    for (const Neighbor& centroid : nearest) {
      assignment.push_back(centroid.row);
    }
    LEADLINE_ASSIGN_OR_RETURN(nprobe, TuneNprobe(vectors, centres, distance, assignment, options));
  }
  std::vector<Section> sections;
  sections.push_back({kIvfSection, EncodeIvf(centroids, vectors.dim, assignment, nprobe)});
  LEADLINE_RETURN_IF_ERROR(AddCodes(vectors, options, &sections));
  return sections;
}

}  // namespace leadline::index
