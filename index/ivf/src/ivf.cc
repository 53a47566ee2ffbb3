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
#include "listed_rows.h"
#include "match_reach.h"
#include "shared_scan.h"

namespace leadline::index {
namespace {

class IvfIndex final : public SegmentIndex {
 public:
  explicit IvfIndex(IvfParts parts) : parts_(std::move(parts)), costs_(parts_) {
    if (scan_codes() == CodeType::kF32) {
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
    ProbePlan plan = PlanFor(params);
    LEADLINE_ASSIGN_OR_RETURN(plan.gaps, GapsFor(params));
    if (plan.nprobe * (parts_.vectors.rows / parts_.lists.centroids.rows) > plan.most_visited) {
      return ScanInstead(queries, params, out);
    }
    LEADLINE_ASSIGN_OR_RETURN(const ListFilter* filter, FilterFor(params));
    const bool uneven = filter != nullptr && filter->table() != nullptr;
    if (uneven) {
      LEADLINE_RETURN_IF_ERROR(PlanForMatches(params, &plan));
    }
    // Codes in blocks gain nothing from being shared, and shared scans know no matches of lists.
    if (params.share_scan && parts_.has_bytes() && !(uneven && parts_.blocks() != nullptr)) {
      return SearchTogether(queries, params, plan, filter, out);
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(SearchOne(queries.row(q).data(), params, plan, filter, &out[q]));
    }
    return {};
  }

  [[nodiscard]] IndexShape shape() const override {
    const size_t scan_bytes = parts_.blocks() != nullptr ? parts_.blocks()->bytes_per_row()
                              : parts_.codes.has_value() ? parts_.codes->bytes_per_row()
                                                         : parts_.vectors.dim * sizeof(float);
    return {parts_.lists.centroids.rows, scan_bytes};
  }

  [[nodiscard]] Status SearchExact(MatrixView queries, const SearchParams& params,
                                   std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, parts_.vectors.dim));
    const bool checked = params.row_check != nullptr;
    const uint64_t allowed = params.allowed_count.value_or(rows());
    if ((checked ? scan_codes() : ScanCodesFor(allowed)) == CodeType::kF32) {
      return ScanSegment(parts_.vectors, queries, parts_.metric, params, out);
    }
    const CodedRows coded{*parts_.codes, parts_.vectors, parts_.lists.row_ids, position_of_};
    LEADLINE_ASSIGN_OR_RETURN(const IvfFilter* kept, KeptFor(params));
    const CodedMatches* matches = kept == nullptr ? nullptr : kept->matches().For(coded, params);
    return matches == nullptr ? ScanCodedRows(coded, queries, params, out)
                              : ScanCodedMatches(coded, *matches, queries, params, out);
  }

  [[nodiscard]] CodeType scan_codes() const override {
    // Axes leave out something that no bound is known for.
    const bool bounded =
        parts_.codes.has_value() && parts_.codes->promises() && parts_.axes.kept() == 0;
    return bounded ? parts_.codes->type() : CodeType::kF32;
  }

  [[nodiscard]] CodeType ScanCodesFor(uint64_t allowed) const override {
    return scan_codes() == CodeType::kF32 ? CodeType::kF32 : QuickestScan(*parts_.codes, allowed);
  }

  [[nodiscard]] bool lists_rows() const override { return parts_.has_bounds(); }

  [[nodiscard]] Result<std::shared_ptr<const ListedRows>> ListRows(
      const ListedRows* before, std::span<const float* const> rows,
      const CallControl& control) const override {
    if (!lists_rows()) {
      return SegmentIndex::ListRows(before, rows, control);
    }
    LEADLINE_ASSIGN_OR_RETURN(
        std::shared_ptr<const IvfListedRows> made,
        IvfListedRows::Make(parts_, static_cast<const IvfListedRows*>(before), rows, control));
    return std::shared_ptr<const ListedRows>(std::move(made));
  }

  [[nodiscard]] size_t resident_bytes() const override {
    const size_t first_stage = parts_.products.has_value()
                                   ? parts_.products->blocks.first_block.size() * sizeof(uint32_t)
                               : parts_.bits.has_value() ? parts_.bits->resident_bytes()
                                                         : 0;
    return sizeof(*this) + parts_.chooser.resident_bytes() + first_stage +
           position_of_.size() * sizeof(uint32_t) +
           (reach_.get() == nullptr ? 0 : reach_.get()->resident_bytes()) +
           (gaps_.get() == nullptr ? 0 : gaps_.get()->resident_bytes());
  }

 private:
  [[nodiscard]] size_t ListsToVisit(const SearchParams& params) const {
    return std::min(parts_.lists.centroids.rows,
                    params.nprobe == 0 ? parts_.lists.default_nprobe : params.nprobe);
  }

