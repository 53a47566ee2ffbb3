#include "leadline/index/flat.h"

#include <vector>

#include "leadline/index/call_checks.h"

namespace leadline::index {
namespace {

class FlatIndex final : public SegmentIndex {
 public:
  FlatIndex(MatrixView vectors, Metric metric) : vectors_(vectors), metric_(metric) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return true; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, vectors_.dim));
    std::vector<TopK> tops(queries.rows, TopK(params.k));
    std::vector<SearchStats> stats(queries.rows);
    LEADLINE_RETURN_IF_ERROR(
        ScanRows(vectors_, queries, metric_, params.allowed, 0, params.control, tops, stats));
    for (size_t q = 0; q < queries.rows; ++q) {
      out[q] = {tops[q].Take(), stats[q]};
    }
    return {};
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  const MatrixView vectors_;
  const Metric metric_;
};

class FlatFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(CheckBuild(vectors, options, {}));
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
