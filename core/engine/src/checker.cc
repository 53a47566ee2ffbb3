#include "checker.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "idempotency_audit.h"
#include "keys.h"
#include "leadline/core/hash.h"
#include "leadline/simd/distance.h"
#include "prepared_batch.h"
#include "record_access.h"
#include "searcher.h"
#include "vector_walk.h"

namespace leadline::engine {
namespace {

constexpr size_t kMaxProblems = 1000;
constexpr size_t kSearchSamples = 16;
constexpr size_t kSearchDepth = 10;

struct LiveRecord {
  uint64_t ordinal = 0;
  uint64_t id_hash = 0;  ///< Hash64
  uint32_t fields = 0;
  bool located = false;  ///< the location of its id names it
};

/// A row of a segment or of the tail, as search would see it.
struct IndexedRow {
  uint64_t ordinal = 0;
  std::string_view id;
  const float* vector = nullptr;
  std::string where;
};

class CollectionChecker {
 public:
  CollectionChecker(const PinnedSnapshot& pinned, const CollectionState& collection,
                    std::shared_ptr<const ReadState> state, LongCall* call, CheckFindings* findings)
      : core_(pinned.core().get()),
        pinned_(pinned),
        collection_(collection),
        state_(std::move(state)),
        call_(call),
        findings_(findings) {}

  Status Run() {
    LEADLINE_RETURN_IF_ERROR(CheckRecords());
    LEADLINE_RETURN_IF_ERROR(CheckLocations());
    LEADLINE_RETURN_IF_ERROR(CheckOrphanVectors());
    CheckRanges();
    LEADLINE_RETURN_IF_ERROR(CheckFiles());
    LEADLINE_RETURN_IF_ERROR(CheckCounters());
    for (uint32_t f = 0; f < collection_.fields().size(); ++f) {
      LEADLINE_RETURN_IF_ERROR(CheckRows(f));
      // Rows that are known to be wrong would be found wrong once more.
      if (!rows_wrong_) {
        LEADLINE_RETURN_IF_ERROR(CheckSearch(f));
      }
    }
    findings_->report.rows += live_.size();
    return {};
  }

 private:
  /// Every stage goes once over the rows of one field, or of all.
  Status Begin(std::string_view what) {
    return call_->Begin("checking " + std::string(what) + " of " + collection_.entry().name,
                        state_->live_rows);
  }

  void Report(std::string invariant, std::string where, std::string detail) {
    rows_wrong_ = rows_wrong_ || (invariant != "I2" && invariant != "I5" && invariant != "I7");
    // A segment file is rebuilt from the store, or read at another time.
    if (invariant != "I5" && invariant != "IO") {
      findings_->collections.insert(collection_.entry().name);
    }
    std::vector<CheckProblem>& problems = findings_->report.problems;
    if (problems.size() < kMaxProblems) {
      problems.push_back({std::move(invariant), collection_.entry().name + ": " + std::move(where),
                          std::move(detail)});
    }
  }

  Result<std::optional<std::string>> Read(kv::Table table, const std::string& key) {
    return core_->store->Get(table, key, pinned_.store());
  }

  LiveRecord* FindLive(uint64_t ordinal) {
    const auto found = std::lower_bound(
        live_.begin(), live_.end(), ordinal,
        [](const LiveRecord& record, uint64_t wanted) { return record.ordinal < wanted; });
    return found != live_.end() && found->ordinal == ordinal ? &*found : nullptr;
  }

  Status CheckRecords() {
    LEADLINE_RETURN_IF_ERROR(Begin("records"));
    const auto it = core_->store->NewIterator(kv::Table::kRecords,
                                              CollectionPrefix(collection_.id()), pinned_.store());
    std::vector<VectorWalk> vectors;
    for (uint32_t f = 0; f < collection_.fields().size(); ++f) {
      vectors.emplace_back(core_, collection_, f, pinned_.store());
    }
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
      const uint64_t ordinal = OrdinalOfKey(it->key());
      const std::string where = "record " + std::to_string(ordinal);
      Result<StoredRecord> record = DecodeRecord(it->value());
      if (!record.ok()) {
        Report("I1", where, record.status().message());
        continue;
      }
      live_.push_back({ordinal, Hash64(record->id), record->fields, false});
      for (uint32_t f = 0; f < collection_.fields().size(); ++f) {
        if (((record->fields >> f) & 1U) == 0) {
          continue;
        }
        LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string_view> vector,
                                  vectors[f].At(ordinal));
        if (!vector.has_value() || vector->size() != collection_.fields()[f].dim * sizeof(float)) {
          Report("I1", where,
                 "vector missing or of the wrong size: field=" + collection_.fields()[f].name);
        }
      }
    }
    return it->status();
  }

