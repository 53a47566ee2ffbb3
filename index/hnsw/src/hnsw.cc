#include "leadline/index/hnsw.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>

#include "allowed_nodes.h"
#include "graph_builder.h"
#include "graph_layout.h"
#include "graph_search.h"
#include "leadline/core/range_check.h"
#include "leadline/index/call_checks.h"
#include "leadline/index/coded_matches.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/rescoring.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/scan.h"
#include "leadline/index/top_k.h"

namespace leadline::index {
namespace hnsw {
namespace {

uint64_t CountAllowed(const uint64_t* allowed, size_t rows) {
  if (allowed == nullptr) {
    return rows;
  }
  uint64_t count = 0;
  for (size_t word = 0; word < rows / 64; ++word) {
    count += static_cast<uint64_t>(std::popcount(allowed[word]));
  }
  for (size_t row = rows / 64 * 64; row < rows; ++row) {
    count += IsAllowed(allowed, row) ? 1U : 0U;
  }
  return count;
}

/// What a graph on codes is searched on.
struct SearchedCodes {
  std::optional<RowCodes> rows;
  PrincipalAxes axes;  ///< that `rows` lie along; kept() is 0 where these are coded as they are
};

class HnswIndex final : public SegmentIndex {
 public:
  HnswIndex(const GraphView& graph, const SearchedCodes& codes, MatrixView vectors, Metric metric)
      : graph_(graph),
        codes_(codes.rows),
        axes_(codes.axes),
        vectors_(vectors),
        metric_(metric),
        distance_(metric, vectors.dim) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return false; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckSearch(queries, params, out, vectors_.dim));
    const uint64_t allowed_count = params.allowed_count.has_value()
                                       ? *params.allowed_count
                                       : CountAllowed(params.allowed, vectors_.rows);
    const size_t ef = std::max(params.ef_search, params.k);
    if (!params.never_scan_instead && ShouldScan(allowed_count, ef, params.allowed != nullptr)) {
      return ScanInstead(queries, params, out);
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      SearchOutcome outcome;
      LEADLINE_RETURN_IF_ERROR(Walk(queries.row(q).data(), params, ef, allowed_count, &outcome));
      const SearchStats spent = outcome.stats;
      if (outcome.neighbors.size() < std::min<uint64_t>(params.k, allowed_count)) {
        LEADLINE_RETURN_IF_ERROR(
            ScanInstead({queries.row(q).data(), 1, queries.dim}, params, {&outcome, 1}));
        outcome.stats.distances += spent.distances;
        outcome.stats.hops += spent.hops;
      }
      out[q] = std::move(outcome);
    }
    return {};
  }

  [[nodiscard]] IndexShape shape() const override {
    return {0, codes_.has_value() ? codes_->bytes_per_row() : vectors_.dim * sizeof(float)};
  }

