#include "group_builder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "aligned_sections.h"
#include "index_registry.h"
#include "keys.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/rng.h"
#include "leadline/core/test_hooks.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/scan.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/top_k.h"
#include "prepared_batch.h"
#include "stored_record.h"
#include "unverified_vectors.h"

namespace leadline::engine {
namespace {

using segment::SectionType;

constexpr size_t kAuditRows = 1000;
constexpr size_t kProgressRows = 4096;
constexpr uint64_t kBuildSeed = 1;

/// Columns of one field's segment while rows are collected.
struct FieldRows {
  std::vector<uint64_t> ordinals;
  std::vector<uint64_t> sequences;
  std::vector<int64_t> expiries;
  std::vector<uint64_t> id_offsets{0};
  std::string id_bytes;
  std::vector<float> vectors;
  PayloadColumnsBuilder payload;
  bool any_expiry = false;

  Status Add(uint64_t ordinal, const StoredRecord& record) {
    LEADLINE_RETURN_IF_ERROR(payload.Add(static_cast<uint32_t>(ordinals.size()), record.payload));
    ordinals.push_back(ordinal);
    sequences.push_back(record.sequence);
    expiries.push_back(record.expires_at_ms);
    any_expiry = any_expiry || record.expires_at_ms != kNeverExpires;
    id_bytes.append(record.id);
    id_offsets.push_back(id_bytes.size());
    return {};
  }
};

template <typename T>
std::string_view Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<uint32_t> HashRows(const FieldRows& rows, size_t dim) {
  std::vector<uint32_t> hashes(rows.ordinals.size());
  for (size_t row = 0; row < hashes.size(); ++row) {
    hashes[row] = VectorHash({rows.vectors.data() + row * dim, dim});
  }
  return hashes;
}

class Builder {
 public:
  Builder(DatabaseCore* core, const CollectionState& collection, const BuildRequest& request)
      : core_(core), collection_(collection), request_(request) {}