  Status CheckLocations() {
    LEADLINE_RETURN_IF_ERROR(Begin("locations"));
    const auto it = core_->store->NewIterator(kv::Table::kLocations,
                                              CollectionPrefix(collection_.id()), pinned_.store());
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->key().size()));
      const std::string id(it->key().substr(sizeof(uint32_t)));
      const uint64_t ordinal =
          it->value().size() == sizeof(uint64_t) ? DecodeFixed64(it->value().data()) : 0;
      LiveRecord* record = FindLive(ordinal);
      if (record == nullptr) {
        Report("I1", "location of " + id,
               "names a record that does not exist: ordinal=" + std::to_string(ordinal));
      } else if (record->id_hash != Hash64(id)) {
        LEADLINE_ASSIGN_OR_RETURN(const std::string other, IdOf(ordinal));
        Report(
            "I1", "location of " + id,
            "names the record of another id: ordinal=" + std::to_string(ordinal) + " id=" + other);
      } else {
        record->located = true;
      }
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
    for (const LiveRecord& record : live_) {
      if (!record.located) {
        LEADLINE_ASSIGN_OR_RETURN(const std::string id, IdOf(record.ordinal));
        LEADLINE_RETURN_IF_ERROR(call_->Before(id.size()));
        Report("I2", "record " + std::to_string(record.ordinal),
               "its id is located elsewhere or nowhere: id=" + id);
      }
    }
    return {};
  }

  /// What the record at `ordinal`, which can be read, says its id is.
  Result<std::string> IdOf(uint64_t ordinal) {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                              Read(kv::Table::kRecords, OrdinalKey(collection_.id(), ordinal)));
    LEADLINE_ASSIGN_OR_RETURN(StoredRecord record, DecodeRecord(bytes.value_or("")));
    return std::move(record.id);
  }

  Status CheckOrphanVectors() {
    for (uint32_t f = 0; f < collection_.fields().size(); ++f) {
      LEADLINE_RETURN_IF_ERROR(Begin("vectors"));
      const auto it = core_->store->NewIterator(kv::Table::kVectors,
                                                VectorPrefix(collection_.id(), f), pinned_.store());
      for (; it->Valid(); it->Next()) {
        LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
        const LiveRecord* record = FindLive(OrdinalOfKey(it->key()));
        if (record == nullptr || ((record->fields >> f) & 1U) == 0) {
          Report("I1", "vector " + std::to_string(OrdinalOfKey(it->key())),
                 "belongs to no record: field=" + collection_.fields()[f].name);
        }
      }
      LEADLINE_RETURN_IF_ERROR(it->status());
    }
    return {};
  }

  void CheckRanges() {
    uint64_t last = 0;
    for (const auto& group : *state_->groups) {
      if (group->entry.first_ordinal <= last ||
          group->entry.last_ordinal < group->entry.first_ordinal) {
        Report("I6", "group " + std::to_string(group->entry.first_ordinal),
               "ranges overlap or run backwards");
      }
      last = group->entry.last_ordinal;
    }
    for (size_t c = 0; c < state_->tail->chunks.size(); ++c) {
      for (size_t row = 0; row < state_->ChunkRows(c); ++row) {
        const uint64_t ordinal = state_->tail->chunks[c]->ordinal(row);
        if (ordinal <= last) {
          Report("I6", "tail row " + std::to_string(ordinal), "overlaps what lies before it");
        }
        last = std::max(last, ordinal);
      }
    }
    CheckCoverage();
  }

  /// Every live ordinal lies in a group or in the tail; a run of those that do not is one problem.
  void CheckCoverage() {
    size_t g = 0;
    const GroupList& groups = *state_->groups;
    uint64_t first = 0;
    uint64_t last = 0;
    const auto report = [&] {
      if (first != 0) {
        Report("I6", "records " + std::to_string(first) + " to " + std::to_string(last),
               "lie in no group and not in the tail");
      }
      first = 0;
    };
    for (const LiveRecord& record : live_) {
      while (g < groups.size() && groups[g]->entry.last_ordinal < record.ordinal) {
        ++g;
      }
      if ((g < groups.size() && groups[g]->Covers(record.ordinal)) || InTail(record.ordinal)) {
        report();
        continue;
      }
      first = first == 0 ? record.ordinal : first;
      last = record.ordinal;
    }
    report();
  }

  [[nodiscard]] bool InTail(uint64_t ordinal) const {
    for (size_t c = 0; c < state_->tail->chunks.size(); ++c) {
      const size_t rows = state_->ChunkRows(c);
      if (state_->tail->chunks[c]->FindRow(ordinal, rows) < rows) {
        return true;
      }
    }
    return false;
  }

  Status CheckFiles() {
    for (const auto& group : *state_->groups) {
      for (const auto& segment : group->segments) {
        LEADLINE_RETURN_IF_ERROR(Begin("segment files"));
        if (segment == nullptr) {
          continue;
        }
        LEADLINE_ASSIGN_OR_RETURN(const SegmentContents* contents,
                                  segment->VerifiedContents(call_->control()));
        if (contents == nullptr) {
          Report(segment->damaged() ? "I5" : "IO", segment->path(), segment->damage().message());
        }
      }
    }
    return {};
  }

  Status CheckCounters() {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                              Read(kv::Table::kMeta, CountersKey(collection_.id())));
    if (!bytes.has_value()) {
      Report("I7", "counters", "absent");
      return {};
    }
    LEADLINE_ASSIGN_OR_RETURN(const Counters counters, DecodeCounters(*bytes));
    if (counters.live_rows != live_.size()) {
      Report("I7", "counters",
             "live_rows=" + std::to_string(counters.live_rows) +
                 " recount=" + std::to_string(live_.size()));
    }
    if (!live_.empty() && counters.next_ordinal <= live_.back().ordinal) {
      Report("I7", "counters",
             "next_ordinal=" + std::to_string(counters.next_ordinal) +
                 " highest=" + std::to_string(live_.back().ordinal));
    }
    return {};
  }

  /// Calls `visit` for each visible row of undamaged sources; collects the ranges of damaged ones.
  Status VisitRows(uint32_t f, std::vector<std::pair<uint64_t, uint64_t>>* damaged,
                   const std::function<Status(const IndexedRow&)>& visit) {
    for (const auto& group : *state_->groups) {
      const SealedSegment* segment = group->segments[f].get();
      if (segment == nullptr) {
        continue;
      }
      LEADLINE_ASSIGN_OR_RETURN(const SegmentContents* contents,
                                segment->VerifiedContents(call_->control()));
      if (contents == nullptr) {
        damaged->emplace_back(group->entry.first_ordinal, group->entry.last_ordinal);
        continue;
      }
      for (size_t row = 0; row < segment->rows(); ++row) {
        if (segment->dead().VisibleAt(row, pinned_.sequence())) {
          LEADLINE_RETURN_IF_ERROR(visit({contents->ordinals[row], contents->id(row),
                                          contents->vectors.row(row).data(), segment->path()}));
        }
      }
    }
    for (size_t c = 0; c < state_->tail->chunks.size(); ++c) {
      const TailChunk& chunk = *state_->tail->chunks[c];
      for (size_t row = 0; row < state_->ChunkRows(c); ++row) {
        if (chunk.has_field(row, f) && chunk.dead().VisibleAt(row, pinned_.sequence())) {
          LEADLINE_RETURN_IF_ERROR(
              visit({chunk.ordinal(row), chunk.id(row),
                     chunk.vectors(f) + row * collection_.fields()[f].dim, "tail"}));
        }
      }
    }
    return {};
  }

  Status CheckRows(uint32_t f) {
    const VectorField& field = collection_.fields()[f];
    LEADLINE_RETURN_IF_ERROR(Begin("search rows"));
    std::vector<std::pair<uint64_t, uint64_t>> damaged;
    std::vector<bool> seen(live_.size(), false);
    std::optional<VectorWalk> stored;
    uint64_t last = 0;
    LEADLINE_RETURN_IF_ERROR(VisitRows(f, &damaged, [&](const IndexedRow& row) -> Status {
      LEADLINE_RETURN_IF_ERROR(call_->Before(size_t{2} * field.dim * sizeof(float)));
      const std::string what = row.where + " ordinal " + std::to_string(row.ordinal);
      const LiveRecord* record = FindLive(row.ordinal);
      if (record == nullptr || ((record->fields >> f) & 1U) == 0) {
        Report("I3", what, "searchable but not in the store");
        return {};
      }
      const auto position = static_cast<size_t>(record - live_.data());
      if (seen[position]) {
        Report("I3", what, "searchable twice");
      }
      seen[position] = true;
      if (row.ordinal <= last || !stored.has_value()) {
        stored.emplace(core_, collection_, f, pinned_.store());
      }
      last = row.ordinal;
      return CompareRow(field, row, *record, &*stored, what);
    }));
    for (size_t i = 0; i < live_.size(); ++i) {
      const uint64_t ordinal = live_[i].ordinal;
      const bool excused = std::any_of(damaged.begin(), damaged.end(), [&](const auto& range) {
        return range.first <= ordinal && ordinal <= range.second;
      });
      if (((live_[i].fields >> f) & 1U) != 0 && !seen[i] && !excused) {
        Report("I3", "record " + std::to_string(ordinal), "in the store but not searchable");
      }
    }
    return {};
  }

  Status CompareRow(const VectorField& field, const IndexedRow& row, const LiveRecord& record,
                    VectorWalk* stored, const std::string& what) {
    if (record.id_hash != Hash64(row.id)) {
      LEADLINE_ASSIGN_OR_RETURN(const std::string id, IdOf(row.ordinal));
      Report("I4", what, "id=" + std::string(row.id) + " record=" + id);
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string_view> vector,
                              stored->At(row.ordinal));
    if (!vector.has_value() || vector->size() != field.dim * sizeof(float)) {
      return {};  // told with its record
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(*vector, field.dim));
    const std::vector<float> form = SearchForm(field, values);
    if (std::memcmp(form.data(), row.vector, form.size() * sizeof(float)) != 0) {
      Report("I8", what, "vector differs from the stored one");
    }
    return {};
  }

  Status CheckSearch(uint32_t f) {
    if (live_.empty()) {
      return {};
    }
    const VectorField& field = collection_.fields()[f];
    Visibility visibility;
    visibility.sequence = pinned_.sequence();
    visibility.now_ms = pinned_.now_ms();
    visibility.snapshot = pinned_.store();
    LEADLINE_RETURN_IF_ERROR(Begin("exact search"));
    Searcher searcher(core_, collection_, state_, f, visibility, call_->control());
    LEADLINE_RETURN_IF_ERROR(searcher.Prepare());
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> samples, SampleQueries(f));
    const MatrixView queries{samples.data(), samples.size() / field.dim, field.dim};
    std::vector<std::vector<Candidate>> expected(queries.rows);
    LEADLINE_RETURN_IF_ERROR(ScanStore(f, queries, visibility, &expected));
    SearchSettings settings;
    settings.k = kSearchDepth;
    settings.exact = true;
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::vector<Candidate>> found,
                              searcher.Run(queries, settings));
    for (size_t q = 0; q < queries.rows; ++q) {
      std::sort(expected[q].begin(), expected[q].end());
      expected[q].resize(std::min(expected[q].size(), kSearchDepth));
      const bool equal =
          std::equal(found[q].begin(), found[q].end(), expected[q].begin(), expected[q].end(),
                     [](const Candidate& a, const Candidate& b) { return a.ordinal == b.ordinal; });
      if (!equal) {
        Report("I8", "exact search, sample " + std::to_string(q),
               "differs from a scan of the store: field=" + field.name);
      }
    }
    return {};
  }

  /// Rows of vectors in search form.
  Result<std::vector<float>> SampleQueries(uint32_t f) {
    const VectorField& field = collection_.fields()[f];
    std::vector<float> queries;
    const size_t step = std::max<size_t>(1, live_.size() / kSearchSamples);
    for (size_t i = 0; i < live_.size() && queries.size() < kSearchSamples * field.dim; i += step) {
      LEADLINE_ASSIGN_OR_RETURN(
          const std::optional<std::string> bytes,
          Read(kv::Table::kVectors, VectorKey(collection_.id(), f, live_[i].ordinal)));
      if (bytes.has_value() && bytes->size() == field.dim * sizeof(float)) {
        LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(*bytes, field.dim));
        const std::vector<float> form = SearchForm(field, values);
        queries.insert(queries.end(), form.begin(), form.end());
      }
    }
    return queries;
  }

  Status ScanStore(uint32_t f, MatrixView queries, const Visibility& visibility,
                   std::vector<std::vector<Candidate>>* expected) {
    const VectorField& field = collection_.fields()[f];
    const simd::MetricDistance distance(field.metric, field.dim);
    VectorWalk vectors(core_, collection_, f, pinned_.store());
    return VisitStoreRecords(
        core_, collection_, 1, UINT64_MAX - 1, visibility, call_->control(),
        [&](uint64_t ordinal, const StoredRecord& /*record*/) -> Result<bool> {
          LEADLINE_RETURN_IF_ERROR(call_->Before(queries.rows * field.dim * sizeof(float)));
          LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string_view> bytes,
                                    vectors.At(ordinal));
          if (!bytes.has_value() || bytes->size() != field.dim * sizeof(float)) {
            return true;
          }
          LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values,
                                    DecodeVector(*bytes, field.dim));
          const std::vector<float> form = SearchForm(field, values);
          for (size_t q = 0; q < queries.rows; ++q) {
            std::vector<Candidate>& best = (*expected)[q];
            best.push_back({distance.Pair(queries.row(q).data(), form.data()), ordinal, 0, 0});
            if (best.size() > 1024) {
              std::nth_element(best.begin(), best.begin() + kSearchDepth, best.end());
              best.resize(kSearchDepth);
            }
          }
          return true;
        });
  }

  DatabaseCore* const core_;
  const PinnedSnapshot& pinned_;
  const CollectionState& collection_;
  const std::shared_ptr<const ReadState> state_;
  LongCall* const call_;
  CheckFindings* const findings_;
  std::vector<LiveRecord> live_;
  bool rows_wrong_ = false;
};