  /// What is kept for the call's filter; null where it is searched without.
  Result<const IvfFilter*> KeptFor(const SearchParams& params) const {
    if (params.filter == nullptr || params.allowed == nullptr || !parts_.has_bounds()) {
      return static_cast<const IvfFilter*>(nullptr);
    }
    LEADLINE_ASSIGN_OR_RETURN(
        const PreparedFilter* prepared,
        params.filter->slot->Get([]() -> Result<std::unique_ptr<const PreparedFilter>> {
          return std::unique_ptr<const PreparedFilter>(std::make_unique<IvfFilter>());
        }));
    return static_cast<const IvfFilter*>(prepared);
  }

  /// What lists made of it, now or before; null where they are searched without.
  Result<const ListFilter*> FilterFor(const SearchParams& params) const {
    LEADLINE_ASSIGN_OR_RETURN(const IvfFilter* kept, KeptFor(params));
    if (kept == nullptr || params.beside != nullptr) {
      return static_cast<const ListFilter*>(nullptr);
    }
    return kept->lists().Get([&]() -> Result<std::unique_ptr<const ListFilter>> {
      return std::make_unique<const ListFilter>(parts_, params.filter->rows, params.filter->count);
    });
  }

  /// What to visit, and when to give up, under the call's filter.
  [[nodiscard]] ProbePlan PlanFor(const SearchParams& params) const {
    ProbePlan plan;
    plan.nprobe = ListsToVisit(params);
    if (params.beside != nullptr && params.nprobe_is_default) {
      // What was measured on the index's rows may be too little for others.
      const double more = 1 + static_cast<double>(params.beside_count) /
                                  static_cast<double>(std::max<size_t>(parts_.vectors.rows, 1));
      plan.nprobe =
          std::min(parts_.lists.centroids.rows,
                   static_cast<size_t>(std::lround(static_cast<double>(plan.nprobe) * more)));
    }
    if (params.allowed == nullptr || !params.allowed_count.has_value() ||
        parts_.vectors.rows == 0) {
      return plan;
    }
    const auto nlist = static_cast<double>(parts_.lists.centroids.rows);
    const auto rows = static_cast<double>(parts_.vectors.rows);
    const auto matches = static_cast<double>(*params.allowed_count);
    const double share = std::max(matches / rows, 1 / rows);
    // The nearest of fewer rows lie farther away: so many times the lists at equal recall.
    const double sparser = params.filter == nullptr ? 0.4 : 0.25;
    const double wider =
        std::min(nlist, static_cast<double>(plan.nprobe) * std::pow(share, -sparser));
    plan.nprobe = std::max<size_t>(plan.nprobe, static_cast<size_t>(wider));
    const double enough = wider / nlist * matches;
    const double least = params.nprobe == 0 || params.nprobe_is_default
                             ? std::min(matches, 4.0 * static_cast<double>(params.k))
                             : 0;
    plan.enough = static_cast<uint64_t>(enough * (1 - kChance));
    plan.least = static_cast<uint64_t>(least * (1 - kChance));
    plan.share = share;
    plan.may_give_up = !params.never_scan_instead;
    if (plan.may_give_up) {
      constexpr double kMask = 0.3;
      const double visit = kMask + costs_.Visit(share) + costs_.list * nlist / rows;
      plan.most_visited = static_cast<uint64_t>(matches * costs_.scan / visit);
    }
    return plan;
  }

  /// Null where every query visits as many lists.
  Result<const ListGaps*> GapsFor(const SearchParams& params) const {
    if (scan_codes() != CodeType::kSq8 || parts_.metric == Metric::kInnerProduct ||
        parts_.lists.centroids.rows < ListGaps::kLeastLists || parts_.vectors.rows == 0) {
      return static_cast<const ListGaps*>(nullptr);
    }
    return gaps_.Get([&] { return ListGaps::Measure(parts_, params.control); });
  }

  /// The same where it is known where in the lists the matches lie.
  Status PlanForMatches(const SearchParams& params, ProbePlan* plan) const {
    // The lists of fewer matches are a little farther away. Beyond them lists that could matter are
    // found by how far the nearest matches are; among the index's own rows, which are where the
    // lists are, more lists could and do not. And the nearest of a few matches of a list are not as
    // much nearer than its mean as those of many.
    constexpr double kSparser = 0.12;
    constexpr double kFartherOff = 0.94;
    constexpr double kNotAsNear = 0.15;
    LEADLINE_ASSIGN_OR_RETURN(const MatchReach* reach, reach_.Get([&] {
      return MatchReach::Measure(parts_, params.control);
    }));
    // What it takes where every query visits as many lists.
    constexpr double kAlike = 1.3;
    const double alike =
        (plan->gaps == nullptr ? 1 : kAlike) * static_cast<double>(ListsToVisit(params));
    const auto lists = std::min(parts_.lists.centroids.rows, static_cast<size_t>(std::ceil(alike)));
    plan->nprobe = static_cast<size_t>(
        std::ceil(static_cast<double>(lists) * std::pow(plan->share, -kSparser)));
    plan->reach =
        static_cast<float>(kFartherOff * std::pow(plan->share, kNotAsNear)) * reach->For(lists);
    plan->scan_nanos =
        static_cast<double>(params.allowed_count.value_or(params.filter->count)) * costs_.scan;
    return {};
  }

