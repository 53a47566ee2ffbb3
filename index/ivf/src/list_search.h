#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "ivf_parts.h"
#include "leadline/core/status.h"
#include "leadline/index/candidate_buffer.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "list_filter.h"
#include "listed_rows.h"
#include "row_costs.h"

namespace leadline::index {

/// How many rows each stage of a search hands on.
struct StageSizes {
  size_t scanned = 0;   ///< kept by the codes of their blocks
  size_t rescored = 0;  ///< compared in full precision
};

/// The sizes for a call: SearchParams::rescore and candidates, or defaults for the codes there are.
StageSizes SizesFor(const IvfParts& parts, const SearchParams& params);

/// How many lists a query visits.
struct ProbePlan {
  /// So many times fewer matches than usual mean that those there are lie away from the query.
  static constexpr double kElsewhere = 8;

  size_t nprobe = 1;  ///< at least, on average where there are `gaps`
  const ListGaps* gaps = nullptr;
  /// More, the nearest first, until so many allowed rows were met where `nprobe` lists were
  /// visited, and `least` in any case: 0 where all rows are allowed.
  uint64_t enough = 0;
  uint64_t least = 0;
  double share = 1;  ///< of all rows, those allowed
  /// Comparing every allowed row may be cheaper or surer: where matches lie elsewhere, and beyond
  /// so many rows visited.
  bool may_give_up = false;
  uint64_t most_visited = std::numeric_limits<uint64_t>::max();

  /// With a MatchTable: after `nprobe` of its lists those are counted where a match this many
  /// spreads nearer than the middle would be among the nearest.
  float reach = 0;
  double scan_nanos = 0;  ///< what comparing every allowed row costs

  /// Allowed rows to be met by a query that visited `lists` at first.
  [[nodiscard]] uint64_t EnoughAfter(size_t lists) const {
    const double part = std::min(
        1.0, static_cast<double>(lists) / static_cast<double>(std::max<size_t>(nprobe, 1)));
    return std::max(least, static_cast<uint64_t>(part * static_cast<double>(enough)));
  }

  /// Lists of a MatchTable to visit in all where `within` of its `lists` are within reach. These
  /// say how far this query's matches lie, but where there are many, most are in vain.
  [[nodiscard]] size_t MatchingLists(size_t within, size_t lists) const;

  /// How many times fewer allowed rows were met than their share among those visited; at least 1.
  [[nodiscard]] double MissingAfter(uint64_t visited, uint64_t met) const {
    const double expected = share * static_cast<double>(visited);
    return enough + least == 0 ? 1
                               : std::max(1.0, expected / std::max(1.0, static_cast<double>(met)));
  }
};

/// One search of one query through the lists. Thread-compatible; made for a single query.
class ListSearch {
 public:
  /// Working memory of one thread, kept from one query to the next.
  struct Scratch {
    ListChooser::Scratch chooser;
    CandidateBuffer found;
    CandidateBuffer narrowed;
    Projection projection;
    RowQuery query;
    PqTable table;
    BitTable bit_table;
    std::vector<int32_t> sums;
    std::vector<float> distances;
    std::vector<uint32_t> positions;
    std::vector<uint32_t> collected;  ///< positions to compare by codes
    std::vector<uint32_t> rows;
    std::vector<uint64_t> mask;
    std::vector<uint32_t> lists;
    std::vector<bool> visited;     ///< lists
    std::vector<uint32_t> order;   ///< of the visits
    std::vector<uint32_t> beside;  ///< numbers of rows beside the index's own
    std::vector<Neighbor> nearest;
    std::vector<Neighbor> others;    ///< lists that are not among the nearest
    std::vector<Neighbor> measured;  ///< lists
    MatchScores scores;
    std::vector<uint32_t> matching;  ///< indices of lists in a MatchTable

    static Scratch& OfThread();
  };

  ListSearch(const IvfParts& parts, const SearchParams& params, const float* query,
             const ListFilter* filter, Scratch* scratch);

