#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/filter.h"
#include "leadline/core/options.h"
#include "leadline/core/record.h"
#include "leadline/core/search.h"
#include "leadline/core/types.h"

namespace leadline {

class Embedder;

struct ReadOptions {
  std::shared_ptr<const Snapshot> snapshot;  ///< null reads the newest state
  bool with_vectors = true;
  bool with_payload = true;
  int64_t timeout_ms = 0;  ///< >= 0; 0 means none; kDeadlineExceeded without partial results
  const CancelToken* cancel = nullptr;
};

struct ScrollOptions {
  std::optional<Filter> filter;
  size_t limit = 1000;  ///< records a page, [1, 100000]
  std::string cursor;   ///< empty starts; else `next_cursor` of the previous page
  ReadOptions read;
};

struct ScrollPage {
  std::vector<Record> records;  ///< in insertion order
  std::string next_cursor;      ///< empty after the last page; stays valid after reopening
};

struct DeleteOptions {
  int64_t timeout_ms = 0;  ///< >= 0; 0 means none
  const CancelToken* cancel = nullptr;
  /// Told after each batch what was deleted so far, for callers that lose the result to an error.
  std::function<void(const WriteResult& so_far)> progress = {};
};

/// A setting of a search and what an index found with it for rows of its own, when it was built.
struct RecallPoint {
  uint64_t effort = 0;      ///< `nprobe` of ivf, `ef_search` of hnsw
  uint64_t candidates = 0;  ///< pq4, rabitq: rows compared once more by 8-bit codes; else 0
  uint64_t rescore = 0;     ///< rows compared in full precision; 0 with f32 codes
  double recall = 0;        ///< of the ten nearest rows
  double promised = 0;      ///< what queries that are no rows may expect
  double distances = 0;     ///< comparisons a query, on average
};

/// Segments of one vector field that are indexed alike. Sizes are those of files, which are mapped;
/// resident is what of them is in memory now, whoever read it (the page cache). Segments that
/// cannot be opened count with size 0.
struct IndexStats {
  std::string vector_field;
  IndexKind kind = IndexKind::kFlat;
  CodeType codes = CodeType::kF32;
  uint64_t segments = 0;
  uint64_t rows = 0;          ///< dead ones included
  uint64_t vector_bytes = 0;  ///< in full precision: read by scans, and to rescore candidates
  uint64_t code_bytes = 0;    ///< 0 with f32 codes
  uint64_t link_bytes = 0;    ///< links of hnsw, lists of ivf
  uint64_t resident_vector_bytes = 0;
  uint64_t resident_code_bytes = 0;
  uint64_t resident_link_bytes = 0;
  uint64_t lists = 0;  ///< ivf: of the largest of these segments
  /// pca8: how many axes the rows of the largest of them are coded along; 0 where that takes no
  /// fewer than their dimensions, and they are coded as sq8.
  uint64_t axes = 0;
  /// What the largest of them measured of itself: what target_recall goes by. Empty for flat, and
  /// where no segment measured itself.
  std::vector<RecallPoint> curve;
};

struct CollectionStats {
  uint64_t rows = 0;       ///< live records
  uint64_t tail_rows = 0;  ///< rows in memory, scanned exactly, dead ones included
  uint64_t segments = 0;
  uint64_t segment_rows = 0;
  uint64_t dead_rows = 0;  ///< rows of segments that were deleted or replaced
  uint64_t damaged_segments = 0;
  uint64_t segment_bytes = 0;
  /// Heap of tail, indexes, deletes and answers of filters; of mapped files IndexStats tells.
  uint64_t resident_bytes = 0;
  double min_self_recall = 1;  ///< worst build audit of the segments
  /// By vector field in their order, then kind, then codes.
  std::vector<IndexStats> indexes;
  bool degraded = false;  ///< some segment is damaged or cannot be read now
  /// Newest failure of sealing, merging or rebuilding that no success has followed; empty without
  /// one. It is tried again with growing pauses.
  std::string last_build_error;
};

/// Takes what one SearchAsync found. Must not throw.
using SearchAnswered = std::function<void(Result<SearchResponse>)>;

/// A named set of records. Thread-safe. Obtained from Database; keeps the database open.
///
/// Every call fails with kNotFound once the collection was dropped, with kFailedPrecondition after
/// Database::Close or in a forked child.
class Collection {
 public:
  virtual ~Collection() = default;

  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const CollectionOptions& options() const = 0;

