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
#include "listed_rows.h"

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

  size_t nprobe = 1;  ///< at least
  /// More, the nearest first, until so many allowed rows were met: 0 where all rows are allowed.
  uint64_t enough = 0;
  double share = 1;  ///< of all rows, those allowed
  /// Comparing every allowed row may be cheaper or surer: where matches lie elsewhere, and beyond
  /// so many rows visited.
  bool may_give_up = false;
  uint64_t most_visited = std::numeric_limits<uint64_t>::max();

  /// How many times fewer allowed rows were met than their share among those visited; at least 1.
  [[nodiscard]] double MissingAfter(uint64_t visited, uint64_t met) const {
    const double expected = share * static_cast<double>(visited);
    return enough == 0 ? 1 : std::max(1.0, expected / std::max(1.0, static_cast<double>(met)));
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
    std::vector<uint32_t> rows;
    std::vector<uint64_t> mask;
    std::vector<uint32_t> lists;
    std::vector<bool> visited;     ///< lists
    std::vector<uint32_t> order;   ///< of the visits
    std::vector<uint32_t> beside;  ///< numbers of rows beside the index's own
    std::vector<Neighbor> nearest;

    static Scratch& OfThread();
  };

  ListSearch(const IvfParts& parts, const SearchParams& params, const float* query,
             Scratch* scratch);

  /// Fills `out` with the nearest allowed rows of the lists that `plan` says; with none, and what
  /// that cost, where it gave up. Errors: kCancelled, kDeadlineExceeded; those of
  /// SearchParams::row_check.
  Status Run(const ProbePlan& plan, SearchOutcome* out);

  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  void Prepare();
  Status VisitNearest(size_t count);
  Status OrderLists();
  Status VisitList(const Neighbor& list);
  void SetBase(const Neighbor& list);
  void ScanRows(size_t begin, size_t count, const uint64_t* mask);
  void ScanCodes(size_t begin, size_t count, const uint64_t* mask);
  void ScanBlocks(uint32_t list, size_t begin, size_t count, const uint64_t* mask);
  const uint64_t* MaskOf(size_t begin, size_t count, size_t* allowed);
  void Narrow();
  void NarrowSome(const RowCodes& codes, std::span<const uint32_t> rows, uint32_t first);
  void ScanBlocksBeside(uint32_t list);
  const uint64_t* MaskOfBeside(std::span<const uint32_t> numbers);
  void ScanCodesBeside();
  Status Rescore();
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
  const ListBlocks* const blocks_;  ///< null where none are scanned
  const IvfListedRows* const beside_;
  TopK top_;
  SearchStats stats_;
  // Of the list whose blocks are being scanned.
  float list_base_ = 0;
  const uint8_t* table_ = nullptr;  ///< of the query, for blocks
  simd::SumToDistance map_;
  bool gave_up_ = false;
  uint64_t met_ = 0;
  uint64_t visited_ = 0;
};

}  // namespace leadline::index
