#include "leadline/index/ivf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <string>
#include <vector>

#include "ivf_builder.h"
#include "ivf_layout.h"
#include "leadline/index/call_checks.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"

namespace leadline::index {
namespace {

constexpr size_t kGatherRows = 64;
constexpr size_t kCentroidRows = CallControl::kCheckInterval;

class IvfIndex final : public SegmentIndex {
 public:
  IvfIndex(const IvfView& view, MatrixView vectors, Metric metric)
      : view_(view), vectors_(vectors), distance_(metric, vectors.dim) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kIvf; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return false; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, vectors_.dim));
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(SearchOne(queries.row(q).data(), params, &out[q]));
    }
    return {};
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  /// The lists to visit, nearest centroid first, ties by list number.
  [[nodiscard]] Result<std::vector<Neighbor>> NearestLists(const float* query, size_t nprobe,
                                                           const CallControl& control) const {
    const MatrixView& centroids = view_.centroids;
    std::array<float, kCentroidRows> distances{};
    TopK top(nprobe);
    for (size_t begin = 0; begin < centroids.rows; begin += kCentroidRows) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      const size_t count = std::min(kCentroidRows, centroids.rows - begin);
      distance_.Rows(query, centroids.row(begin).data(), count, distances.data());
      for (size_t i = 0; i < count; ++i) {
        if (distances[i] <= top.threshold()) {
          top.Offer(distances[i], static_cast<uint32_t>(begin + i));
        }
      }
    }
    return top.Take();
  }

  Status SearchOne(const float* query, const SearchParams& params, SearchOutcome* out) const {
    const size_t nlist = view_.centroids.rows;
    const size_t nprobe =
        std::min(nlist, params.nprobe == 0 ? view_.default_nprobe : params.nprobe);
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<Neighbor> lists,
                              NearestLists(query, nprobe, params.control));
    TopK top(params.k);
    SearchStats stats;
    stats.distances = nlist;
    uint64_t next_check = CallControl::kCheckInterval;
    uint64_t visited = 0;
    for (const Neighbor& list : lists) {
      LEADLINE_RETURN_IF_ERROR(VisitList(query, list.row, params, &next_check, &top, &stats));
      visited += view_.offsets[list.row + 1] - view_.offsets[list.row];
    }
    *out = {top.Take(), stats};
    if (params.nprobe == 0 && MatchesLieElsewhere(params, visited, stats.distances - nlist)) {
      out->neighbors.clear();
    }
    return {};
  }

  /// True where the visited lists hold far fewer of the matching rows than their share, beyond
  /// chance: the matches lie away from the query, and those met are strays, not the nearest ones.
  [[nodiscard]] bool MatchesLieElsewhere(const SearchParams& params, uint64_t visited,
                                         uint64_t met) const {
    if (params.allowed == nullptr || !params.allowed_count.has_value()) {
      return false;
    }
    constexpr double kMissingShare = 0.25;
    constexpr double kDeviations = 3;
    const double expected = static_cast<double>(visited) *
                            static_cast<double>(*params.allowed_count) /
                            static_cast<double>(vectors_.rows);
    const double missing = expected - static_cast<double>(met);
    return missing > std::max(kMissingShare * expected, kDeviations * std::sqrt(expected));
  }

  /// Offers the allowed rows of one list, a block at a time; looks at the control once the
  /// distances of the search have passed `next_check`.
  Status VisitList(const float* query, uint32_t list, const SearchParams& params,
                   uint64_t* next_check, TopK* top, SearchStats* stats) const {
    std::array<uint32_t, kGatherRows> rows{};
    std::array<float, kGatherRows> distances{};
    const uint32_t end = view_.offsets[list + 1];
    for (uint32_t at = view_.offsets[list]; at < end;) {
      size_t count = 0;
      for (; at < end && count < kGatherRows; ++at) {
        rows[count] = view_.row_ids[at];
        count += IsAllowed(params.allowed, view_.row_ids[at]) ? 1U : 0U;
      }
      distance_.Gather(query, vectors_.data, rows.data(), count, distances.data());
      for (size_t i = 0; i < count; ++i) {
        if (distances[i] <= top->threshold()) {
          top->Offer(distances[i], rows[i]);
        }
      }
      stats->distances += count;
      if (stats->distances >= *next_check) {
        LEADLINE_RETURN_IF_ERROR(params.control.Check());
        *next_check = stats->distances + CallControl::kCheckInterval;
      }
    }
    ++stats->hops;
    return {};
  }

  const IvfView view_;
  const MatrixView vectors_;
  const simd::MetricDistance distance_;
};

class IvfFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kIvf; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    try {
      return BuildIvf(vectors, options);
    } catch (const std::bad_alloc&) {
      return ResourceExhaustedError("not enough memory for an IVF index: rows=" +
                                    std::to_string(vectors.rows));
    }
  }

  [[nodiscard]] Result<std::unique_ptr<SegmentIndex>> Open(std::span<const SectionView> sections,
                                                           MatrixView vectors,
                                                           Metric metric) const override {
    LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
    for (const SectionView& section : sections) {
      if (section.type == kIvfSection) {
        LEADLINE_ASSIGN_OR_RETURN(const IvfView view,
                                  DecodeIvf(section.bytes, vectors.rows, vectors.dim));
        return std::unique_ptr<SegmentIndex>(std::make_unique<IvfIndex>(view, vectors, metric));
      }
    }
    return DataLossError("IVF section is missing");
  }
};

}  // namespace

const IndexFactory& IvfIndexFactory() {
  static const IvfFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
