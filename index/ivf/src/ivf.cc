#include "leadline/index/ivf.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "ivf_builder.h"
#include "ivf_layout.h"
#include "leadline/index/call_checks.h"
#include "leadline/index/code_scan.h"
#include "leadline/index/scan.h"
#include "list_search.h"
#include "shared_scan.h"

namespace leadline::index {
namespace {

class IvfIndex final : public SegmentIndex {
 public:
  explicit IvfIndex(IvfParts parts) : parts_(std::move(parts)) {
    if (scan_codes() != CodeType::kSq8) {
      return;
    }
    position_of_.resize(parts_.lists.row_ids.size());
    for (uint32_t at = 0; at < position_of_.size(); ++at) {
      position_of_[parts_.lists.row_ids[at]] = at;
    }
  }

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kIvf; }

  [[nodiscard]] size_t rows() const override { return parts_.vectors.rows; }

  [[nodiscard]] bool exact() const override { return false; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, parts_.vectors.dim));
    if (params.share_scan && scan_codes() == CodeType::kSq8) {
      return SearchTogether(queries, params, out);
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(SearchOne(queries.row(q).data(), params, &out[q]));
    }
    return {};
  }

  [[nodiscard]] Status SearchExact(MatrixView queries, const SearchParams& params,
                                   std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, parts_.vectors.dim));
    if (scan_codes() != CodeType::kSq8) {
      return ScanSegment(parts_.vectors, queries, parts_.metric, params, out);
    }
    return ScanCodedRows({*parts_.codes, parts_.vectors, parts_.lists.row_ids, position_of_},
                         queries, params, out);
  }

  [[nodiscard]] CodeType scan_codes() const override {
    return parts_.codes.has_value() && parts_.codes->type() == CodeType::kSq8 ? CodeType::kSq8
                                                                              : CodeType::kF32;
  }

  [[nodiscard]] size_t resident_bytes() const override {
    const size_t first_blocks =
        parts_.products.has_value() ? parts_.products->first_block.size() * sizeof(uint32_t) : 0;
    return sizeof(*this) + parts_.chooser.resident_bytes() + first_blocks +
           position_of_.size() * sizeof(uint32_t);
  }

 private:
  [[nodiscard]] size_t ListsToVisit(const SearchParams& params) const {
    return std::min(parts_.lists.centroids.rows,
                    params.nprobe == 0 ? parts_.lists.default_nprobe : params.nprobe);
  }

  Status SearchTogether(MatrixView queries, const SearchParams& params,
                        std::span<SearchOutcome> out) const {
    constexpr size_t kTogether = 1024;
    const size_t nprobe = ListsToVisit(params);
    for (size_t begin = 0; begin < queries.rows; begin += kTogether) {
      const size_t count = std::min(kTogether, queries.rows - begin);
      SharedScan scan(parts_, params);
      LEADLINE_RETURN_IF_ERROR(scan.Run({queries.row(begin).data(), count, queries.dim}, nprobe,
                                        out.subspan(begin, count)));
      for (size_t q = 0; q < count; ++q) {
        const SharedScan::Visits& visits = scan.visits()[q];
        if (params.nprobe == 0 && MatchesLieElsewhere(params, visits.visited, visits.met)) {
          out[begin + q].neighbors.clear();
        }
      }
    }
    return {};
  }

  Status SearchOne(const float* query, const SearchParams& params, SearchOutcome* out) const {
    ListSearch search(parts_, params, query, &ListSearch::Scratch::OfThread());
    LEADLINE_RETURN_IF_ERROR(search.Run(ListsToVisit(params), out));
    if (params.nprobe == 0 && MatchesLieElsewhere(params, search.visited(), search.met())) {
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
                            static_cast<double>(parts_.vectors.rows);
    const double missing = expected - static_cast<double>(met);
    return missing > std::max(kMissingShare * expected, kDeviations * std::sqrt(expected));
  }

  const IvfParts parts_;
  std::vector<uint32_t> position_of_;  ///< of each row in the order of the lists, with sq8 codes
};

const SectionView* FindSection(std::span<const SectionView> sections, uint32_t type) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [type](const SectionView& s) { return s.type == type; });
  return found == sections.end() ? nullptr : &*found;
}

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
    const SectionView* lists = FindSection(sections, kIvfSection);
    if (lists == nullptr) {
      return DataLossError("IVF section is missing");
    }
    LEADLINE_ASSIGN_OR_RETURN(const IvfView view,
                              DecodeIvf(lists->bytes, vectors.rows, vectors.dim));
    IvfParts parts{view, vectors, metric, ListChooser(view.centroids, metric), {}, {}};
    if (const SectionView* codes = FindSection(sections, kRowCodesSection)) {
      LEADLINE_ASSIGN_OR_RETURN(parts.codes,
                                RowCodes::Open(codes->bytes, vectors.rows, vectors.dim, metric));
    }
    if (const SectionView* products = FindSection(sections, kIvfProductsSection)) {
      if (!parts.codes.has_value()) {
        return DataLossError("IVF product codes without row codes");
      }
      LEADLINE_ASSIGN_OR_RETURN(parts.products, ProductLists::Open(products->bytes, view, metric));
    }
    return std::unique_ptr<SegmentIndex>(std::make_unique<IvfIndex>(std::move(parts)));
  }
};

}  // namespace

const IndexFactory& IvfIndexFactory() {
  static const IvfFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
