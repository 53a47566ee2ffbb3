#include "ivf_builder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "centroid_assignment.h"
#include "ivf_layout.h"
#include "kmeans.h"
#include "leadline/core/executor.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/range_check.h"
#include "leadline/core/rng.h"
#include "leadline/index/call_checks.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/normalize.h"
#include "product_lists.h"

namespace leadline::index {
namespace {

constexpr size_t kCompareRows = 256;
constexpr size_t kTuningQueries = 256;
/// Queries that pass over the rows together.
constexpr size_t kTuningBlock = 32;
constexpr size_t kTuningDepth = 10;
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

/// The kTuningDepth + 1 rows nearest to each of the rows `queries`.
Result<std::vector<TopK>> NearestRows(MatrixView vectors, std::span<const uint32_t> queries,
                                      const simd::MetricDistance& distance,
                                      const CallControl& control) {
  std::vector<TopK> tops(queries.size(), TopK(kTuningDepth + 1));
  std::array<float, kCompareRows> distances{};
  for (size_t begin = 0; begin < vectors.rows; begin += kCompareRows) {
    const size_t count = std::min(kCompareRows, vectors.rows - begin);
    for (size_t q = 0; q < queries.size(); ++q) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      distance.Rows(vectors.row(queries[q]).data(), vectors.row(begin).data(), count,
                    distances.data());
      for (size_t i = 0; i < count; ++i) {
        tops[q].Offer(distances[i], static_cast<uint32_t>(begin + i));
      }
    }
  }
  return tops;
}

/// Appends to `needed`, for each neighbour of each of the rows `queries`, the nprobe that finds it:
/// the rank of its list among the query's.
Status RankLists(MatrixView vectors, MatrixView centroids, std::span<const uint32_t> assignment,
                 std::span<const uint32_t> queries, const simd::MetricDistance& distance,
                 const CallControl& control, std::vector<size_t>* needed) {
  LEADLINE_ASSIGN_OR_RETURN(std::vector<TopK> tops,
                            NearestRows(vectors, queries, distance, control));
  std::vector<float> to_centroids(centroids.rows);
  for (size_t q = 0; q < queries.size(); ++q) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    distance.Rows(vectors.row(queries[q]).data(), centroids.data, centroids.rows,
                  to_centroids.data());
    for (const Neighbor& neighbor : tops[q].Take()) {
      if (neighbor.row == queries[q]) {
        continue;
      }
      const float own = to_centroids[assignment[neighbor.row]];
      const auto nearer = std::count_if(to_centroids.begin(), to_centroids.end(),
                                        [own](float other) { return other < own; });
      needed->push_back(static_cast<size_t>(nearer) + 1);
    }
  }
  return {};
}

/// Smallest nprobe that finds kTuningRecall of the nearest neighbours of sampled rows.
Result<uint32_t> TuneNprobe(MatrixView vectors, MatrixView centroids,
                            const simd::MetricDistance& distance,
                            const std::vector<uint32_t>& assignment, const BuildOptions& options) {
  Rng rng(options.seed);
  std::vector<uint32_t> queries(std::min(kTuningQueries, vectors.rows));
  for (uint32_t& query : queries) {
    query = static_cast<uint32_t>(rng.Uniform(vectors.rows));
  }
  const size_t blocks = (queries.size() + kTuningBlock - 1) / kTuningBlock;
  std::vector<std::vector<size_t>> needed_by_block(blocks);
  std::vector<Status> statuses(blocks);
  ParallelFor(options.executor, blocks, [&](size_t b) {
    const size_t begin = b * kTuningBlock;
    const size_t count = std::min(kTuningBlock, queries.size() - begin);
    statuses[b] = NoThrow([&] {
      return RankLists(vectors, centroids, assignment, {queries.data() + begin, count}, distance,
                       options.control, &needed_by_block[b]);
    });
  });
  Status failed;
  std::vector<size_t> needed;
  for (size_t b = 0; b < blocks; ++b) {
    if (!statuses[b].ok() && failed.ok()) {
      failed = std::move(statuses[b]);
    }
    needed.insert(needed.end(), needed_by_block[b].begin(), needed_by_block[b].end());
  }
  LEADLINE_RETURN_IF_ERROR(failed);
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
  const bool products = options.codes == CodeType::kPq4;
  LEADLINE_ASSIGN_OR_RETURN(
      std::string codes,
      EncodeRowCodes(vectors, options.metric, products ? CodeType::kSq8 : options.codes,
                     options.executor, options.control, lists.row_ids));
  if (products) {
    LEADLINE_ASSIGN_OR_RETURN(
        std::string encoded,
        EncodeProductLists(vectors, lists, options.metric, PartWidth(vectors.dim), options.seed,
                           options.executor, options.control));
    sections->push_back({kIvfProductsSection, std::move(encoded)});
  }
  sections->push_back({kRowCodesSection, std::move(codes)});
  return {};
}

}  // namespace

size_t ResolveNlist(size_t wanted, size_t rows) {
  if (wanted == 0) {
    wanted = static_cast<size_t>(4 * std::sqrt(static_cast<double>(rows)));
  }
  return std::clamp<size_t>(wanted, 1, std::min<size_t>(std::max<size_t>(rows, 1), kMaxNlist));
}

Result<std::vector<Section>> BuildIvf(MatrixView vectors, const BuildOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckBuild(
      vectors, options, {CodeType::kBf16, CodeType::kSq8, CodeType::kSq4, CodeType::kPq4}));
  LEADLINE_RETURN_IF_ERROR(options.control.Check());
  LEADLINE_RETURN_IF_ERROR(CheckRange("nlist", options.nlist, 0, kMaxNlist));
  const size_t nlist = ResolveNlist(options.nlist, vectors.rows);
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
