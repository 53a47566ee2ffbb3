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
#include "leadline/index/code_scan.h"
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

class HnswIndex final : public SegmentIndex {
 public:
  HnswIndex(const GraphView& graph, const std::optional<RowCodes>& codes, MatrixView vectors,
            Metric metric)
      : graph_(graph),
        codes_(codes),
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
      return SearchExact(queries, params, out);
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      SearchOutcome outcome;
      LEADLINE_RETURN_IF_ERROR(Walk(queries.row(q).data(), params, ef, allowed_count, &outcome));
      const SearchStats spent = outcome.stats;
      if (outcome.neighbors.size() < std::min<uint64_t>(params.k, allowed_count)) {
        LEADLINE_RETURN_IF_ERROR(
            SearchExact({queries.row(q).data(), 1, queries.dim}, params, {&outcome, 1}));
        outcome.stats.distances += spent.distances;
        outcome.stats.hops += spent.hops;
      }
      out[q] = std::move(outcome);
    }
    return {};
  }

  [[nodiscard]] Status SearchExact(MatrixView queries, const SearchParams& params,
                                   std::span<SearchOutcome> out) const override {
    LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, vectors_.dim));
    return scan_codes() == CodeType::kSq8 ? ScanCodedRows({*codes_, vectors_}, queries, params, out)
                                          : ScanSegment(vectors_, queries, metric_, params, out);
  }

  [[nodiscard]] CodeType scan_codes() const override {
    return graph_.codes == CodeType::kSq8 ? CodeType::kSq8 : CodeType::kF32;
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
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
    scratch.query.Prepare(*codes_, query);
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
    return search.SearchFiltered(entry, ef, allowed_count, admits, params.control);
  }

  /// True where looking at each allowed row costs no more than walking: to meet ef allowed nodes a
  /// walk meets ef * rows / allowed nodes. A node costs the links it reads and some ten distances
  /// to rows out of order: as much as 34 rows in order at 100 dimensions and 8 at 784, measured on
  /// word vectors and images with a twentieth to a half of the rows allowed. The sorted pool of an
  /// unfiltered walk also moves half its ef keys for each of ef nodes, which counts from some
  /// thousand on (kKeysPerDistance keys are moved in the time of one distance).
  [[nodiscard]] bool ShouldScan(uint64_t allowed_count, size_t ef, bool filtered) const {
    constexpr uint64_t kKeysPerDistance = 512;
    const uint64_t rows_per_node = 4 + 3000 / std::max<uint64_t>(vectors_.dim, 100);
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
    return graph_.codes == CodeType::kSq4 ? 3 * params.k : params.k + (params.k + 1) / 2;
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
  const MatrixView vectors_;
  const Metric metric_;
  const simd::MetricDistance distance_;
};

class HnswFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(
        CheckBuild(vectors, options, {CodeType::kBf16, CodeType::kSq8, CodeType::kSq4}));
    LEADLINE_RETURN_IF_ERROR(CheckRange("m", options.m, kMinM, kMaxM));
    LEADLINE_RETURN_IF_ERROR(
        CheckRange("ef_construction", options.ef_construction, 1, kMaxEfConstruction));
    if (vectors.rows > kMaxRows) {
      return InvalidFieldError("too many rows for one graph", "vectors.rows",
                               std::to_string(vectors.rows), std::to_string(kMaxRows));
    }
    LEADLINE_ASSIGN_OR_RETURN(std::string graph, BuildGraph(vectors, options));
    std::vector<Section> sections;
    sections.push_back({kHnswGraphSection, std::move(graph)});
    if (HasCodes(options)) {
      LEADLINE_ASSIGN_OR_RETURN(std::string codes,
                                EncodeRowCodes(vectors, options.metric, options.codes,
                                               options.executor, options.control));
      sections.push_back({kHnswCodesSection, std::move(codes)});
    }
    return sections;
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
    LEADLINE_ASSIGN_OR_RETURN(
        const std::optional<RowCodes> codes,
        OpenCodes(FindSection(sections, kHnswCodesSection), graph, vectors, metric));
    return std::unique_ptr<SegmentIndex>(
        std::make_unique<HnswIndex>(graph, codes, vectors, metric));
  }

 private:
  static const SectionView* FindSection(std::span<const SectionView> sections, uint32_t type) {
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [&](const SectionView& s) { return s.type == type; });
    return found == sections.end() ? nullptr : &*found;
  }

  /// The codes the graph names, which have to be there, and no others.
  static Result<std::optional<RowCodes>> OpenCodes(const SectionView* section,
                                                   const GraphView& graph, MatrixView vectors,
                                                   Metric metric) {
    const bool wanted = graph.codes != CodeType::kF32;
    if (wanted != (section != nullptr)) {
      return DataLossError(wanted ? "segment lacks the row codes its hnsw graph names: type=48"
                                  : "row codes beside an hnsw graph without any: type=48");
    }
    if (!wanted) {
      return std::optional<RowCodes>();
    }
    LEADLINE_ASSIGN_OR_RETURN(const RowCodes codes,
                              RowCodes::Open(section->bytes, vectors.rows, vectors.dim, metric));
    if (codes.type() != graph.codes) {
      return DataLossError("row codes are not those the hnsw graph names: value=" +
                           std::string(CodeTypeName(codes.type())) +
                           " limit=" + std::string(CodeTypeName(graph.codes)));
    }
    return std::optional<RowCodes>(codes);
  }
};

}  // namespace
}  // namespace hnsw

const IndexFactory& HnswIndexFactory() {
  static const hnsw::HnswFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