  /// Commits the batch atomically and returns when it is as durable as the database's mode says.
  /// Visible to every later read of this process. Limits: kMaxBatchRecords operations and
  /// kMaxBatchBytes. Errors: kInvalidArgument (id, vector size, vector value beyond
  /// +-kMaxComponent, zero vector for cosine, payload: names record and field), kNotFound (patch of
  /// an unknown id), kResourceExhausted (disk nearly full, or too many rows wait to be sealed;
  /// nothing changed), kFailedPrecondition (read-only or latched after an I/O error), kDataLoss
  /// (latched after work in the background met damage). Waits up to 30 s while sealing does not
  /// keep up.
  ///
  /// A batch with an idempotency key is done at most once: its result is stored with its changes,
  /// and for kIdempotencyLifeMs a batch of the same content under the same key gets that result and
  /// changes nothing, also after a crash or at another process. kAlreadyExists (field
  /// idempotency_key) for another content. Keys are the collection's own and go with it. A batch
  /// that fails leaves no key. Cost: one look-up, and two entries of some 100 bytes. The newest
  /// kMaxIdempotencyEntries of the database are kept.
  virtual Result<WriteResult> Write(const WriteBatch& batch) = 0;
  /// Write with only upserts, without a key.
  virtual Result<WriteResult> Upsert(std::vector<Record> records) = 0;
  /// Unknown and expired ids are no error and do not count. No ids: nothing happens. Without a key.
  virtual Result<WriteResult> Delete(const std::vector<std::string>& ids) = 0;
  /// Deletes every record that matches at the moment of the call, in batches of bounded size;
  /// returns the last sequence and the total count. Stopped between batches, it fails with
  /// kCancelled or kDeadlineExceeded; what was deleted by then stays deleted, here as after any
  /// other failure. Takes no key: it may be called again, for what matches then.
  virtual Result<WriteResult> DeleteWhere(const Filter& filter,
                                          const DeleteOptions& options = {}) = 0;

  /// One entry per id, in order; nullopt where no visible record has it.
  virtual Result<std::vector<std::optional<Record>>> Get(const std::vector<std::string>& ids,
                                                         const ReadOptions& options = {}) = 0;
  virtual Result<uint64_t> Count(const std::optional<Filter>& filter,
                                 const ReadOptions& options = {}) = 0;
  virtual Result<ScrollPage> Scroll(const ScrollOptions& options) = 0;

  /// Finds the `limit` nearest visible records that match. If that many match, that many come back.
  /// `query` has the field's dim, values within +-kMaxComponent, and a non-zero norm for cosine.
  /// Cost: hnsw about ef_search * log(rows) distances per segment plus a scan of the tail.
  virtual Result<SearchResponse> Search(VectorView query, const SearchOptions& options = {}) = 0;

  /// Search for callers who have something else to do meanwhile, or many searches under way:
  /// `answered` is called once, with what Search would return. In process that is before this
  /// returns, on the same thread. Over leadline::Client this returns once the request is on its
  /// way, and one thread of the client calls `answered`: it may begin other searches but must not
  /// wait for a call of the same client; errors in what was asked are told before this returns.
  /// `query` is copied; options.cancel must live until then. The collection may go before.
  virtual void SearchAsync(VectorView query, const SearchOptions& options,
                           const SearchAnswered& answered) {
    answered(Search(query, options));
  }

  /// One response per row of `queries`, at one moment. Queries share their way through an index
  /// where that is quicker, so with codes other than f32 an answer may hold other near records than
  /// that of Search for the same query, unless `as_single` is set. It depends neither on the other
  /// queries, nor on how many calls a batch is split into, nor on the number of threads.
  virtual Result<std::vector<SearchResponse>> SearchBatch(MatrixView queries,
                                                          const SearchOptions& options = {}) = 0;
  /// Embeds `text` with OpenEmbedder() first. Searches the default field, whose vectors the
  /// embedder made: kInvalidArgument when another one is named.
  virtual Result<SearchResponse> SearchText(std::string_view text,
                                            const SearchOptions& options = {}) = 0;
  /// Uses the stored vector of `id` in the searched field; the record itself is left out of the
  /// hits, and of its group. kNotFound when no visible record has the id, or it has no vector
  /// there.
  virtual Result<SearchResponse> SearchId(std::string_view id,
                                          const SearchOptions& options = {}) = 0;

  /// The embedder (leadline/text/embedder.h) that made the vectors of the default field, for
  /// queries and records that are to meet them. kFailedPrecondition when the one this program has
  /// is not the recorded one (names both versions), kInvalidArgument when the collection has none.
  [[nodiscard]] virtual Result<std::shared_ptr<const Embedder>> OpenEmbedder() = 0;

  virtual Result<CollectionStats> Stats() = 0;
  /// Returns when every row written before the call is in sealed, indexed segments and compaction
  /// has nothing to do there. kDeadlineExceeded, kCancelled (by the token or Database::Close): what
  /// was built by then stays.
  virtual Status Optimize(const CallOptions& options = {}) = 0;
};

}  // namespace leadline