  /// Fills `out` with the nearest allowed rows of the lists that `plan` says; with none, and what
  /// that cost, where it gave up. Errors: kCancelled, kDeadlineExceeded; those of
  /// SearchParams::row_check.
  Status Run(const ProbePlan& plan, SearchOutcome* out);

  [[nodiscard]] bool gave_up() const { return gave_up_; }

  /// Visits the `nprobe` first of all lists of `table`, and returns how far the `count`-th nearest
  /// row found is, as MatchTable has distances; where there are fewer, the largest number.
  Result<float> DistanceAfter(const MatchTable& table, size_t nprobe, size_t count);

 private:
  void Prepare();
  void PrepareTable();
  Status VisitLists(const ProbePlan& plan);
  Status VisitMatches(const MatchTable& table, const ProbePlan& plan);
  Status VisitFirst(const MatchTable& table, size_t nprobe);
  Status VisitTheseLists();
  [[nodiscard]] size_t CountWithin(float reach, float distance) const;
  void ListNearest(const MatchTable& table, size_t count);
  [[nodiscard]] double CostOf(const MatchTable& table, std::span<const uint32_t> matching) const;
  [[nodiscard]] float DistanceSoFar(size_t count);
  Status VisitNearest(size_t count, const ListGaps* gaps);
  Status CompareLists();
  Status MeasureLists();
  Status GatherBases();
  void NearestFirst();
  const uint8_t* AskFor(uint32_t list) const;
  Status VisitList(const Neighbor& list);
  void ScanRows(size_t begin, size_t count, const uint64_t* mask);
  void ScanCodes(size_t begin, size_t count);
  void CollectCodes(size_t begin, size_t count, const uint64_t* mask);
  void CompareCodes(std::span<const uint32_t> positions);
  void CompareCollected();
  void ScanBlocks(uint32_t list, size_t begin, size_t count, const uint64_t* mask);
  const uint64_t* MaskOf(uint32_t list, size_t begin, size_t count, size_t* allowed);
  uint64_t* MaskOfFirst(size_t count);
  [[nodiscard]] size_t DropBarred(float* distances, uint32_t* positions, size_t count) const;
  void Narrow();
  void NarrowWhileUseful();
  [[nodiscard]] float FarthestOf(size_t count);
  void NarrowSome(const RowCodes& codes, std::span<const uint32_t> rows, uint32_t first);
  void ScanMatches(const MatchBlocks::List& matches);
  void ScanBlocksBeside(uint32_t list);
  const uint64_t* MaskOfBeside(std::span<const uint32_t> numbers);
  void ScanCodesBeside();
  Status Rescore();
  Status RescoreWhileUseful();
  void RescoreBeside(std::span<const uint32_t> numbers);

  /// The rows that are compared in full precision.
  [[nodiscard]] CandidateBuffer& last() {
    return blocks_ != nullptr ? scratch_.narrowed : scratch_.found;
  }

  const IvfParts& parts_;
  const SearchParams& params_;
  const float* const query_;
  Scratch& scratch_;
  const simd::MetricDistance distance_;
  const simd::CodeKernels& kernels_;
  const StageSizes sizes_;
  const RowCosts costs_;
  const ListFilter* const filter_;   ///< null: the bits of `params.allowed` are looked up
  const uint64_t* const mask_rows_;  ///< whose bits make masks; null where all rows are allowed
  const bool barred_;                ///< some of them are not allowed
  const ListBlocks* const blocks_;   ///< null where none are scanned
  const IvfListedRows* const beside_;
  TopK top_;
  SearchStats stats_;
  const uint8_t* table_ = nullptr;  ///< of the query, for blocks
  simd::SumToDistance map_;         ///< what sums of its entries mean for the rows of a list
  // Of the list whose blocks are being scanned.
  float list_base_ = 0;
  const uint8_t* next_blocks_ = nullptr;  ///< of the list that comes after it; null if none does
  bool compared_ = false;                 ///< with all centres, in scratch_.chooser
  bool gave_up_ = false;
  uint64_t met_ = 0;
  uint64_t visited_ = 0;
  const ListMasks* masks_ = nullptr;
  const MatchBlocks* match_blocks_ = nullptr;
};

}  // namespace leadline::index
