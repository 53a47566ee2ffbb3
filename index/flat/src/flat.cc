#include "leadline/index/flat.h"

#include <algorithm>
#include <vector>

#include "flat_scan.h"
#include "leadline/index/call_checks.h"

namespace leadline::index {
namespace {

class FlatIndex final : public SegmentIndex {
 public:
  FlatIndex(MatrixView vectors, Metric metric)
      : vectors_(vectors), distance_(metric, vectors.dim) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return true; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, vectors_.dim));
    std::vector<TopK> tops(queries.rows, TopK(params.k));
    std::vector<SearchStats> stats(queries.rows);
    const size_t tile = ScanTileRows(vectors_.dim);
    for (size_t begin = 0; begin < vectors_.rows; begin += tile) {
      const size_t end = std::min(vectors_.rows, begin + tile);
      for (size_t q = 0; q < queries.rows; ++q) {
        LEADLINE_RETURN_IF_ERROR(params.control.Check());
        ScanTile(distance_, vectors_, queries.row(q).data(), params.allowed, 0, begin, end,
                 &tops[q], &stats[q]);
      }
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      out[q] = {tops[q].Take(), stats[q]};
    }
    return {};
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  const MatrixView vectors_;
  const simd::MetricDistance distance_;
};

class FlatFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(CheckBuild(vectors, options));
    LEADLINE_RETURN_IF_ERROR(options.control.Check());
    return std::vector<Section>();
  }

  [[nodiscard]] Result<std::unique_ptr<SegmentIndex>> Open(
      std::span<const SectionView> /*sections*/, MatrixView vectors, Metric metric) const override {
    LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
    return std::unique_ptr<SegmentIndex>(std::make_unique<FlatIndex>(vectors, metric));
  }
};

}  // namespace

const IndexFactory& FlatIndexFactory() {
  static const FlatFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
