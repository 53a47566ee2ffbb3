#include "group_builder.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "aligned_sections.h"
#include "index_registry.h"
#include "keys.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/rng.h"
#include "leadline/core/side_task.h"
#include "leadline/core/test_hooks.h"
#include "leadline/index/first_error.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/scan.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/top_k.h"
#include "segment_columns.h"
#include "stored_record.h"

namespace leadline::engine {
namespace {

using segment::SectionType;

constexpr size_t kAuditRows = 1000;
constexpr size_t kProgressRows = 4096;
constexpr uint64_t kBuildSeed = 1;

/// Vectors that a task reads, and those between two looks at the caller's control.
constexpr size_t kTaskRows = 1024;
constexpr size_t kRoundRows = 64 * kTaskRows;

template <typename T>
std::string_view Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// True of lists whose rows have sq8 codes, alone or behind others.
bool UsesBytesOfRows(const segment::SegmentInfo& info) {
  return info.kind == IndexKind::kIvf &&
         (info.codes == CodeType::kSq8 || info.codes == CodeType::kPq4 ||
          info.codes == CodeType::kRabitq);
}

/// An index that was built and opened.
struct BuiltIndex {
  std::unique_ptr<AlignedSections> sections;
  std::unique_ptr<index::SegmentIndex> opened;
  double self_recall = -1;
  uint64_t seed = 0;
};

class Builder {
 public:
  Builder(DatabaseCore* core, const CollectionState& collection, const BuildRequest& request)
      : core_(core), collection_(collection), request_(request) {}

  Result<GroupEntry> Run() {
    std::deque<SegmentColumns> fields;
    for (const VectorField& field : collection_.fields()) {
      fields.emplace_back(field);
    }
    GroupEntry entry;
    entry.first_ordinal = request_.first_ordinal;
    entry.last_ordinal = request_.last_ordinal;
    entry.build_sequence = request_.build_sequence;
    LEADLINE_RETURN_IF_ERROR(CollectRecords(&fields, &entry.rows));
    for (uint32_t f = 0; f < fields.size(); ++f) {
      LEADLINE_ASSIGN_OR_RETURN(FieldSegment written, BuildField(f, &fields[f]));
      entry.fields.push_back(written);
    }
    return entry;
  }

 private:
  void Report(std::string_view what, double share) const {
    if (request_.progress) {
      request_.progress(what, share);
    }
  }

  Status CollectRecords(std::deque<SegmentColumns>* fields, uint64_t* rows) {
    const auto it = core_->store->NewIterator(
        kv::Table::kRecords, CollectionPrefix(collection_.id()), request_.snapshot.get());
    for (it->Seek(OrdinalKey(collection_.id(), request_.first_ordinal)); it->Valid(); it->Next()) {
      const uint64_t ordinal = OrdinalOfKey(it->key());
      if (ordinal > request_.last_ordinal) {
        break;
      }
      LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(it->value()));
      for (uint32_t f = 0; f < fields->size(); ++f) {
        if (((record.fields >> f) & 1U) != 0) {
          LEADLINE_RETURN_IF_ERROR((*fields)[f].Add(ordinal, record));
        }
      }
      if (++*rows % kProgressRows == 0) {
        LEADLINE_RETURN_IF_ERROR(request_.control.Check());
      }
    }
    return it->status();
  }

  Status CollectVectors(uint32_t f, SegmentColumns* rows) const {
    rows->MakeRoomForVectors();
    const TailVectors tail(request_.tail);
    for (size_t begin = 0; begin < rows->size(); begin += kRoundRows) {
      LEADLINE_RETURN_IF_ERROR(request_.control.Check());
      const size_t end = std::min(rows->size(), begin + kRoundRows);
      std::vector<Status> statuses((end - begin + kTaskRows - 1) / kTaskRows);
      ParallelFor(request_.executor, statuses.size(), [&](size_t t) {
        const size_t first = begin + t * kTaskRows;
        statuses[t] = NoThrow(
            [&] { return SetVectors(f, tail, first, std::min(end, first + kTaskRows), rows); });
      });
      Status failed = index::FirstError(statuses);
      LEADLINE_RETURN_IF_ERROR(failed);
      Report("reading vectors", static_cast<double>(end) / static_cast<double>(rows->size()));
    }
    return {};
  }