  Status SearchTogether(MatrixView queries, const SearchParams& params, const ProbePlan& plan,
                        const ListFilter* filter, std::span<SearchOutcome> out) const {
    constexpr size_t kTogether = 1024;
    for (size_t begin = 0; begin < queries.rows; begin += kTogether) {
      const size_t count = std::min(kTogether, queries.rows - begin);
      SharedScan scan(parts_, params);
      LEADLINE_RETURN_IF_ERROR(scan.Run({queries.row(begin).data(), count, queries.dim},
                                        plan.nprobe, plan.gaps, out.subspan(begin, count)));
      for (size_t q = 0; q < count; ++q) {
        if (scan.visits()[q].met < plan.EnoughAfter(scan.visits()[q].lists)) {
          const SearchStats spent = out[begin + q].stats;
          LEADLINE_RETURN_IF_ERROR(
              SearchOne(queries.row(begin + q).data(), params, plan, filter, &out[begin + q]));
          AddTo(&out[begin + q].stats, spent);
        }
      }
    }
    return {};
  }

  Status SearchOne(const float* query, const SearchParams& params, const ProbePlan& plan,
                   const ListFilter* filter, SearchOutcome* out) const {
    ListSearch search(parts_, params, query, filter, &ListSearch::Scratch::OfThread());
    LEADLINE_RETURN_IF_ERROR(search.Run(plan, out));
    if (!search.gave_up()) {
      return {};
    }
    const SearchStats spent = out->stats;
    LEADLINE_RETURN_IF_ERROR(ScanInstead({query, 1, parts_.vectors.dim}, params, {out, 1}));
    AddTo(&out->stats, spent);
    return {};
  }

  /// SearchExact, or no answer where vectors may not all be read: the caller then scans.
  Status ScanInstead(MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out) const {
    if (params.row_check != nullptr && scan_codes() == CodeType::kF32) {
      std::fill(out.begin(), out.end(), SearchOutcome());
      return {};
    }
    return SearchExact(queries, params, out);
  }

  static void AddTo(SearchStats* stats, const SearchStats& spent) {
    stats->distances += spent.distances;
    stats->rescored += spent.rescored;
    stats->hops += spent.hops;
  }

  /// Share of the matching rows wanted that a filter may miss by chance.
  static constexpr double kChance = 0.25;

  const IvfParts parts_;
  const RowCosts costs_;
  std::vector<uint32_t>
      position_of_;  ///< of each row in the order of the lists, where codes are scanned
  mutable MadeOnce<MatchReach> reach_;
  mutable MadeOnce<ListGaps> gaps_;
};

const SectionView* FindSection(std::span<const SectionView> sections, uint32_t type) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [type](const SectionView& s) { return s.type == type; });
  return found == sections.end() ? nullptr : &*found;
}

/// Axes are those of byte codes that nothing is scanned before.
Status CheckAxes(std::span<const SectionView> sections, const IvfParts& parts) {
  if (FindSection(sections, kPrincipalAxesSection) == nullptr) {
    return {};
  }
  if (!parts.has_bytes() || FindSection(sections, kIvfProductsSection) != nullptr ||
      FindSection(sections, kIvfBitsSection) != nullptr) {
    return DataLossError("principal axes without sq8 codes, or beside codes of another kind");
  }
  return {};
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
    IvfParts parts;
    parts.lists = view;
    parts.vectors = vectors;
    parts.metric = metric;
    if (const SectionView* axes = FindSection(sections, kPrincipalAxesSection)) {
      LEADLINE_ASSIGN_OR_RETURN(parts.axes, PrincipalAxes::Open(axes->bytes, vectors.dim));
    }
    if (const SectionView* codes = FindSection(sections, kRowCodesSection)) {
      const size_t dim = parts.axes.kept() == 0 ? vectors.dim : parts.axes.kept();
      LEADLINE_ASSIGN_OR_RETURN(parts.codes,
                                RowCodes::Open(codes->bytes, vectors.rows, dim, metric));
    }
    LEADLINE_RETURN_IF_ERROR(CheckAxes(sections, parts));
    if (const SectionView* products = FindSection(sections, kIvfProductsSection)) {
      if (!parts.codes.has_value()) {
        return DataLossError("IVF product codes without row codes");
      }
      LEADLINE_ASSIGN_OR_RETURN(parts.products, ProductLists::Open(products->bytes, view, metric));
    }
    if (const SectionView* bits = FindSection(sections, kIvfBitsSection)) {
      if (!parts.codes.has_value() || parts.products.has_value()) {
        return DataLossError("IVF bit codes without row codes, or beside product codes");
      }
      LEADLINE_ASSIGN_OR_RETURN(parts.bits, BitLists::Open(bits->bytes, view, metric));
    }
    parts.MakeChooser();
    return std::unique_ptr<SegmentIndex>(std::make_unique<IvfIndex>(std::move(parts)));
  }
};

}  // namespace

const IndexFactory& IvfIndexFactory() {
  static const IvfFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
