#pragma once

/// What every index kind offers to the engine. An index is built from a matrix on private memory,
/// handed over as sections of bytes, written and mapped by others, and opened over those bytes. It
/// never opens a file and never sees storage.
///
/// Rows are numbered 0..rows-1 within one segment. Distances inside the engine always grow with
/// dissimilarity: squared Euclidean for kL2, minus the dot product for kInnerProduct and kCosine.
/// For kCosine the rows and the query are unit vectors (leadline/simd/normalize.h).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/filter_slot.h"

namespace leadline::index {

/// One part of a serialised index. Type numbers are persisted (storage/FORMAT.md): never reuse one.
struct Section {
  uint32_t type = 0;
  std::string bytes;
};

/// A section as mapped from a segment file; `bytes` starts on a 64-byte boundary and outlives the
/// index opened over it.
struct SectionView {
  uint32_t type = 0;
  std::string_view bytes;
};

struct HeldOutRows;
class OwnedCodes;

struct BuildOptions {
  Metric metric = Metric::kL2;
  CodeType codes = CodeType::kF32;
  uint32_t m = 16;  ///< hnsw: links per node on upper layers, 2m on layer 0; [kMinM, kMaxM]
  uint32_t ef_construction = 200;  ///< hnsw: [1, kMaxEfConstruction]
  /// hnsw: choose the links of every row anew by searching the finished graph, which costs about as
  /// much as building by insertion does; unset: where rows with codes were built that way.
  std::optional<bool> refine;
  uint32_t nlist = 0;  ///< ivf: number of lists; 0 picks from the row count and the codes
  /// ivf: rows of the matrix to choose the default nprobe by (leadline/index/held_out_rows.h); null
  /// draws some.
  const HeldOutRows* held_out = nullptr;
  /// ivf with sq8 codes, alone or behind others: those of the matrix in the order of its rows
  /// (leadline/index/owned_codes.h); null makes them.
  const OwnedCodes* row_codes = nullptr;
  uint64_t seed = 1;
  Executor* executor = nullptr;  ///< null builds on the calling thread
  CallControl control;           ///< a cancelled build returns kCancelled and leaves nothing
};

/// Says whether single rows of a segment's vectors may be read, where these were not verified as a
/// whole. Thread-safe.
class RowCheck {
 public:
  virtual ~RowCheck() = default;
  /// OK when the vectors of `rows` are those that were written; kDataLoss when one is not.
  /// Otherwise what reading them answers.
  [[nodiscard]] virtual Status Check(std::span<const uint32_t> rows) const = 0;
};

/// Rows that came after an index was built, sorted by its lists (SegmentIndex::ListRows): a search
/// of the index looks at them too, for no more than their share of the work. Immutable,
/// thread-safe. Holds addresses of the rows, not the rows.
class ListedRows {
 public:
  ListedRows() = default;
  ListedRows(const ListedRows&) = delete;
  ListedRows& operator=(const ListedRows&) = delete;
  virtual ~ListedRows() = default;
  /// Numbers given so far, to those that are no rows too.
  [[nodiscard]] virtual size_t size() const = 0;
  /// Bytes on the heap; what it shares with those it grew from counts in each of them.
  [[nodiscard]] virtual size_t resident_bytes() const = 0;
};

struct SearchParams {
  size_t k = 10;          ///< [1, kMaxTopK]
  size_t ef_search = 64;  ///< hnsw; values below k are raised to k
  size_t nprobe = 0;      ///< ivf, a mean over queries with some codes; 0: default for its nlist
  /// ivf: nobody insists on this `nprobe`, so a search may give up as with 0.
  bool nprobe_is_default = false;
  size_t rescore = 0;  ///< candidates rescored in full precision; 0 means the kind's default
  /// ivf with pq4 or rabitq codes: candidates they hand on to the 8-bit codes; 0 means a default.
  size_t candidates = 0;
  /// Queries of the call share one pass over the codes, where the kind has one: quicker for many
  /// queries, and other candidates than a query alone may find. Equal answers for any split of a
  /// batch into calls that share.
  bool share_scan = false;
  bool never_scan_instead = false;  ///< walk or probe even where a scan looks cheaper
  /// One bit a row, (rows + 63) / 64 words, set where the row may be returned; null admits all.
  const uint64_t* allowed = nullptr;
  /// Number of rows below the segment's that `allowed` admits, where the caller knows it.
  std::optional<uint64_t> allowed_count;
  /// A filter that `allowed` is all or a part of. What the index makes of it at the first search
  /// that needs it, a pass over its rows, is kept there; answers do not depend on whether it was
  /// there already. Null: the matches are found anew.
  const RepeatedFilter* filter = nullptr;
  /// SearchExact: rows farther from query q than farthest[q] need not be returned, since that many
  /// nearer ones are known elsewhere. Null: all may matter.
  const float* farthest = nullptr;
  /// Search: rows of this index's ListRows, looked at beside its own and numbered from rows() on,
  /// unless the index scans instead or queries share scans: SearchStats::beside says. Null: none.
  const ListedRows* beside = nullptr;
  /// The first so many of them, and of these, where not null, those with a bit set.
  size_t beside_count = 0;
  const uint64_t* beside_allowed = nullptr;
  /// Asked before vectors are read; null where all of them may be. Only for an index that was
  /// opened over vectors that are not verified.
  const RowCheck* row_check = nullptr;
  CallControl control;
};

struct Neighbor {
  float distance = 0;
  uint32_t row = 0;

