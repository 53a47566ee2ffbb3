#include "leadline/index/flat.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "leadline/index/call_checks.h"
#include "leadline/index/coded_matches.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/scan.h"

namespace leadline::index {
namespace {

class FlatIndex final : public SegmentIndex {
 public:
  FlatIndex(MatrixView vectors, Metric metric, const std::optional<RowCodes>& codes)
      : vectors_(vectors), metric_(metric), codes_(codes) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return true; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, vectors_.dim));
    return SearchExact(queries, params, out);
  }

  [[nodiscard]] Status SearchExact(MatrixView queries, const SearchParams& params,
                                   std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, vectors_.dim));
    return codes_.has_value() ? ScanUnderFilter({*codes_, vectors_}, queries, params, out)
                              : ScanSegment(vectors_, queries, metric_, params, out);
  }

  [[nodiscard]] CodeType scan_codes() const override {
    return codes_.has_value() ? codes_->type() : CodeType::kF32;
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  const MatrixView vectors_;
  const Metric metric_;
  const std::optional<RowCodes> codes_;
};

class FlatFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(
        CheckBuild(vectors, options, {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}));
    LEADLINE_RETURN_IF_ERROR(options.control.Check());
    std::vector<Section> sections;
    if (options.codes != CodeType::kF32 && options.codes != CodeType::kAuto) {
      LEADLINE_ASSIGN_OR_RETURN(std::string codes,
                                EncodeRowCodes(vectors, options.metric, options.codes,
                                               options.executor, options.control));
      sections.push_back({kRowCodesSection, std::move(codes)});
    }
    return sections;
  }

  [[nodiscard]] Result<std::unique_ptr<SegmentIndex>> Open(std::span<const SectionView> sections,
                                                           MatrixView vectors,
                                                           Metric metric) const override {
    LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
    std::optional<RowCodes> codes;
    for (const SectionView& section : sections) {
      if (section.type == kRowCodesSection) {
        LEADLINE_ASSIGN_OR_RETURN(codes,
                                  RowCodes::Open(section.bytes, vectors.rows, vectors.dim, metric));
      }
    }
    if (codes.has_value() && !codes->promises()) {
      return DataLossError("row codes of a flat index have no bounds: value=" +
                           std::string(CodeTypeName(codes->type())));
    }
    return std::unique_ptr<SegmentIndex>(std::make_unique<FlatIndex>(vectors, metric, codes));
  }
};

}  // namespace

const IndexFactory& FlatIndexFactory() {
  static const FlatFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
