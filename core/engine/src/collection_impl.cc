#include "collection_impl.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "keys.h"
#include "leadline/text/embedder.h"
#include "prepared_batch.h"
#include "record_access.h"
#include "search_call.h"

namespace leadline::engine {
namespace {

/// Searches of the newest state race with writers; after this many collisions a snapshot is pinned,
/// which waits for the commit in progress. So a call costs at most three times its work.
constexpr int kOptimisticAttempts = 2;
constexpr size_t kDeleteBatch = 1000;
constexpr size_t kMaxScrollLimit = 100'000;
constexpr uint64_t kLastOrdinal = std::numeric_limits<uint64_t>::max() - 1;

std::string CursorOf(uint64_t next_ordinal) {
  return "o" + std::to_string(next_ordinal);
}

Result<uint64_t> ParseCursor(const std::string& cursor) {
  if (cursor.empty()) {
    return uint64_t{1};
  }
  uint64_t ordinal = 0;
  const char* end = cursor.data() + cursor.size();
  const auto parsed = std::from_chars(cursor.data() + 1, end, ordinal);
  if (cursor[0] != 'o' || parsed.ec != std::errc() || parsed.ptr != end || ordinal == 0) {
    return InvalidFieldError("bad cursor", "cursor", cursor.substr(0, 64),
                             "a next_cursor of an earlier page");
  }
  return ordinal;
}

/// Runs `read(snapshot)` on the wanted snapshot or the newest state; on kAborted again, in the end
/// on a pinned snapshot.
template <typename Read>
auto WithRetries(DatabaseHandle* database, const std::shared_ptr<const Snapshot>& wanted,
                 const Read& read) -> decltype(read(wanted)) {
  for (int attempt = 0; attempt < kOptimisticAttempts; ++attempt) {
    auto result = read(wanted);
    if (result.ok() || result.status().code() != StatusCode::kAborted) {
      return result;
    }
  }
  if (wanted != nullptr) {
    return read(wanted);
  }
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, database->Core());
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(std::move(core)));
  return read(pinned);
}

/// Position of the vector field, and how its segments are indexed.
using AlikeKey = std::tuple<size_t, IndexKind, CodeType>;

void AddSegment(const SealedSegment& segment, const VectorField& field, IndexStats* stats) {
  const SectionBytes bytes = segment.section_bytes();
  stats->vector_field = field.name;
  stats->kind = segment.entry().info.kind;
  stats->codes = segment.entry().info.codes;
  ++stats->segments;
  stats->rows += segment.rows();
  stats->vector_bytes += bytes.vectors;
  stats->code_bytes += bytes.codes;
  stats->link_bytes += bytes.links;
  const SectionBytes resident = segment.ResidentSections();
  stats->resident_vector_bytes += resident.vectors;
  stats->resident_code_bytes += resident.codes;
  stats->resident_link_bytes += resident.links;
}

void AddCurve(const index::SearchCurve& curve, IndexStats* stats) {
  stats->lists = curve.lists;
  for (const index::CurvePoint& point : curve.points) {
    stats->curve.push_back({.effort = point.effort,
                            .candidates = point.candidates,
                            .rescore = point.rescore,
                            .recall = point.recall,
                            .promised = point.promised,
                            .distances = point.distances});
  }
}

}  // namespace

Result<std::shared_ptr<CollectionState>> CollectionImpl::StateIn(DatabaseCore* core) const {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<CollectionState> state,
                            core->FindCollection(entry_.name));
  if (state->id() != entry_.id) {
    return NotFoundError("collection was dropped: name=" + entry_.name);
  }
  return state;
}

Result<CallControl> CollectionImpl::Control(int64_t timeout_ms, const CancelToken* cancel) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, database_->Core());
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control,
                            MakeControl(core->clock, timeout_ms, cancel));
  LEADLINE_RETURN_IF_ERROR(control.Check());
  return control;
}

Result<ReadView> CollectionImpl::View(const std::shared_ptr<const Snapshot>& snapshot,
                                      const std::optional<Filter>& filter) {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, database_->Core());
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<CollectionState> state, StateIn(core.get()));
  return MakeReadView(std::move(core), std::move(state), snapshot, filter);
}

