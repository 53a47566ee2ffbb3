#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/index/candidate_buffer.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"
#include "list_search.h"

namespace leadline::index {

/// Many queries through the lists together: list by list, its rows against all queries that visit
/// it, as products of integer matrices. Candidates are those that ListSearch finds by sq8 codes for
/// each query alone, bit for bit; what it costs is bound by arithmetic instead of memory.
/// Needs sq8 codes of rows. Thread-compatible; made for one call.
class SharedScan {
 public:
  /// Counted for each query.
  struct Visits {
    uint64_t met = 0;      ///< allowed rows in the lists it visited
    uint64_t visited = 0;  ///< all rows in them
    size_t lists = 0;
  };

  SharedScan(const IvfParts& parts, const SearchParams& params);

  /// Fills out[i] for each of `queries` [n x dim]. Errors: kCancelled, kDeadlineExceeded.
  /// Each visits `nprobe` lists, or as many as `gaps` says unless that is null.
  Status Run(MatrixView queries, size_t nprobe, const ListGaps* gaps, std::span<SearchOutcome> out);

  [[nodiscard]] const std::vector<Visits>& visits() const { return visits_; }

 private:
  /// Queries side by side in one pass over a list, and rows in one tile with them.
  static constexpr size_t kLanes = 64;
  static constexpr size_t kTileRows = 96;

  Status VisitNearest(MatrixView queries);
  void ScanPositions(const RowQuery& query);
  void GroupByList(bool nearest);
  Status VisitList(uint32_t list, std::span<const uint32_t> queries);
  [[nodiscard]] std::span<const uint32_t> GroupOf(uint32_t list) const;
  void ListPositions(uint32_t list);
  void PrefetchFrom(size_t first, size_t count) const;
  void Count(uint32_t list, size_t met, std::span<const uint32_t> queries);
  void SetLanes(std::span<const uint32_t> queries);
  void ScanTile(size_t first, size_t count, size_t lanes, const uint32_t* positions);
  Status Rescore(MatrixView queries, std::span<SearchOutcome> out);
  void ListFound(size_t q, std::vector<uint32_t>* rows);

  const IvfParts& parts_;
  const SearchParams& params_;
  const RowCodes& codes_;
  const simd::TileKernels& kernels_;
  const size_t keep_;
  std::vector<int8_t> integers_;  ///< [n x length_]
  size_t length_ = 0;
  std::vector<simd::SumToDistance> maps_;
  std::vector<CandidateBuffer> found_;
  CandidateBuffer nearest_rows_;  ///< of one query, in its nearest list
  std::vector<Visits> visits_;
  ChosenLists chosen_;
  std::vector<uint32_t> group_start_;  ///< [nlist + 1] into grouped_
  std::vector<uint32_t> grouped_;      ///< queries, list by list
  // Of the list being scanned.
  PackedLines packed_;
  std::vector<uint32_t> lane_query_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<float> adds_;
  std::vector<float> thresholds_;
  std::vector<int32_t> sums_;
  std::vector<simd::TileHit> hits_;
  std::vector<uint32_t> positions_;
};

}  // namespace leadline::index