  [[nodiscard]] Status SearchExact(MatrixView queries, const SearchParams& params,
                                   std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, vectors_.dim));
    const uint64_t allowed = params.allowed_count.value_or(rows());
    const bool checked = params.row_check != nullptr;
    return (checked ? scan_codes() : ScanCodesFor(allowed)) != CodeType::kF32
               ? ScanUnderFilter({*codes_, vectors_}, queries, params, out)
               : ScanSegment(vectors_, queries, metric_, params, out);
  }

  [[nodiscard]] CodeType scan_codes() const override {
    // Axes leave out something that no bound is known for.
    const bool bounded = codes_.has_value() && codes_->promises() && axes_.kept() == 0;
    return bounded ? codes_->type() : CodeType::kF32;
  }

  [[nodiscard]] CodeType ScanCodesFor(uint64_t allowed) const override {
    return scan_codes() == CodeType::kF32 ? CodeType::kF32 : QuickestScan(*codes_, allowed);
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  /// Compares all allowed rows: exactly, or by codes that cannot say what is exact as a walk would,
  /// where the call lets the index choose.
  Status ScanInstead(MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out) const {
    if (!codes_.has_value() || scan_codes() == CodeType::kSq8 || params.allowed == nullptr ||
        params.never_scan_instead) {
      return SearchExact(queries, params, out);
    }
    const std::vector<uint32_t> rows = ListAllowed(params.allowed, vectors_.rows);
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(ScanByCodes(queries.row(q).data(), rows, params, &out[q]));
    }
    return {};
  }

  Status ScanByCodes(const float* query, const std::vector<uint32_t>& rows,
                     const SearchParams& params, SearchOutcome* out) const {
    constexpr size_t kBlock = SearchScratch::kMostLinks;
    SearchScratch& scratch = SearchScratch::OfThread();
    PrepareCodes(query, &scratch);
    TopK near(std::max(params.k, RescoreCount(params)));
    for (size_t begin = 0; begin < rows.size(); begin += kBlock) {
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      const size_t count = std::min(kBlock, rows.size() - begin);
      for (size_t i = begin + count; i < std::min(rows.size(), begin + 2 * kBlock); ++i) {
        codes_->Prefetch(rows[i]);
      }
      scratch.query.Distances(rows.data() + begin, count, scratch.sums, scratch.distances);
      const float threshold = near.threshold();
      for (size_t i = 0; i < count; ++i) {
        if (scratch.distances[i] <= threshold) {
          near.Offer(scratch.distances[i], rows[begin + i]);
        }
      }
    }
    std::vector<uint32_t>& best = scratch.candidates;
    best.clear();
    for (const Neighbor& neighbor : near.Take()) {
      best.push_back(neighbor.row);
    }
    TopK top(params.k);
    SearchStats stats;
    stats.distances = rows.size();
    RescoreRows(distance_, vectors_, query, best, &top, &stats);
    *out = {top.Take(), stats};
    return {};
  }

  /// Readies the query for comparison with the codes.
  void PrepareCodes(const float* query, SearchScratch* scratch) const {
    scratch->query.Prepare(*codes_,
                           axes_.kept() == 0 ? query : scratch->projection.Project(axes_, query));
  }

  /// Searches the graph; leaves fewer neighbours than wanted where it had to give up.
  Status Walk(const float* query, const SearchParams& params, size_t ef, uint64_t allowed_count,
              SearchOutcome* outcome) const {
    SearchScratch& scratch = SearchScratch::OfThread();
    if (!codes_.has_value()) {
      const FullDistances distances(distance_, vectors_.data, query);
      LEADLINE_ASSIGN_OR_RETURN(const bool finished, WalkBy(distances, params, ef, allowed_count,
                                                            &scratch, &outcome->stats));
      if (finished) {
        Collect(scratch, params, outcome);
      }
      return {};
    }
    PrepareCodes(query, &scratch);
    const CodeDistances distances(*codes_, scratch.query, scratch.sums, 0);
    LEADLINE_ASSIGN_OR_RETURN(const bool finished, WalkBy(distances, params, ef, allowed_count,
                                                          &scratch, &outcome->stats));
    if (finished) {
      Rescore(query, params, &scratch, outcome);
    }
    return {};
  }

  /// Leaves the nearest nodes in scratch->accepted under a filter, in scratch->pool otherwise.
  /// Returns false where it gave up.
  template <class Distances>
  Result<bool> WalkBy(const Distances& distances, const SearchParams& params, size_t ef,
                      uint64_t allowed_count, SearchScratch* scratch, SearchStats* stats) const {
    GraphSearch<Distances> search(graph_, distances, scratch, stats);
    const uint32_t entry = search.FindBaseEntry();
    if (params.allowed == nullptr) {
      LEADLINE_RETURN_IF_ERROR(search.SearchBase(entry, ef, params.control));
      return true;
    }
    const AllowedNodes admits(graph_, params.allowed);
    return search.SearchFiltered(entry, ef, BudgetOf(params, allowed_count), admits,
                                 params.control);
  }

  /// A row looked at in order in the time of how many others.
  [[nodiscard]] uint64_t RowsPerNode() const {
    const uint64_t dim = std::max<uint64_t>(vectors_.dim, 100);
    return codes_.has_value() ? 16 + 6400 / dim : 4 + 3000 / dim;
  }

  /// When a filtered walk gives up: once it has cost as much as looking at each allowed row, or as
  /// soon as it is plain that these lie away from the query.
  [[nodiscard]] WalkBudget BudgetOf(const SearchParams& params, uint64_t allowed_count) const {
    constexpr uint64_t kDistancesOfNode = 18;
    WalkBudget budget;
    budget.distances = allowed_count;
    if (!params.never_scan_instead && codes_.has_value()) {
      budget.distances =
          std::max<uint64_t>(allowed_count * kDistancesOfNode / RowsPerNode(), WalkBudget::kSample);
      budget.usual_share = static_cast<double>(allowed_count) / static_cast<double>(vectors_.rows);
    }
    return budget;
  }

  /// True where looking at each allowed row costs no more than walking: to meet ef allowed nodes a
  /// walk meets ef * rows / allowed nodes. A node costs the links it reads and some ten distances
  /// to rows out of order: as much as 34 rows in order at 100 dimensions and 8 at 784, 80 and 24
  /// rows by codes, measured on word vectors and images with a twentieth to a half of the rows
  /// allowed. The sorted pool of an unfiltered walk also moves half its ef keys for each of ef
  /// nodes, which counts from some thousand on (kKeysPerDistance keys are moved in the time of one
  /// distance).
  [[nodiscard]] bool ShouldScan(uint64_t allowed_count, size_t ef, bool filtered) const {
    constexpr uint64_t kKeysPerDistance = 512;
    // Neither links nor codes of an unfiltered walk wait for a filter.
    const uint64_t rows_per_node =
        filtered ? RowsPerNode() : 4 + 3000 / std::max<uint64_t>(vectors_.dim, 100);
    const uint64_t pool = filtered ? 0 : ef * (ef / 2) / kKeysPerDistance;
    return allowed_count <=
           ef * rows_per_node * vectors_.rows / std::max<uint64_t>(allowed_count, 1) + pool;
  }

  /// What a walk in full precision found.
  void Collect(const SearchScratch& scratch, const SearchParams& params,
               SearchOutcome* outcome) const {
    const CandidatePool& pool = scratch.pool;
    if (params.allowed != nullptr) {
      CollectKeys(scratch.accepted, params, outcome);
    } else if (graph_.duplicate_count != 0) {
      CollectKeys(pool, params, outcome);
    } else {
      outcome->neighbors.reserve(std::min(params.k, pool.size()));
      for (size_t i = 0; i < pool.size() && i < params.k; ++i) {
        outcome->neighbors.push_back({DistanceOf(pool[i]), NodeOf(pool[i])});
      }
    }
  }

  /// `keys`: ascending, with the distances to be returned.
  template <class Keys>
  void CollectKeys(const Keys& keys, const SearchParams& params, SearchOutcome* outcome) const {
    TopK top(params.k);
    for (size_t i = 0; i < keys.size() && DistanceOf(keys[i]) <= top.threshold(); ++i) {
      OfferNode(DistanceOf(keys[i]), NodeOf(keys[i]), params, &top);
    }
    outcome->neighbors = top.Take();
  }

  /// What a walk on codes found, its best compared in full precision.
  void Rescore(const float* query, const SearchParams& params, SearchScratch* scratch,
               SearchOutcome* outcome) const {
    const bool filtered = params.allowed != nullptr;
    const size_t found = filtered ? scratch->accepted.size() : scratch->pool.size();
    const size_t count = std::min(found, std::max(params.k, RescoreCount(params)));
    std::vector<uint32_t>& rows = scratch->candidates;
    rows.resize(count);
    for (size_t i = 0; i < count; ++i) {
      rows[i] = NodeOf(filtered ? scratch->accepted[i] : scratch->pool[i]);
    }
    // A node that stands for several rows may be worth several places, so all are kept in order.
    const bool nodes_are_rows = graph_.duplicate_count == 0;
    TopK nearest(nodes_are_rows ? params.k : std::max<size_t>(count, 1));
    RescoreRows(distance_, vectors_, query, rows, &nearest, &outcome->stats);
    outcome->neighbors = nearest.Take();
    if (!nodes_are_rows) {
      TopK top(params.k);
      for (const Neighbor& node : outcome->neighbors) {
        OfferNode(node.distance, node.row, params, &top);
      }
      outcome->neighbors = top.Take();
    }
  }

  /// Candidates compared in full precision where the caller does not say: recall at equal speed
  /// hardly changes beyond these (docs/decisions/0012-graph-on-codes.md).
  [[nodiscard]] size_t RescoreCount(const SearchParams& params) const {
    if (params.rescore != 0) {
      return params.rescore;
    }
    const bool coarse = graph_.codes == CodeType::kSq4 || axes_.kept() > 0;
    return coarse ? 3 * params.k : params.k + (params.k + 1) / 2;
  }

  /// Offers the allowed rows that a node stands for; of more than k the last cannot matter.
  void OfferNode(float distance, uint32_t node, const SearchParams& params, TopK* top) const {
    if (IsAllowed(params.allowed, node)) {
      top->Offer(distance, node);
    }
    size_t offered = 0;
    for (const uint32_t row : DuplicatesOf(graph_, node)) {
      if (offered == params.k) {
        break;
      }
      if (IsAllowed(params.allowed, row)) {
        top->Offer(distance, row);
        ++offered;
      }
    }
  }

  const GraphView graph_;
  const std::optional<RowCodes> codes_;
  const PrincipalAxes axes_;
  const MatrixView vectors_;
  const Metric metric_;
  const simd::MetricDistance distance_;
};

class HnswFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(CheckBuild(
        vectors, options, {CodeType::kBf16, CodeType::kSq8, CodeType::kSq4, CodeType::kPca8}));
    LEADLINE_RETURN_IF_ERROR(CheckRange("m", options.m, kMinM, kMaxM));
    LEADLINE_RETURN_IF_ERROR(
        CheckRange("ef_construction", options.ef_construction, 1, kMaxEfConstruction));
    if (vectors.rows > kMaxRows) {
      return InvalidFieldError("too many rows for one graph", "vectors.rows",
                               std::to_string(vectors.rows), std::to_string(kMaxRows));
    }
    if (!HasCodes(options)) {
      LEADLINE_ASSIGN_OR_RETURN(std::string graph, BuildGraph(vectors, options, nullptr));
      return OneSection(kHnswGraphSection, std::move(graph));
    }
    return options.codes == CodeType::kPca8 ? BuildOnAxes(vectors, options)
                                            : BuildOnCodes(vectors, options);
  }

  [[nodiscard]] Result<std::unique_ptr<SegmentIndex>> Open(std::span<const SectionView> sections,
                                                           MatrixView vectors,
                                                           Metric metric) const override {
    LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
    const SectionView* graph_bytes = FindSection(sections, kHnswGraphSection);
    if (graph_bytes == nullptr) {
      return DataLossError("segment lacks the hnsw graph section: type=32");
    }
    LEADLINE_ASSIGN_OR_RETURN(const GraphView graph, ParseGraph(graph_bytes->bytes, vectors));
    LEADLINE_ASSIGN_OR_RETURN(const SearchedCodes codes,
                              OpenCodes(sections, graph, vectors, metric));
    return std::unique_ptr<SegmentIndex>(
        std::make_unique<HnswIndex>(graph, codes, vectors, metric));
  }

 private:
  static std::vector<Section> OneSection(uint32_t type, std::string bytes) {
    std::vector<Section> sections;
    sections.push_back({type, std::move(bytes)});
    return sections;
  }

  static Result<std::vector<Section>> BuildOnCodes(MatrixView vectors,
                                                   const BuildOptions& options) {
    std::string graph;
    {
      LEADLINE_ASSIGN_OR_RETURN(
          const OwnedCodes owned,
          OwnedCodes::Make(vectors, options.metric, options.executor, options.control));
      const CodedVectors coded{vectors, owned.codes()};
      LEADLINE_ASSIGN_OR_RETURN(graph, BuildGraph(vectors, options, &coded));
    }
    std::vector<Section> sections = OneSection(kHnswGraphSection, std::move(graph));
    LEADLINE_ASSIGN_OR_RETURN(
        std::string codes,
        EncodeRowCodes(vectors, options.metric, options.codes, options.executor, options.control));
    sections.push_back({kHnswCodesSection, std::move(codes)});
    return sections;
  }

  static Result<std::vector<Section>> BuildOnAxes(MatrixView vectors, const BuildOptions& options) {
    LEADLINE_ASSIGN_OR_RETURN(ReducedRows reduced, ReduceRows(vectors, options));
    const MatrixView rows =
        reduced.kept == 0 ? vectors : MatrixView{reduced.rows.data(), vectors.rows, reduced.kept};
    LEADLINE_ASSIGN_OR_RETURN(const OwnedCodes owned,
                              OwnedCodes::Copy(reduced.codes, rows.rows, rows.dim, options.metric));
    const CodedVectors coded{rows, owned.codes()};
    LEADLINE_ASSIGN_OR_RETURN(std::string graph, BuildGraph(vectors, options, &coded));
    std::vector<Section> sections = OneSection(kHnswGraphSection, std::move(graph));
    sections.push_back({kHnswCodesSection, std::move(reduced.codes)});
    sections.push_back({kHnswAxesSection, std::move(reduced.axes)});
    return sections;
  }

  static const SectionView* FindSection(std::span<const SectionView> sections, uint32_t type) {
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [&](const SectionView& s) { return s.type == type; });
    return found == sections.end() ? nullptr : &*found;
  }

  static Status CheckPresence(const SectionView* section, bool wanted, const char* what) {
    if (wanted == (section != nullptr)) {
      return {};
    }
    return DataLossError(wanted ? "segment lacks what its hnsw graph names: " + std::string(what)
                                : "beside an hnsw graph that names none: " + std::string(what));
  }

  /// The codes the graph names, which have to be there, and no others.
  static Result<SearchedCodes> OpenCodes(std::span<const SectionView> sections,
                                         const GraphView& graph, MatrixView vectors,
                                         Metric metric) {
    const SectionView* rows = FindSection(sections, kHnswCodesSection);
    const SectionView* axes = FindSection(sections, kHnswAxesSection);
    const bool reduced = graph.codes == CodeType::kPca8;
    LEADLINE_RETURN_IF_ERROR(
        CheckPresence(rows, graph.codes != CodeType::kF32, "row codes type=48"));
    LEADLINE_RETURN_IF_ERROR(CheckPresence(axes, reduced, "principal axes type=50"));
    SearchedCodes codes;
    if (axes != nullptr) {
      LEADLINE_ASSIGN_OR_RETURN(codes.axes, PrincipalAxes::Open(axes->bytes, vectors.dim));
    }
    if (rows != nullptr) {
      const size_t dim = codes.axes.kept() == 0 ? vectors.dim : codes.axes.kept();
      LEADLINE_ASSIGN_OR_RETURN(codes.rows, RowCodes::Open(rows->bytes, vectors.rows, dim, metric));
      const CodeType wanted = reduced ? CodeType::kSq8 : graph.codes;
      if (codes.rows->type() != wanted) {
        return DataLossError("row codes are not those the hnsw graph names: value=" +
                             std::string(CodeTypeName(codes.rows->type())) +
                             " limit=" + std::string(CodeTypeName(wanted)));
      }
    }
    return codes;
  }
};

}  // namespace
}  // namespace hnsw

const IndexFactory& HnswIndexFactory() {
  static const hnsw::HnswFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