Result<WriteResult> CollectionImpl::Commit(std::vector<PreparedOp> ops, WriteKey key) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, database_->WritableCore());
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<CollectionState> state, StateIn(core.get()));
  uint64_t bytes = 0;  // that the tail grows by
  for (const PreparedOp& op : ops) {
    bytes += op.kind == WriteBatch::Kind::kDelete ? 0 : BytesOf(op);
  }
  const bool grows = bytes > 0;
  if (grows) {
    LEADLINE_RETURN_IF_ERROR(database_->maintenance().ThrottleWriter(*state));
  }
  // Until the rows are counted where they went.
  LEADLINE_ASSIGN_OR_RETURN(
      const MemoryClaim claim,
      grows ? database_->maintenance().AdmitRows(*state, bytes) : MemoryClaim());
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult result,
                            database_->committer().Submit(state, std::move(ops), std::move(key)));
  if (grows) {
    database_->maintenance().TailGrew(state.get());
  }
  return result;
}

Result<WriteResult> CollectionImpl::Write(const WriteBatch& batch) {
  LEADLINE_RETURN_IF_ERROR(database_->WritableCore().status());
  LEADLINE_ASSIGN_OR_RETURN(std::vector<PreparedOp> ops, PrepareBatch(entry_.options, batch));
  WriteKey key;
  if (!batch.idempotency_key().empty()) {
    key = {batch.idempotency_key(), DigestOf(ops)};
  }
  return Commit(std::move(ops), std::move(key));
}

Result<WriteResult> CollectionImpl::Upsert(std::vector<Record> records) {
  WriteBatch batch;
  for (Record& record : records) {
    batch.Upsert(std::move(record));
  }
  return Write(batch);
}

Result<WriteResult> CollectionImpl::Delete(const std::vector<std::string>& ids) {
  if (ids.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, database_->WritableCore());
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<CollectionState> state, StateIn(core.get()));
    WriteResult nothing;
    nothing.sequence = state->Load()->sequence;
    return nothing;
  }
  WriteBatch batch;
  for (const std::string& id : ids) {
    batch.Delete(id);
  }
  return Write(batch);
}

Result<WriteResult> CollectionImpl::DeleteWhere(const Filter& filter,
                                                const DeleteOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, database_->WritableCore());
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(core));
  LEADLINE_ASSIGN_OR_RETURN(const ReadView view, View(pinned, filter));
  WriteResult total;
  total.sequence = pinned->sequence();
  std::vector<PreparedOp> ops;
  const auto flush = [&]() -> Status {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    LEADLINE_ASSIGN_OR_RETURN(const WriteResult done, Commit(std::move(ops)));
    ops.clear();
    total.sequence = done.sequence;
    total.deleted += done.deleted;
    if (options.progress) {
      options.progress(total);
    }
    return {};
  };
  LEADLINE_RETURN_IF_ERROR(
      VisitStoreRecords(core.get(), *view.collection, 1, kLastOrdinal, view.visibility, control,
                        [&](uint64_t ordinal, const StoredRecord& record) -> Result<bool> {
                          PreparedOp op;
                          op.kind = WriteBatch::Kind::kDelete;
                          op.record.id = record.id;
                          op.expected_ordinal = ordinal;
                          ops.push_back(std::move(op));
                          if (ops.size() == kDeleteBatch) {
                            LEADLINE_RETURN_IF_ERROR(flush());
                          }
                          return true;
                        }));
  if (!ops.empty()) {
    LEADLINE_RETURN_IF_ERROR(flush());
  }
  return total;
}

Result<std::vector<std::optional<Record>>> CollectionImpl::Get(const std::vector<std::string>& ids,
                                                               const ReadOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  LEADLINE_ASSIGN_OR_RETURN(ReadView view, View(options.snapshot, std::nullopt));
  LEADLINE_RETURN_IF_ERROR(PinStore(&view));
  std::vector<std::optional<Record>> records;
  for (const std::string& id : ids) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    LEADLINE_RETURN_IF_ERROR(ValidateId(id));
    LEADLINE_ASSIGN_OR_RETURN(std::optional<Record> record, ReadRecordById(view, id, options));
    records.push_back(std::move(record));
  }
  return records;
}

Result<uint64_t> CollectionImpl::ScanCount(const ReadView& view, const CallControl& control) {
  uint64_t count = 0;
  LEADLINE_RETURN_IF_ERROR(VisitStoreRecords(
      view.core.get(), *view.collection, 1, kLastOrdinal, view.visibility, control,
      [&](uint64_t /*ordinal*/, const StoredRecord& /*record*/) -> Result<bool> {
        ++count;
        return true;
      }));
  return count;
}