  /// Those of the tail from memory, all others from the store.
  Status SetVectors(uint32_t f, const TailVectors& tail, size_t begin, size_t end,
                    SegmentColumns* rows) const {
    for (; begin < end; ++begin) {
      const float* const vector = tail.Find(rows->ordinals()[begin], f);
      if (vector == nullptr) {
        return ReadVectors(f, begin, end, rows);
      }
      rows->SetVector(begin, vector);
    }
    return {};
  }

  Status ReadVectors(uint32_t f, size_t row, size_t end, SegmentColumns* rows) const {
    const auto it = core_->store->NewIterator(
        kv::Table::kVectors, VectorPrefix(collection_.id(), f), request_.snapshot.get());
    for (it->Seek(VectorKey(collection_.id(), f, rows->ordinals()[row])); it->Valid() && row < end;
         it->Next()) {
      if (OrdinalOfKey(it->key()) != rows->ordinals()[row]) {
        return DataLossError(
            "records and vectors disagree: collection=" + collection_.entry().name +
            " ordinal=" + std::to_string(rows->ordinals()[row]));
      }
      LEADLINE_RETURN_IF_ERROR(rows->SetStoredVector(row, it->value()));
      ++row;
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
    if (row != end) {
      return DataLossError("record without its vector: collection=" + collection_.entry().name +
                           " ordinal=" + std::to_string(rows->ordinals()[row]));
    }
    return {};
  }

  Result<FieldSegment> BuildField(uint32_t f, SegmentColumns* rows) {
    FieldSegment result;
    segment::SegmentInfo& info = result.info;
    const VectorField& field = collection_.fields()[f];
    info.database = core_->uuid;
    info.segment_id = request_.first_segment_id + f;
    info.collection_id = collection_.id();
    info.field_id = f;
    info.metric = field.metric;
    info.dim = field.dim;
    info.rows = rows->size();
    if (info.rows == 0) {
      return result;
    }
    const IndexChoice choice =
        request_.indexed || field.index == IndexKind::kFlat || IsIndexedWhenSealed(field, info.rows)
            ? ChooseIndexWithin(field, info.rows, collection_.room_for_field())
            : UnindexedChoice(field);
    info.kind = choice.kind;
    info.codes = choice.codes;
    info.min_sequence = *std::min_element(rows->sequences().begin(), rows->sequences().end());
    info.max_sequence = *std::max_element(rows->sequences().begin(), rows->sequences().end());
    info.m = field.m;
    info.ef_construction = field.ef_construction;
    info.nlist = field.nlist;
    info.seed = kBuildSeed;
    LEADLINE_RETURN_IF_ERROR(CollectVectors(f, rows));
    LEADLINE_ASSIGN_OR_RETURN(result.identity, BuildFile(rows, &info));
    return result;
  }

  /// Builds the index while the rows are written, measures it while it is written itself.
  Result<segment::FileIdentity> BuildFile(SegmentColumns* rows, segment::SegmentInfo* info) {
    LEADLINE_ASSIGN_OR_RETURN(
        const std::unique_ptr<segment::SegmentWriter> writer,
        segment::SegmentWriter::Create(core_->fs, core_->segment_directory(),
                                       SegmentFileName(info->segment_id), *info));
    const bool hashed = info->codes != CodeType::kF32;
    SideTask columns(request_.executor,
                     [&, hashed] { return WriteColumns(hashed, rows, writer.get()); });
    index::HeldOutRows held_out;
    LEADLINE_ASSIGN_OR_RETURN(const BuiltIndex built, BuildIndex(rows->vectors(), info, &held_out));
    LEADLINE_RETURN_IF_ERROR(columns.Wait());
    SideTask sections(request_.executor, [&] { return WriteIndex(built, writer.get()); });
    LEADLINE_ASSIGN_OR_RETURN(const index::SearchCurve curve,
                              MeasureIndex(built, rows->vectors(), *info, held_out));
    LEADLINE_RETURN_IF_ERROR(sections.Wait());
    Report("writing segment", 0);
    if (!curve.points.empty()) {
      LEADLINE_RETURN_IF_ERROR(
          writer->AddSection(index::kSearchCurveSection, index::EncodeCurve(curve)));
    }
    LEADLINE_RETURN_IF_ERROR(writer->Describe(*info));
    KillPoint("build:before-finish");
    return writer->Finish();
  }

  /// Draws the rows that stand in for queries too. Leaves in `info` the seed and recall of the
  /// graph it returns and the widest beam it tried.
  Result<BuiltIndex> BuildIndex(MatrixView vectors, segment::SegmentInfo* info,
                                index::HeldOutRows* held_out) const {
    std::optional<index::OwnedCodes> codes;
    if (UsesBytesOfRows(*info)) {
      LEADLINE_ASSIGN_OR_RETURN(
          codes,
          index::OwnedCodes::Make(vectors, info->metric, request_.executor, request_.control));
    }
    if (info->kind != IndexKind::kFlat) {
      LEADLINE_ASSIGN_OR_RETURN(
          *held_out,
          index::DrawHeldOutRows(vectors, info->metric, kBuildSeed, request_.executor,
                                 request_.control, codes.has_value() ? &codes->codes() : nullptr));
    }
    index::BuildOptions options;
    options.row_codes = codes.has_value() ? &*codes : nullptr;
    options.metric = info->metric;
    options.codes = info->codes;
    options.m = info->m;
    options.nlist = info->nlist;
    options.executor = request_.executor;
    options.control = request_.control;
    options.held_out = info->kind == IndexKind::kFlat ? nullptr : held_out;
    BuiltIndex best;
    for (const BuildAttempt& attempt : PlanAttempts(info->ef_construction, request_.wider)) {
      Report("building index", 0);
      options.seed = attempt.seed;
      options.ef_construction = attempt.ef_construction;
      LEADLINE_ASSIGN_OR_RETURN(std::vector<index::Section> sections,
                                FindIndexFactory(info->kind)->Build(vectors, options));
      BuiltIndex built;
      built.seed = attempt.seed;
      built.sections = std::make_unique<AlignedSections>(std::move(sections));
      LEADLINE_ASSIGN_OR_RETURN(
          built.opened,
          FindIndexFactory(info->kind)->Open(built.sections->views(), vectors, info->metric));
      LEADLINE_ASSIGN_OR_RETURN(built.self_recall,
                                Audit(*built.opened, vectors, info->metric, attempt.seed));
      info->ef_construction = attempt.ef_construction;
      if (built.self_recall > best.self_recall) {
        best = std::move(built);
      }
      if (best.self_recall >= kSelfRecallFloor) {
        break;
      }
    }
    info->self_recall = best.self_recall;
    info->seed = best.seed;
    return best;
  }

  Result<index::SearchCurve> MeasureIndex(const BuiltIndex& built, MatrixView vectors,
                                          const segment::SegmentInfo& info,
                                          const index::HeldOutRows& held_out) const {
    if (held_out.rows.empty()) {
      return index::SearchCurve();
    }
    Report("measuring the index", 0);
    return index::MeasureCurve(*built.opened, info.codes, vectors, held_out, request_.executor,
                               request_.control);
  }

  /// Share of sampled rows whose search finds a row at least as near as themselves.
  Result<double> Audit(const index::SegmentIndex& opened, MatrixView matrix, Metric metric,
                       uint64_t seed) const {
    if (opened.exact()) {
      return 1.0;
    }
    Rng rng(seed);
    std::vector<uint32_t> samples(std::min<size_t>(kAuditRows, matrix.rows));
    for (size_t i = 0; i < samples.size(); ++i) {
      samples[i] =
          static_cast<uint32_t>(samples.size() == matrix.rows ? i : rng.Uniform(matrix.rows));
    }
    std::vector<uint8_t> found(samples.size());
    std::vector<Status> statuses(samples.size());
    ParallelFor(request_.executor, samples.size(), [&](size_t i) {
      statuses[i] = NoThrow([&]() -> Status {
        LEADLINE_ASSIGN_OR_RETURN(const bool itself,
                                  FindsItself(opened, matrix, metric, samples[i]));
        found[i] = itself ? 1 : 0;
        return {};
      });
    });
    Status failed = index::FirstError(statuses);
    LEADLINE_RETURN_IF_ERROR(failed);
    return static_cast<double>(std::count(found.begin(), found.end(), 1)) /
           static_cast<double>(samples.size());
  }

  [[nodiscard]] Result<bool> FindsItself(const index::SegmentIndex& opened, MatrixView matrix,
                                         Metric metric, uint32_t row) const {
    index::SearchParams params;
    params.k = 1;
    params.control = request_.control;
    index::SearchOutcome outcome;
    const MatrixView query{matrix.row(row).data(), 1, matrix.dim};
    LEADLINE_RETURN_IF_ERROR(opened.Search(query, params, {&outcome, 1}));
    if (outcome.neighbors.empty()) {
      return false;
    }
    // Something at least as near counts: a duplicate, or a longer row under inner product.
    index::TopK own(1);
    index::SearchStats ignored;
    LEADLINE_RETURN_IF_ERROR(index::ScanList(matrix, matrix.row(row), metric, {&row, 1},
                                             request_.control, &own, &ignored));
    return outcome.neighbors[0].distance <= own.threshold();
  }

  Status WriteColumns(bool hashed, SegmentColumns* rows, segment::SegmentWriter* writer) const {
    const auto add = [&](SectionType type, std::string_view bytes) {
      return writer->AddSection(static_cast<uint32_t>(type), bytes);
    };
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kOrdinals, Bytes(rows->ordinals())));
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kIdOffsets, Bytes(rows->id_offsets())));
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kIdBytes, rows->id_bytes()));
    LEADLINE_RETURN_IF_ERROR(WriteVectors(rows->vectors(), writer));
    if (hashed) {
      LEADLINE_RETURN_IF_ERROR(add(SectionType::kVectorHashes, Bytes(rows->hashes())));
    }
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kSequences, Bytes(rows->sequences())));
    if (rows->any_expiry()) {
      LEADLINE_RETURN_IF_ERROR(add(SectionType::kExpiries, Bytes(rows->expiries())));
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::string columns, rows->FinishPayload());
    return add(SectionType::kPayloadIndex, columns);
  }

  Status WriteVectors(MatrixView vectors, segment::SegmentWriter* writer) const {
    LEADLINE_RETURN_IF_ERROR(writer->BeginSection(static_cast<uint32_t>(SectionType::kVectors)));
    for (size_t begin = 0; begin < vectors.rows; begin += kProgressRows) {
      LEADLINE_RETURN_IF_ERROR(request_.control.Check());
      const size_t rows = std::min(kProgressRows, vectors.rows - begin);
      LEADLINE_RETURN_IF_ERROR(
          writer->Append({reinterpret_cast<const char*>(vectors.row(begin).data()),
                          rows * vectors.dim * sizeof(float)}));
    }
    return {};
  }

  static Status WriteIndex(const BuiltIndex& built, segment::SegmentWriter* writer) {
    for (const index::SectionView& section : built.sections->views()) {
      LEADLINE_RETURN_IF_ERROR(writer->AddSection(section.type, section.bytes));
    }
    return {};
  }

  DatabaseCore* const core_;
  const CollectionState& collection_;
  const BuildRequest& request_;
};

}  // namespace