  Result<GroupEntry> Run() {
    std::vector<FieldRows> fields(collection_.fields().size());
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

  Status CollectRecords(std::vector<FieldRows>* fields, uint64_t* rows) {
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

  Status CollectVectors(uint32_t f, FieldRows* rows) {
    const VectorField& field = collection_.fields()[f];
    rows->vectors.reserve(rows->ordinals.size() * field.dim);
    const auto it = core_->store->NewIterator(
        kv::Table::kVectors, VectorPrefix(collection_.id(), f), request_.snapshot.get());
    size_t row = 0;
    for (it->Seek(VectorKey(collection_.id(), f, request_.first_ordinal));
         it->Valid() && row < rows->ordinals.size(); it->Next()) {
      if (OrdinalOfKey(it->key()) != rows->ordinals[row]) {
        return DataLossError(
            "records and vectors disagree: collection=" + collection_.entry().name +
            " ordinal=" + std::to_string(rows->ordinals[row]));
      }
      LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values,
                                DecodeVector(it->value(), field.dim));
      const std::vector<float> form = SearchForm(field, values);
      rows->vectors.insert(rows->vectors.end(), form.begin(), form.end());
      if (++row % kProgressRows == 0) {
        LEADLINE_RETURN_IF_ERROR(request_.control.Check());
        Report("reading vectors",
               static_cast<double>(row) / static_cast<double>(rows->ordinals.size()));
      }
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
    if (row != rows->ordinals.size()) {
      return DataLossError("record without its vector: collection=" + collection_.entry().name +
                           " ordinal=" + std::to_string(rows->ordinals[row]));
    }
    return {};
  }

  Result<FieldSegment> BuildField(uint32_t f, FieldRows* rows) {
    FieldSegment result;
    segment::SegmentInfo& info = result.info;
    const VectorField& field = collection_.fields()[f];
    info.database = core_->uuid;
    info.segment_id = request_.first_segment_id + f;
    info.collection_id = collection_.id();
    info.field_id = f;
    info.metric = field.metric;
    info.dim = field.dim;
    info.rows = rows->ordinals.size();
    if (info.rows == 0) {
      return result;
    }
    const IndexChoice choice =
        request_.indexed || field.index == IndexKind::kFlat || IsIndexedWhenSealed(field, info.rows)
            ? ChooseIndexWithin(field, info.rows, collection_.room_for_field())
            : UnindexedChoice(field);
    info.kind = choice.kind;
    info.codes = choice.codes;
    info.min_sequence = *std::min_element(rows->sequences.begin(), rows->sequences.end());
    info.max_sequence = *std::max_element(rows->sequences.begin(), rows->sequences.end());
    info.m = field.m;
    info.ef_construction = field.ef_construction;
    info.nlist = field.nlist;
    info.seed = kBuildSeed;
    LEADLINE_RETURN_IF_ERROR(CollectVectors(f, rows));
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<index::Section> sections,
                              BuildIndex(rows->vectors, &info));
    LEADLINE_ASSIGN_OR_RETURN(result.identity, WriteFile(info, rows, sections));
    return result;
  }

  /// The sections of the index and of what it measured of itself. Leaves in `info` the seed and
  /// recall of the graph it returns and the widest beam it tried.
  Result<std::vector<index::Section>> BuildIndex(const std::vector<float>& vectors,
                                                 segment::SegmentInfo* info) {
    const MatrixView matrix{vectors.data(), static_cast<size_t>(info->rows), info->dim};
    index::BuildOptions options;
    options.metric = info->metric;
    options.codes = info->codes;
    options.m = info->m;
    options.nlist = info->nlist;
    options.executor = request_.executor;
    options.control = request_.control;
    index::HeldOutRows held_out;
    if (info->kind != IndexKind::kFlat) {
      LEADLINE_ASSIGN_OR_RETURN(
          held_out, index::DrawHeldOutRows(matrix, info->metric, kBuildSeed, request_.executor,
                                           request_.control));
      options.held_out = &held_out;
    }
    std::vector<index::Section> best;
    info->self_recall = -1;
    for (const BuildAttempt& attempt : PlanAttempts(info->ef_construction, request_.wider)) {
      Report("building index", 0);
      options.seed = attempt.seed;
      options.ef_construction = attempt.ef_construction;
      LEADLINE_ASSIGN_OR_RETURN(std::vector<index::Section> sections,
                                FindIndexFactory(info->kind)->Build(matrix, options));
      LEADLINE_ASSIGN_OR_RETURN(const double recall, Audit(sections, matrix, *info));
      if (recall > info->self_recall) {
        best = std::move(sections);
        info->self_recall = recall;
        info->seed = attempt.seed;
      }
      info->ef_construction = attempt.ef_construction;
      if (recall >= kSelfRecallFloor) {
        break;
      }
    }
    LEADLINE_RETURN_IF_ERROR(AddCurve(matrix, *info, held_out, &best));
    return best;
  }

  Status AddCurve(MatrixView matrix, const segment::SegmentInfo& info,
                  const index::HeldOutRows& held_out, std::vector<index::Section>* sections) {
    if (held_out.rows.empty()) {
      return {};
    }
    Report("measuring the index", 0);
    const AlignedSections aligned(*sections);
    LEADLINE_ASSIGN_OR_RETURN(
        const std::unique_ptr<index::SegmentIndex> opened,
        FindIndexFactory(info.kind)->Open(aligned.views(), matrix, info.metric));
    LEADLINE_ASSIGN_OR_RETURN(const index::SearchCurve curve,
                              index::MeasureCurve(*opened, info.codes, matrix, held_out,
                                                  request_.executor, request_.control));
    if (!curve.points.empty()) {
      sections->push_back({index::kSearchCurveSection, index::EncodeCurve(curve)});
    }
    return {};
  }

  /// Share of sampled rows whose search finds a row at least as near as themselves.
  Result<double> Audit(const std::vector<index::Section>& sections, MatrixView matrix,
                       const segment::SegmentInfo& info) {
    const AlignedSections aligned(sections);
    LEADLINE_ASSIGN_OR_RETURN(
        const std::unique_ptr<index::SegmentIndex> opened,
        FindIndexFactory(info.kind)->Open(aligned.views(), matrix, info.metric));
    if (opened->exact()) {
      return 1.0;
    }
    Rng rng(info.seed);
    const size_t samples = std::min<size_t>(kAuditRows, matrix.rows);
    size_t found = 0;
    for (size_t i = 0; i < samples; ++i) {
      const size_t row = samples == matrix.rows ? i : rng.Uniform(matrix.rows);
      index::SearchParams params;
      params.k = 1;
      params.control = request_.control;
      index::SearchOutcome outcome;
      const MatrixView query{matrix.row(row).data(), 1, matrix.dim};
      LEADLINE_RETURN_IF_ERROR(opened->Search(query, params, {&outcome, 1}));
      if (outcome.neighbors.empty()) {
        continue;
      }
      // Something at least as near counts: a duplicate, or a longer row under inner product.
      index::TopK own(1);
      index::SearchStats ignored;
      const auto self = static_cast<uint32_t>(row);
      LEADLINE_RETURN_IF_ERROR(index::ScanList(matrix, matrix.row(row), info.metric, {&self, 1},
                                               request_.control, &own, &ignored));
      found += outcome.neighbors[0].distance <= own.threshold() ? 1 : 0;
    }
    return static_cast<double>(found) / static_cast<double>(samples);
  }

  Result<segment::FileIdentity> WriteFile(const segment::SegmentInfo& info, FieldRows* rows,
                                          const std::vector<index::Section>& sections) {
    Report("writing segment", 0);
    auto writer = segment::SegmentWriter::Create(core_->fs, core_->segment_directory(),
                                                 SegmentFileName(info.segment_id), info);
    LEADLINE_RETURN_IF_ERROR(writer.status());
    auto add = [&](SectionType type, std::string_view bytes) {
      return (*writer)->AddSection(static_cast<uint32_t>(type), bytes);
    };
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kOrdinals, Bytes(rows->ordinals)));
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kIdOffsets, Bytes(rows->id_offsets)));
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kIdBytes, rows->id_bytes));
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kVectors, Bytes(rows->vectors)));
    if (info.codes != CodeType::kF32) {
      LEADLINE_RETURN_IF_ERROR(add(SectionType::kVectorHashes, Bytes(HashRows(*rows, info.dim))));
    }
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kSequences, Bytes(rows->sequences)));
    if (rows->any_expiry) {
      LEADLINE_RETURN_IF_ERROR(add(SectionType::kExpiries, Bytes(rows->expiries)));
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::string columns, rows->payload.Finish());
    LEADLINE_RETURN_IF_ERROR(add(SectionType::kPayloadIndex, columns));
    for (const index::Section& section : sections) {
      LEADLINE_RETURN_IF_ERROR((*writer)->AddSection(section.type, section.bytes));
    }
    KillPoint("build:before-finish");
    return (*writer)->Finish();
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