Result<uint64_t> CollectionImpl::Count(const std::optional<Filter>& filter,
                                       const ReadOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  return WithRetries(
      database_.get(), options.snapshot,
      [&](const std::shared_ptr<const Snapshot>& snapshot) -> Result<uint64_t> {
        LEADLINE_ASSIGN_OR_RETURN(ReadView view, View(snapshot, filter));
        if (!filter.has_value() && !view.state->MayHoldExpired(view.visibility.now_ms)) {
          return view.state->live_rows;  // no file is read for it
        }
        if (entry_.options.vectors.size() > 1) {
          // A field's segments hold only the rows that have it.
          LEADLINE_RETURN_IF_ERROR(PinStore(&view));
          return ScanCount(view, control);
        }
        Searcher searcher(view.core.get(), *view.collection, view.state, 0, view.visibility,
                          control);
        LEADLINE_RETURN_IF_ERROR(searcher.Prepare());
        // A degraded searcher has a view of a snapshot.
        return searcher.degraded() ? ScanCount(view, control)
                                   : Result<uint64_t>(searcher.matches());
      });
}

Result<ScrollPage> CollectionImpl::Scroll(const ScrollOptions& options) {
  if (options.limit < 1 || options.limit > kMaxScrollLimit) {
    return InvalidFieldError("value out of range", "limit", std::to_string(options.limit),
                             "1.." + std::to_string(kMaxScrollLimit));
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t first, ParseCursor(options.cursor));
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control,
                            Control(options.read.timeout_ms, options.read.cancel));
  LEADLINE_ASSIGN_OR_RETURN(ReadView view, View(options.read.snapshot, options.filter));
  LEADLINE_RETURN_IF_ERROR(PinStore(&view));
  ScrollPage page;
  LEADLINE_RETURN_IF_ERROR(VisitStoreRecords(
      view.core.get(), *view.collection, first, kLastOrdinal, view.visibility, control,
      [&](uint64_t ordinal, const StoredRecord& stored) -> Result<bool> {
        if (page.records.size() == options.limit) {
          page.next_cursor = CursorOf(ordinal);
          return false;
        }
        LEADLINE_ASSIGN_OR_RETURN(Record record, ToRecord(view, ordinal, stored, options.read));
        page.records.push_back(std::move(record));
        return true;
      }));
  return page;
}

Result<std::vector<SearchResponse>> CollectionImpl::SearchRows(MatrixView queries,
                                                               const SearchOptions& options,
                                                               bool share_scan) {
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  LEADLINE_RETURN_IF_ERROR(SearchCall::Validate(entry_.options, options));
  LEADLINE_ASSIGN_OR_RETURN(const uint32_t field, FindField(entry_.options, options.vector_field));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> forms,
                            SearchCall::PrepareQueries(entry_.options.vectors[field], queries));
  if (queries.rows == 0) {
    return std::vector<SearchResponse>();
  }
  return WithRetries(
      database_.get(), options.snapshot,
      [&](const std::shared_ptr<const Snapshot>& snapshot) -> Result<std::vector<SearchResponse>> {
        LEADLINE_ASSIGN_OR_RETURN(const ReadView view, View(snapshot, options.filter));
        SearchCall call(view, options, share_scan, control);
        return call.Run({forms.data(), queries.rows, queries.dim}, field);
      });
}

Result<std::vector<SearchResponse>> CollectionImpl::SearchBatch(MatrixView queries,
                                                                const SearchOptions& options) {
  return SearchRows(queries, options, /*share_scan=*/!options.as_single);
}

Result<SearchResponse> CollectionImpl::Search(VectorView query, const SearchOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(
      std::vector<SearchResponse> responses,
      SearchRows({query.data(), 1, query.size()}, options, /*share_scan=*/false));
  return std::move(responses[0]);
}

Result<std::shared_ptr<const Embedder>> CollectionImpl::OpenEmbedder() {
  LEADLINE_RETURN_IF_ERROR(database_->Core().status());
  const std::string& name = entry_.options.embedder;
  if (name.empty()) {
    return InvalidFieldError("collection has no embedder", "collection", entry_.name,
                             "one created with an embedder");
  }
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const Embedder> embedder, leadline::OpenEmbedder(name));
  if (embedder->name() != name || embedder->version() != entry_.embedder_version) {
    return FailedPreconditionError(
        "collection was embedded by another version: embedder=" + std::string(embedder->name()) +
        " version=" + std::string(embedder->version()) + " recorded_embedder=" + name +
        " recorded_version=" + entry_.embedder_version);
  }
  return embedder;
}