std::array<BuildAttempt, 2> PlanAttempts(uint32_t ef_construction, bool wider) {
  const auto beam = [&](uint64_t factor) {
    return static_cast<uint32_t>(
        std::min<uint64_t>(uint64_t{ef_construction} * factor, kMaxEfConstruction));
  };
  if (wider) {
    return {BuildAttempt{beam(4), kBuildSeed + 2}, BuildAttempt{beam(8), kBuildSeed + 3}};
  }
  return {BuildAttempt{beam(1), kBuildSeed}, BuildAttempt{beam(2), kBuildSeed + 1}};
}

Result<GroupEntry> BuildGroup(DatabaseCore* core, const CollectionState& collection,
                              const BuildRequest& request) {
  const auto run = [&]() -> Result<GroupEntry> {
    try {
      return Builder(core, collection, request).Run();
    } catch (const std::bad_alloc&) {
      return ResourceExhaustedError("not enough memory to build a segment: collection=" +
                                    collection.entry().name);
    }
  };
  Result<GroupEntry> entry = NoThrow(run);
  if (!entry.ok()) {
    RemoveBuiltFiles(core, collection, request);
  }
  return entry;
}

void RemoveBuiltFiles(DatabaseCore* core, const CollectionState& collection,
                      const BuildRequest& request) {
  for (size_t f = 0; f < collection.fields().size(); ++f) {
    NoThrow([&] {
      return core->fs->DeleteFile(
          JoinPath(core->segment_directory(), SegmentFileName(request.first_segment_id + f)));
    }).IgnoreError();
  }
}

}  // namespace leadline::engine
