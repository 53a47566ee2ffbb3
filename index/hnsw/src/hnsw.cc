#include "leadline/index/hnsw.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "allowed_nodes.h"
#include "graph_builder.h"
#include "graph_layout.h"
#include "graph_search.h"
#include "leadline/core/range_check.h"
#include "leadline/index/call_checks.h"
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
  HnswIndex(const GraphView& graph, MatrixView vectors, Metric metric)
      : graph_(graph), vectors_(vectors), distance_(metric, vectors.dim) {}

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
      return Scan(queries, params, out);
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      SearchOutcome outcome;
      LEADLINE_RETURN_IF_ERROR(Walk(queries.row(q).data(), params, ef, allowed_count, &outcome));
      const SearchStats spent = outcome.stats;
      if (outcome.neighbors.size() < std::min<uint64_t>(params.k, allowed_count)) {
        LEADLINE_RETURN_IF_ERROR(
            Scan({queries.row(q).data(), 1, queries.dim}, params, {&outcome, 1}));
        outcome.stats.distances += spent.distances;
        outcome.stats.hops += spent.hops;
      }
      out[q] = std::move(outcome);
    }
    return {};
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  /// Searches the graph; leaves fewer neighbours than wanted where it had to give up.
  Status Walk(const float* query, const SearchParams& params, size_t ef, uint64_t allowed_count,
              SearchOutcome* outcome) const {
    SearchScratch& scratch = SearchScratch::OfThread();
    GraphSearch search(graph_, vectors_.data, distance_, query, &scratch, &outcome->stats);
    const uint32_t entry = search.FindBaseEntry();
    if (params.allowed == nullptr) {
      LEADLINE_RETURN_IF_ERROR(search.SearchBase(entry, ef, params.control));
      CollectPool(scratch.pool, params.k, outcome);
      return {};
    }
    const AllowedNodes admits(graph_, params.allowed);
    LEADLINE_ASSIGN_OR_RETURN(const bool finished, search.SearchFiltered(entry, ef, allowed_count,
                                                                         admits, params.control));
    if (finished) {
      CollectAccepted(scratch.accepted, params, outcome);
    }
    return {};
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

  void CollectPool(const CandidatePool& pool, size_t k, SearchOutcome* outcome) const {
    if (graph_.duplicate_count == 0) {
      outcome->neighbors.reserve(std::min(k, pool.size()));
      for (size_t i = 0; i < pool.size() && i < k; ++i) {
        outcome->neighbors.push_back({DistanceOf(pool[i]), NodeOf(pool[i])});
      }
      return;
    }
    TopK top(k);
    for (size_t i = 0; i < pool.size() && DistanceOf(pool[i]) <= top.threshold(); ++i) {
      OfferNode(pool[i], nullptr, k, &top);
    }
    outcome->neighbors = top.Take();
  }

  void CollectAccepted(const std::vector<Key>& accepted, const SearchParams& params,
                       SearchOutcome* outcome) const {
    TopK top(params.k);
    for (const Key key : accepted) {
      if (DistanceOf(key) > top.threshold()) {
        break;
      }
      OfferNode(key, params.allowed, params.k, &top);
    }
    outcome->neighbors = top.Take();
  }

  /// Offers the allowed rows that a node stands for; of more than k the last cannot matter.
  void OfferNode(Key key, const uint64_t* allowed, size_t k, TopK* top) const {
    const uint32_t node = NodeOf(key);
    if (IsAllowed(allowed, node)) {
      top->Offer(DistanceOf(key), node);
    }
    size_t offered = 0;
    for (const uint32_t row : DuplicatesOf(graph_, node)) {
      if (offered == k) {
        break;
      }
      if (IsAllowed(allowed, row)) {
        top->Offer(DistanceOf(key), row);
        ++offered;
      }
    }
  }

  /// Looks at every allowed row, one block of them for all queries before the next.
  Status Scan(MatrixView queries, const SearchParams& params, std::span<SearchOutcome> out) const {
    constexpr size_t kBlock = 64;
    std::array<uint32_t, kBlock> rows{};
    std::array<float, kBlock> distances{};
    std::vector<TopK> tops(queries.rows, TopK(params.k));
    uint64_t compared = 0;
    size_t unchecked = CallControl::kCheckInterval;
    for (size_t begin = 0; begin < vectors_.rows; begin += kBlock) {
      size_t count = 0;
      for (size_t row = begin; row < std::min(vectors_.rows, begin + kBlock); ++row) {
        rows[count] = static_cast<uint32_t>(row);
        count += IsAllowed(params.allowed, row) ? 1U : 0U;
      }
      compared += count;
      for (size_t q = 0; q < queries.rows; ++q) {
        if (unchecked + count > CallControl::kCheckInterval) {
          LEADLINE_RETURN_IF_ERROR(params.control.Check());
          unchecked = 0;
        }
        unchecked += count;
        distance_.Gather(queries.row(q).data(), vectors_.data, rows.data(), count,
                         distances.data());
        for (size_t i = 0; i < count; ++i) {
          if (distances[i] <= tops[q].threshold()) {
            tops[q].Offer(distances[i], rows[i]);
          }
        }
      }
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      out[q] = {tops[q].Take(), {.distances = compared, .scanned = true}};
    }
    return {};
  }

  const GraphView graph_;
  const MatrixView vectors_;
  const simd::MetricDistance distance_;
};

class HnswFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(CheckBuild(vectors, options, {}));
    LEADLINE_RETURN_IF_ERROR(CheckRange("m", options.m, kMinM, kMaxM));
    LEADLINE_RETURN_IF_ERROR(
        CheckRange("ef_construction", options.ef_construction, 1, kMaxEfConstruction));
    if (vectors.rows > kMaxRows) {
      return InvalidFieldError("too many rows for one graph", "vectors.rows",
                               std::to_string(vectors.rows), std::to_string(kMaxRows));
    }
    LEADLINE_ASSIGN_OR_RETURN(std::string bytes, BuildGraph(vectors, options));
    std::vector<Section> sections;
    sections.push_back({kHnswGraphSection, std::move(bytes)});
    return sections;
  }

  [[nodiscard]] Result<std::unique_ptr<SegmentIndex>> Open(std::span<const SectionView> sections,
                                                           MatrixView vectors,
                                                           Metric metric) const override {
    LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
    for (const SectionView& section : sections) {
      if (section.type == kHnswGraphSection) {
        LEADLINE_ASSIGN_OR_RETURN(const GraphView graph, ParseGraph(section.bytes, vectors));
        return std::unique_ptr<SegmentIndex>(std::make_unique<HnswIndex>(graph, vectors, metric));
      }
    }
    return DataLossError("segment lacks the hnsw graph section: type=32");
  }
};

}  // namespace
}  // namespace hnsw

const IndexFactory& HnswIndexFactory() {
  static const hnsw::HnswFactory kFactory;
  return kFactory;
}

}  // namespace leadline::index