  /// Nearest first, ties by ascending row.
  friend bool operator<(const Neighbor& a, const Neighbor& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
  }

  friend bool operator==(const Neighbor& a, const Neighbor& b) = default;
};

/// Work one query cost; deterministic, so tests and CI may gate on it.
struct SearchStats {
  uint64_t distances = 0;  ///< vector comparisons, by code or in full precision
  uint64_t rescored = 0;   ///< rows compared in full precision after their codes were
  uint64_t hops = 0;       ///< graph nodes expanded, or lists scanned
  bool scanned = false;    ///< the index compared every allowed row itself: the answer is exact
  bool beside = false;     ///< the answer takes the rows of SearchParams::beside into account
};

struct SearchOutcome {
  std::vector<Neighbor> neighbors;  ///< at most k, sorted by operator<
  SearchStats stats;
};

/// What the cost of a search depends on.
struct IndexShape {
  size_t lists = 0;       ///< ivf: number of lists
  size_t scan_bytes = 0;  ///< bytes of what a row is compared by first
};

/// An opened index over one segment. Immutable, thread-safe.
class SegmentIndex {
 public:
  virtual ~SegmentIndex() = default;
  [[nodiscard]] virtual IndexKind kind() const = 0;
  [[nodiscard]] virtual size_t rows() const = 0;
  /// True where Search returns the exact k nearest allowed rows.
  [[nodiscard]] virtual bool exact() const = 0;
  /// Searches for each of `queries` [n x dim]; fills out[0..n). Fewer than k neighbours may come
  /// back although more rows are allowed (graphs, lists): the caller then falls back to a scan.
  /// Equal inputs give equal outputs for any batch split and on any number of threads.
  /// Errors: kCancelled, kDeadlineExceeded; those of params.row_check.
  [[nodiscard]] virtual Status Search(MatrixView queries, const SearchParams& params,
                                      std::span<SearchOutcome> out) const = 0;
  /// The exact params.k >= 1 nearest allowed rows of each query, whatever the kind: rows, distances
  /// and ties are those of comparing every allowed row in full precision. Of `params` counts k
  /// (beyond kMaxTopK too), allowed, allowed_count, filter, farthest and control, and row_check
  /// where scan_codes() is not kF32; otherwise all vectors must be readable. stats.scanned is set.
  /// Cost: every allowed row is compared, by its code where ScanCodesFor names one.
  /// Errors: kInvalidArgument (shape), kCancelled, kDeadlineExceeded; those of params.row_check.
  [[nodiscard]] virtual Status SearchExact(MatrixView queries, const SearchParams& params,
                                           std::span<SearchOutcome> out) const = 0;

  /// What SearchExact compares rows by first: kSq8, kSq4, kBf16 or, the vectors alone, kF32.
  /// Of few rows it may compare the vectors all the same, where no row_check is set: ScanCodesFor.
  [[nodiscard]] virtual CodeType scan_codes() const { return CodeType::kF32; }

  /// The same for `allowed` allowed rows: scan_codes() or kF32.
  [[nodiscard]] virtual CodeType ScanCodesFor(uint64_t /*allowed*/) const { return scan_codes(); }

  /// True where the kind and its codes have ListRows.
  [[nodiscard]] virtual bool lists_rows() const { return false; }

  /// `before` (null: no rows), which ListRows of this index made, and `rows` after those: each the
  /// address of a row in search form that must outlive all searches for it, or null for a number
  /// that is no row. `before` stays as it is. Equal inputs give equal answers of searches.
  /// Cost: a comparison with each centroid for each of `rows`; 4 bytes are copied for each of
  /// those before, and now and then their codes.
  /// Errors: kUnimplemented unless lists_rows(), kCancelled, kDeadlineExceeded. May throw
  /// std::bad_alloc.
  [[nodiscard]] virtual Result<std::shared_ptr<const ListedRows>> ListRows(
      const ListedRows* before, std::span<const float* const> rows,
      const CallControl& control) const;

  /// Zeros for kinds that have nothing to tune.
  [[nodiscard]] virtual IndexShape shape() const { return {}; }

  /// Bytes held on the heap, mapped sections not counted.
  [[nodiscard]] virtual size_t resident_bytes() const = 0;
};

/// One index kind. Stateless, thread-safe.
class IndexFactory {
 public:
  virtual ~IndexFactory() = default;
  [[nodiscard]] virtual IndexKind kind() const = 0;
  /// Builds over `vectors` [rows x dim], finite, unit length for kCosine. Equal inputs and seed
  /// give the same bytes on any number of threads. Errors: kInvalidArgument (option out of range),
  /// kUnimplemented (codes this kind does not have), kCancelled, kResourceExhausted (memory).
  [[nodiscard]] virtual Result<std::vector<Section>> Build(MatrixView vectors,
                                                           const BuildOptions& options) const = 0;
  /// Opens serialised sections over the segment's own `vectors`; validates every count, offset,
  /// link and parameter before use (rules V4-V8), so hostile bytes give kDataLoss, never a fault.
  /// Both `sections` and `vectors` must outlive the index.
  [[nodiscard]] virtual Result<std::unique_ptr<SegmentIndex>> Open(
      std::span<const SectionView> sections, MatrixView vectors, Metric metric) const = 0;
};

/// True when `row` may be returned.
inline bool IsAllowed(const uint64_t* allowed, size_t row) {
  return allowed == nullptr || ((allowed[row >> 6] >> (row & 63)) & 1U) != 0;
}

}  // namespace leadline::index