Status CheckIdempotency(const PinnedSnapshot& pinned, LongCall* call, CheckFindings* findings) {
  LEADLINE_ASSIGN_OR_RETURN(const IdempotencyFindings found,
                            AuditIdempotency(pinned.core()->store.get(), pinned.store(), call));
  findings->idempotency_damaged = !found.problems.empty();
  for (const IdempotencyProblem& problem : found.problems) {
    if (findings->report.problems.size() < kMaxProblems) {
      findings->report.problems.push_back({"I9", problem.where, problem.detail});
    }
  }
  return {};
}

}  // namespace

Status VerifyStore(kv::Store* store, LongCall* call) {
  LEADLINE_ASSIGN_OR_RETURN(const kv::StoreStats stats, store->Stats());
  LEADLINE_RETURN_IF_ERROR(call->Begin("verifying the store", stats.disk_bytes));
  return store->VerifyChecksums([call](uint64_t done_bytes) { return call->At(done_bytes); });
}

Result<CheckFindings> CheckDatabase(const PinnedSnapshot& pinned, LongCall* call) {
  CheckFindings findings;
  const auto unreadable = [&](const std::string& where, const Status& error) {
    findings.store_damaged = findings.store_damaged || error.code() == StatusCode::kDataLoss;
    findings.report.problems.push_back({"IO", where, error.message()});
  };
  const Status sums = VerifyStore(pinned.core()->store.get(), call);
  if (IsStop(sums)) {
    return sums;
  }
  if (!sums.ok()) {
    unreadable("store", sums);
  }
  for (const auto& [name, damaged] : pinned.core()->UnreadableCollections()) {
    findings.collections.insert(name);
    findings.report.problems.push_back({"IO", name, damaged.reason});
  }
  for (const std::shared_ptr<CollectionState>& collection : pinned.core()->Collections()) {
    std::shared_ptr<const ReadState> state = pinned.StateOf(collection->id());
    if (state == nullptr) {
      continue;
    }
    const Status checked =
        CollectionChecker(pinned, *collection, std::move(state), call, &findings).Run();
    if (IsStop(checked)) {
      return checked;
    }
    if (!checked.ok()) {
      unreadable(collection->entry().name, checked);
    }
  }
  const Status keys = CheckIdempotency(pinned, call, &findings);
  if (IsStop(keys)) {
    return keys;
  }
  if (!keys.ok()) {
    unreadable("idempotency keys", keys);
  }
  return findings;
}

}  // namespace leadline::engine