Result<SearchResponse> CollectionImpl::SearchText(std::string_view text,
                                                  const SearchOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const Embedder> embedder, OpenEmbedder());
  LEADLINE_ASSIGN_OR_RETURN(const uint32_t field, FindField(entry_.options, options.vector_field));
  if (field != 0) {
    return InvalidFieldError("the embedder made no vectors of this field", "vector_field",
                             options.vector_field, entry_.options.vectors[0].name);
  }
  std::vector<float> query(embedder->dim());
  LEADLINE_RETURN_IF_ERROR(embedder->Embed({&text, 1}, query));
  return Search(query, options);
}

Result<SearchResponse> CollectionImpl::SearchId(std::string_view id, const SearchOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  LEADLINE_RETURN_IF_ERROR(SearchCall::Validate(entry_.options, options));
  LEADLINE_RETURN_IF_ERROR(ValidateId(id));
  LEADLINE_ASSIGN_OR_RETURN(const uint32_t f, FindField(entry_.options, options.vector_field));
  const VectorField& field = entry_.options.vectors[f];
  return WithRetries(
      database_.get(), options.snapshot,
      [&](const std::shared_ptr<const Snapshot>& snapshot) -> Result<SearchResponse> {
        LEADLINE_ASSIGN_OR_RETURN(ReadView view, View(snapshot, options.filter));
        uint64_t& self = view.visibility.excluded_ordinal;
        LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> stored,
                                  ReadVectorById(view, std::string(id), f, &self));
        if (self >= view.state->next_ordinal) {
          // The state still shows an older version, which would be found in its place.
          return AbortedError("record was replaced while it was read: id=" + std::string(id));
        }
        LEADLINE_ASSIGN_OR_RETURN(
            const std::vector<float> form,
            SearchCall::PrepareQueries(field, {stored.data(), 1, stored.size()}));
        SearchCall call(view, options, /*share_scan=*/false, control);
        LEADLINE_ASSIGN_OR_RETURN(std::vector<SearchResponse> responses,
                                  call.Run({form.data(), 1, form.size()}, f));
        return std::move(responses[0]);
      });
}

Result<CollectionStats> CollectionImpl::Stats() {
  LEADLINE_ASSIGN_OR_RETURN(const ReadView view, View(nullptr, std::nullopt));
  CollectionStats stats;
  stats.rows = view.state->live_rows;
  stats.tail_rows = view.state->TailRows();
  for (const std::shared_ptr<TailChunk>& chunk : view.state->tail->chunks) {
    stats.resident_bytes += chunk->resident_bytes();
  }
  std::map<AlikeKey, IndexStats> indexes;
  std::map<AlikeKey, const SealedSegment*> largest;
  for (const auto& group : *view.state->groups) {
    for (size_t f = 0; f < group->segments.size(); ++f) {
      const auto& segment = group->segments[f];
      if (segment == nullptr) {
        continue;
      }
      const segment::SegmentInfo& info = segment->entry().info;
      AddSegment(*segment, view.collection->fields()[f], &indexes[{f, info.kind, info.codes}]);
      const SealedSegment*& of_these = largest[{f, info.kind, info.codes}];
      if (of_these == nullptr || of_these->rows() < segment->rows()) {
        of_these = segment.get();
      }
      ++stats.segments;
      stats.segment_rows += segment->rows();
      stats.dead_rows += segment->dead_count();
      stats.segment_bytes += segment->entry().identity.size;
      stats.min_self_recall = std::min(stats.min_self_recall, segment->entry().info.self_recall);
      stats.damaged_segments += segment->damaged() ? 1 : 0;
      stats.degraded = stats.degraded || segment->unreadable();
      stats.resident_bytes += segment->heap_bytes();
    }
  }
  for (auto& [key, alike] : indexes) {
    AddCurve(largest.at(key)->ReadCurve(), &alike);
    alike.axes = largest.at(key)->ReadAxes();
    stats.indexes.push_back(std::move(alike));
  }
  stats.last_build_error = view.collection->backoff.LastError();
  return stats;
}

Status CollectionImpl::Optimize(const CallOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, database_->WritableCore());
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<CollectionState> state, StateIn(core.get()));
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control, Control(options.timeout_ms, options.cancel));
  return database_->maintenance().Optimize(state, options.progress, control);
}

}  // namespace leadline::engine
