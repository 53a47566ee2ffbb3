#include "leadline/index/hnsw.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "allowed_nodes.h"
#include "graph_builder.h"
#include "graph_layout.h"
#include "graph_search.h"
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
    const uint64_t allowed_count = CountAllowed(params.allowed, vectors_.rows);
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      SearchOutcome outcome;
      LEADLINE_RETURN_IF_ERROR(SearchOne(queries.row(q).data(), params, allowed_count, &outcome));
      out[q] = std::move(outcome);
    }
    return {};
  }

  [[nodiscard]] size_t resident_bytes() const override { return sizeof(*this); }

 private:
  Status SearchOne(const float* query, const SearchParams& params, uint64_t allowed_count,
                   SearchOutcome* outcome) const {
    const size_t ef = std::max(params.ef_search, params.k);
    if (!ShouldScan(allowed_count, ef)) {
      SearchScratch& scratch = SearchScratch::OfThread();
      GraphSearch search(graph_, vectors_.data, distance_, query, &scratch, &outcome->stats);
      const uint32_t entry = search.FindBaseEntry();
      if (params.allowed == nullptr) {
        LEADLINE_RETURN_IF_ERROR(search.SearchBase(entry, ef, params.control));
        CollectPool(scratch.pool, params.k, outcome);
      } else {
        const AllowedNodes admits(graph_, params.allowed);
        LEADLINE_ASSIGN_OR_RETURN(
            const bool finished,
            search.SearchFiltered(entry, ef, allowed_count, admits, params.control));
        if (finished) {
          CollectAccepted(scratch.accepted, params, outcome);
        }
      }
    }
    if (outcome->neighbors.size() < std::min<uint64_t>(params.k, allowed_count)) {
      return Scan(query, params, outcome);
    }
    return {};
  }

  /// True where looking at each allowed row costs no more than walking: to meet ef allowed nodes a
  /// walk meets ef * rows / allowed nodes and computes about ten distances for each.
  [[nodiscard]] bool ShouldScan(uint64_t allowed_count, size_t ef) const {
    constexpr uint64_t kDistancesPerNode = 10;
    return allowed_count <=
           ef * kDistancesPerNode * vectors_.rows / std::max<uint64_t>(allowed_count, 1);
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
      if (offered < k && IsAllowed(allowed, row)) {
        top->Offer(DistanceOf(key), row);
        ++offered;
      }
    }
  }

  /// Looks at every allowed row.
  Status Scan(const float* query, const SearchParams& params, SearchOutcome* outcome) const {
    constexpr size_t kBlock = 64;
    static_assert(CallControl::kCheckInterval % kBlock == 0);
    TopK top(params.k);
    std::array<uint32_t, kBlock> rows;
    std::array<float, kBlock> distances;
    for (size_t begin = 0; begin < vectors_.rows; begin += kBlock) {
      if (begin % CallControl::kCheckInterval == 0) {
        LEADLINE_RETURN_IF_ERROR(params.control.Check());
      }
      size_t count = 0;
      for (size_t row = begin; row < std::min(vectors_.rows, begin + kBlock); ++row) {
        rows[count] = static_cast<uint32_t>(row);
        count += IsAllowed(params.allowed, row) ? 1U : 0U;
      }
      distance_.Gather(query, vectors_.data, rows.data(), count, distances.data());
      outcome->stats.distances += count;
      for (size_t i = 0; i < count; ++i) {
        top.Offer(distances[i], rows[i]);
      }
    }
    outcome->neighbors = top.Take();
    return {};
  }

  const GraphView graph_;
  const MatrixView vectors_;
  const simd::MetricDistance distance_;
};

Status CheckOption(const char* name, uint32_t value, uint32_t low, uint32_t high) {
  if (value >= low && value <= high) {
    return {};
  }
  return InvalidFieldError("value out of range", name, std::to_string(value),
                           std::to_string(low) + ".." + std::to_string(high));
}

class HnswFactory final : public IndexFactory {
 public:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] Result<std::vector<Section>> Build(MatrixView vectors,
                                                   const BuildOptions& options) const override {
    LEADLINE_RETURN_IF_ERROR(CheckBuild(vectors, options));
    LEADLINE_RETURN_IF_ERROR(CheckOption("m", options.m, kMinM, kMaxM));
    LEADLINE_RETURN_IF_ERROR(
        CheckOption("ef_construction", options.ef_construction, 1, kMaxEfConstruction));
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
        LEADLINE_ASSIGN_OR_RETURN(const GraphView graph, ParseGraph(section.bytes, vectors.rows));
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
