#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "database_core.h"
#include "leadline/core/search.h"
#include "leadline/index/search_tuning.h"
#include "leadline/index/segment_index.h"
#include "listed_tail.h"
#include "row_source.h"

namespace leadline::engine {

/// One nearest row across all sources.
struct Candidate {
  float distance = 0;
  uint64_t ordinal = 0;
  uint32_t source = 0;  ///< position in Searcher's list of sources
  uint32_t row = 0;     ///< row within the source

  /// Nearest first, ties by ascending ordinal (insertion order).
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.ordinal < b.ordinal;
  }
};

struct SearchSettings {
  size_t k = 10;
  size_t ef_search = 0;
  size_t nprobe = 0;
  size_t rescore = 0;
  std::optional<double> target_recall;
  std::optional<uint64_t> full_scan_threshold;
  bool exact = false;
  bool explain = false;
  bool share_scan = false;  ///< index::SearchParams::share_scan
};

/// The planner and executor of nearest-neighbour search over one published state: finds per source
/// (segment, tail chunk, damaged segment) which rows may be returned, chooses how to look at them,
/// and merges. Built per call; thread-compatible.
class Searcher {
 public:
  /// Borrowed arguments must outlive the object; `state` is kept alive.
  Searcher(DatabaseCore* core, const CollectionState& collection,
           std::shared_ptr<const ReadState> state, uint32_t field, const Visibility& visibility,
           const CallControl& control);

  /// Determines the visible rows of every source. Call once, first. kAborted where only a view of a
  /// snapshot gives one answer (a damaged segment, a payload replaced while it was tested).
  Status Prepare();
  /// The k nearest visible rows of each query [n x dim, search form], sorted. If k rows are visible
  /// and match, k come back.
  Result<std::vector<std::vector<Candidate>>> Run(MatrixView queries,
                                                  const SearchSettings& settings);

  /// Visible, matching rows over all sources; meaningless when degraded.
  [[nodiscard]] uint64_t matches() const { return matches_; }

  [[nodiscard]] bool degraded() const { return degraded_; }

  /// Plans of the last Run, one per query, under settings.explain.
  [[nodiscard]] std::vector<Plan>& plans() { return plans_; }

  /// Brings ids that IdOf is about to read nearer: they lie anywhere in memory.
  void PrefetchIds(std::span<const Candidate> found) const;

  /// Id of a candidate. Empty for a row of a damaged segment (read its record).
  [[nodiscard]] std::string IdOf(const Candidate& candidate) const;
  /// Payload text of a tail row, or null where the record must be read.
  [[nodiscard]] const std::string* PayloadOf(const Candidate& candidate) const;

 private:
  enum class Strategy : uint8_t { kSkip, kScan, kScanMatches, kIndex, kStoreScan, kListed };

  struct Source {
    const SealedSegment* segment = nullptr;     ///< null for the tail
    const SegmentContents* contents = nullptr;  ///< of the segment; null where it is damaged
    const TailChunk* chunk = nullptr;
    std::shared_ptr<const index::SegmentIndex> coded;  ///< of the chunk; null where it has none
    const SealedGroup* group = nullptr;                ///< of a damaged segment
    size_t rows = 0;
    VisibleRows visible;
    Strategy strategy = Strategy::kSkip;  ///< of the present Run
    std::vector<uint32_t> list;           ///< of the tail: visible rows, for a scan of the matches
    size_t listed = 0;                    ///< of a chunk: kListed ends here, a scan begins

    [[nodiscard]] bool damaged() const { return group != nullptr; }
  };

  /// What one source has for a block of queries, one element a query.
  struct Findings {
    std::vector<index::SearchOutcome> outcomes;
    std::vector<bool> fell_back;
    std::vector<std::vector<Candidate>> from_store;
    index::TunedSearch tuned;
    uint64_t store_rows = 0;  ///< rows a scan of the store compared
  };

  /// Tail rows that are looked at with the segment whose lists they are sorted by.
  struct ListedRows {
    size_t segment = 0;  ///< position in sources_
    ListedRange range;
    std::shared_ptr<const index::ListedRows> rows;
    std::vector<uint64_t> allowed;  ///< one bit a number; empty where all may be returned
  };

  /// Fixes the strategy of every source for one Run.
  Status ChooseAll(const SearchSettings& settings);
  Status PrepareScan(Source* source) const;
  /// The source by whose lists the tail may be searched, or none.
  [[nodiscard]] std::optional<size_t> SegmentForTail(const SearchSettings& settings) const;
  Status ListTail(const SearchSettings& settings);
  [[nodiscard]] std::vector<uint64_t> AllowedOfTail(const ListedRange& range) const;
  Strategy Choose(const Source& source, const SearchSettings& settings) const;
  Status RunBlock(MatrixView queries, const SearchSettings& settings, std::vector<Candidate>* found,
                  Plan* plans) const;
  /// `farthest` [queries]: the distance of the k-th nearest row found in other sources.
  Status RunSource(const Source& source, MatrixView queries, const SearchSettings& settings,
                   const float* farthest, Findings* findings) const;
  Status ScanSource(const Source& source, MatrixView queries, size_t k, const float* farthest,
                    std::span<index::SearchOutcome> out) const;
  Status ScanVectors(const Source& source, size_t begin, MatrixView queries, size_t k,
                     std::span<index::SearchOutcome> out) const;
  /// `looked_at` [queries]: the listed rows were.
  Status ScanAfterListed(const Source& source, MatrixView queries, size_t k,
                         const std::vector<bool>& looked_at, Findings* findings) const;
  /// How hard to look in an index.
  static index::TunedSearch Tune(const Source& source, const SearchSettings& settings);
  Status RunIndex(const Source& source, MatrixView queries, const SearchSettings& settings,
                  Findings* findings) const;
  Status ScanWhatIsMissing(const Source& source, MatrixView queries, size_t k,
                           Findings* findings) const;
  Status StoreScan(const Source& source, MatrixView queries, size_t k, Findings* findings) const;
  static Strategy ScanOf(const Source& source);
  /// What a scan of the source compares rows by.
  [[nodiscard]] static CodeType ScanCodesOf(const Source& source);
  [[nodiscard]] static PlanStep Describe(const Source& source, const Findings& findings, size_t q);
  /// Queries that one task takes, of `queries` in all.
  [[nodiscard]] size_t BlockQueries(size_t queries, const SearchSettings& settings) const;
  [[nodiscard]] Candidate CandidateOf(size_t source, const index::Neighbor& neighbor) const;

  DatabaseCore* const core_;
  const CollectionState& collection_;
  const std::shared_ptr<const ReadState> state_;
  const uint32_t field_;
  const Visibility& visibility_;
  const CallControl& control_;
  std::vector<Source> sources_;
  size_t first_chunk_ = 0;            ///< position in sources_
  std::optional<ListedRows> listed_;  ///< of the present Run
  uint64_t matches_ = 0;
  bool degraded_ = false;
  std::vector<Plan> plans_;
};

}  // namespace leadline::engine
