#include "leadline/rpc/collection_wire.h"

#include "leadline/text/embedder.h"

namespace leadline::rpc {
namespace {

static_assert(static_cast<int>(v1::METRIC_COSINE) == static_cast<int>(Metric::kCosine));
static_assert(static_cast<int>(v1::INDEX_KIND_IVF) == static_cast<int>(IndexKind::kIvf));
static_assert(static_cast<int>(v1::CODE_TYPE_PCA8) == static_cast<int>(CodeType::kPca8));

/// The field that a message with VectorField's members means; what is 0 stays at its default.
template <typename Message>
VectorField ReadField(const Message& in) {
  VectorField field;
  field.dim = in.dim();
  field.metric = in.metric() != 0 ? static_cast<Metric>(in.metric()) : field.metric;
  field.index = in.index() != 0 ? static_cast<IndexKind>(in.index()) : field.index;
  field.codes = in.codes() != 0 ? static_cast<CodeType>(in.codes()) : field.codes;
  field.m = in.m() != 0 ? in.m() : field.m;
  field.ef_construction = in.ef_construction() != 0 ? in.ef_construction() : field.ef_construction;
  field.nlist = in.nlist();
  return field;
}

VectorField ReadNamedField(const v1::VectorField& in) {
  VectorField field = ReadField(in);
  field.name = in.name().empty() ? field.name : in.name();
  return field;
}

void WriteField(const VectorField& field, v1::VectorField* out) {
  out->set_name(field.name);
  out->set_dim(field.dim);
  out->set_metric(static_cast<v1::Metric>(field.metric));
  out->set_index(static_cast<v1::IndexKind>(field.index));
  out->set_codes(static_cast<v1::CodeType>(field.codes));
  out->set_m(field.m);
  out->set_ef_construction(field.ef_construction);
  out->set_nlist(field.nlist);
}

/// Writes what a request to create and a description have in common.
template <typename Message>
void WriteOptions(const std::string& name, const CollectionOptions& options, Message* out) {
  out->set_name(name);
  for (const VectorField& field : options.vectors) {
    WriteField(field, out->add_vectors());
  }
  for (const std::string& field : options.text_fields) {
    out->add_text_fields(field);
  }
  out->set_embedder(options.embedder);
  out->set_language(options.language);
}

/// Adds the default field of a request that gives it beside the name.
Status AddDefaultField(const v1::CreateCollectionRequest& in, CollectionOptions* options) {
  VectorField field = ReadField(in);
  if (!in.embedder().empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const auto embedder, OpenEmbedder(in.embedder()));
    if (in.dim() != 0 && in.dim() != embedder->dim()) {
      return InvalidFieldError("the embedder makes vectors of another size", "dim",
                               std::to_string(in.dim()), std::to_string(embedder->dim()));
    }
    field.dim = static_cast<uint32_t>(embedder->dim());
    if (options->text_fields.empty()) {
      options->text_fields = {"title", "text"};
    }
  }
  options->vectors.push_back(std::move(field));
  return {};
}

void WritePoint(const RecallPoint& point, v1::RecallPoint* out) {
  out->set_effort(point.effort);
  out->set_candidates(point.candidates);
  out->set_rescore(point.rescore);
  out->set_recall(point.recall);
  out->set_promised(point.promised);
  out->set_distances(point.distances);
}

std::vector<RecallPoint> ReadCurve(const v1::IndexStats& in) {
  std::vector<RecallPoint> curve;
  for (const v1::RecallPoint& point : in.curve()) {
    curve.push_back({.effort = point.effort(),
                     .candidates = point.candidates(),
                     .rescore = point.rescore(),
                     .recall = point.recall(),
                     .promised = point.promised(),
                     .distances = point.distances()});
  }
  return curve;
}

void WriteMemory(const MemoryStats& memory, v1::MemoryStats* out) {
  out->set_budget_bytes(memory.budget_bytes);
  out->set_heap_bytes(memory.heap_bytes);
  out->set_kept_bytes(memory.kept_bytes);
  out->set_locked_bytes(memory.locked_bytes);
  out->set_unkept_bytes(memory.unkept_bytes);
  out->set_resident_index_bytes(memory.resident_index_bytes);
  out->set_resident_vector_bytes(memory.resident_vector_bytes);
  out->set_lock_error(memory.lock_error);
}

MemoryStats ReadMemory(const v1::MemoryStats& in) {
  return {.budget_bytes = in.budget_bytes(),
          .heap_bytes = in.heap_bytes(),
          .kept_bytes = in.kept_bytes(),
          .locked_bytes = in.locked_bytes(),
          .unkept_bytes = in.unkept_bytes(),
          .resident_index_bytes = in.resident_index_bytes(),
          .resident_vector_bytes = in.resident_vector_bytes(),
          .lock_error = in.lock_error()};
}

}  // namespace

Result<CollectionOptions> ReadCreateRequest(const v1::CreateCollectionRequest& in) {
  CollectionOptions options;
  options.text_fields.assign(in.text_fields().begin(), in.text_fields().end());
  if (in.dim() != 0 || in.vectors().empty()) {
    LEADLINE_RETURN_IF_ERROR(AddDefaultField(in, &options));
  }
  for (const v1::VectorField& field : in.vectors()) {
    options.vectors.push_back(ReadNamedField(field));
  }
  options.embedder = in.embedder();
  options.language = in.language();
  return options;
}

Result<CollectionChanges> ReadAlterRequest(const v1::AlterCollectionRequest& in) {
  CollectionChanges changes;
  for (const v1::VectorFieldChanges& field : in.vectors()) {
    VectorFieldChanges& read = changes.vectors.emplace_back();
    read.name = field.name();
    if (field.has_index()) {
      if (field.index() == v1::INDEX_KIND_UNSPECIFIED) {
        return InvalidFieldError("no index", "vectors.index", "unspecified",
                                 "auto, flat, hnsw or ivf");
      }
      read.index = static_cast<IndexKind>(field.index());
    }
    if (field.has_codes()) {
      if (field.codes() == v1::CODE_TYPE_UNSPECIFIED) {
        return InvalidFieldError("no codes", "vectors.codes", "unspecified",
                                 "auto, f32, bf16, sq8, sq4, pq4, rabitq or pca8");
      }
      read.codes = static_cast<CodeType>(field.codes());
    }
    if (field.has_m()) {
      read.m = field.m();
    }
    if (field.has_ef_construction()) {
      read.ef_construction = field.ef_construction();
    }
    if (field.has_nlist()) {
      read.nlist = field.nlist();
    }
  }
  if (in.has_language()) {
    changes.language = in.language();
  }
  return changes;
}

void WriteAlterRequest(const std::string& name, const CollectionChanges& changes,
                       v1::AlterCollectionRequest* out) {
  out->set_collection(name);
  for (const VectorFieldChanges& field : changes.vectors) {
    v1::VectorFieldChanges* written = out->add_vectors();
    written->set_name(field.name);
    if (field.index) {
      written->set_index(static_cast<v1::IndexKind>(*field.index));
    }
    if (field.codes) {
      written->set_codes(static_cast<v1::CodeType>(*field.codes));
    }
    if (field.m) {
      written->set_m(*field.m);
    }
    if (field.ef_construction) {
      written->set_ef_construction(*field.ef_construction);
    }
    if (field.nlist) {
      written->set_nlist(*field.nlist);
    }
  }
  if (changes.language) {
    out->set_language(*changes.language);
  }
}

void WriteCreateRequest(const std::string& name, const CollectionOptions& options,
                        v1::CreateCollectionRequest* out) {
  WriteOptions(name, options, out);
}

void WriteDescription(const std::string& name, const CollectionOptions& options,
                      v1::CollectionDescription* out) {
  WriteOptions(name, options, out);
}

CollectionOptions ReadDescription(const v1::CollectionDescription& in) {
  CollectionOptions options;
  for (const v1::VectorField& field : in.vectors()) {
    options.vectors.push_back(ReadNamedField(field));
  }
  options.text_fields.assign(in.text_fields().begin(), in.text_fields().end());
  options.embedder = in.embedder();
  options.language = in.language();
  return options;
}

void WriteStats(const CollectionStats& stats, v1::CollectionStatsResponse* out) {
  out->set_rows(stats.rows);
  out->set_tail_rows(stats.tail_rows);
  out->set_segments(stats.segments);
  out->set_segment_rows(stats.segment_rows);
  out->set_dead_rows(stats.dead_rows);
  out->set_damaged_segments(stats.damaged_segments);
  out->set_segment_bytes(stats.segment_bytes);
  out->set_resident_bytes(stats.resident_bytes);
  out->set_min_self_recall(stats.min_self_recall);
  out->set_degraded(stats.degraded);
  out->set_last_build_error(stats.last_build_error);
  for (const IndexStats& index : stats.indexes) {
    v1::IndexStats* written = out->add_indexes();
    written->set_vector_field(index.vector_field);
    written->set_kind(static_cast<v1::IndexKind>(index.kind));
    written->set_codes(static_cast<v1::CodeType>(index.codes));
    written->set_segments(index.segments);
    written->set_rows(index.rows);
    written->set_vector_bytes(index.vector_bytes);
    written->set_code_bytes(index.code_bytes);
    written->set_link_bytes(index.link_bytes);
    written->set_resident_vector_bytes(index.resident_vector_bytes);
    written->set_resident_code_bytes(index.resident_code_bytes);
    written->set_resident_link_bytes(index.resident_link_bytes);
    written->set_lists(index.lists);
    written->set_axes(index.axes);
    for (const RecallPoint& point : index.curve) {
      WritePoint(point, written->add_curve());
    }
  }
}

CollectionStats ReadStats(const v1::CollectionStatsResponse& in) {
  CollectionStats stats;
  stats.rows = in.rows();
  stats.tail_rows = in.tail_rows();
  stats.segments = in.segments();
  stats.segment_rows = in.segment_rows();
  stats.dead_rows = in.dead_rows();
  stats.damaged_segments = in.damaged_segments();
  stats.segment_bytes = in.segment_bytes();
  stats.resident_bytes = in.resident_bytes();
  stats.min_self_recall = in.min_self_recall();
  stats.degraded = in.degraded();
  stats.last_build_error = in.last_build_error();
  for (const v1::IndexStats& index : in.indexes()) {
    stats.indexes.push_back({.vector_field = index.vector_field(),
                             .kind = static_cast<IndexKind>(index.kind()),
                             .codes = static_cast<CodeType>(index.codes()),
                             .segments = index.segments(),
                             .rows = index.rows(),
                             .vector_bytes = index.vector_bytes(),
                             .code_bytes = index.code_bytes(),
                             .link_bytes = index.link_bytes(),
                             .resident_vector_bytes = index.resident_vector_bytes(),
                             .resident_code_bytes = index.resident_code_bytes(),
                             .resident_link_bytes = index.resident_link_bytes(),
                             .lists = index.lists(),
                             .axes = index.axes(),
                             .curve = ReadCurve(index)});
  }
  return stats;
}

void WriteStats(const DatabaseStats& stats, v1::DatabaseStatsResponse* out) {
  out->set_sequence(stats.sequence);
  out->set_collections(stats.collections);
  out->set_store_bytes(stats.store_bytes);
  out->set_segment_bytes(stats.segment_bytes);
  out->set_log_syncs(stats.log_syncs);
  out->set_degraded(stats.degraded);
  out->set_store_error(stats.store_error);
  for (const std::string& name : stats.damaged_collections) {
    out->add_damaged_collections(name);
  }
  WriteMemory(stats.memory, out->mutable_memory());
}

DatabaseStats ReadStats(const v1::DatabaseStatsResponse& in) {
  DatabaseStats stats;
  stats.sequence = in.sequence();
  stats.collections = in.collections();
  stats.store_bytes = in.store_bytes();
  stats.segment_bytes = in.segment_bytes();
  stats.log_syncs = in.log_syncs();
  stats.degraded = in.degraded();
  stats.store_error = in.store_error();
  stats.damaged_collections.assign(in.damaged_collections().begin(),
                                   in.damaged_collections().end());
  stats.memory = ReadMemory(in.memory());
  return stats;
}

void WriteCheckReport(const CheckReport& report, v1::CheckResponse* out) {
  out->set_ok(report.ok());
  out->set_rows(report.rows);
  for (const CheckProblem& problem : report.problems) {
    v1::CheckProblem* written = out->add_problems();
    written->set_invariant(problem.invariant);
    written->set_where(problem.where);
    written->set_detail(problem.detail);
  }
}

CheckReport ReadCheckReport(const v1::CheckResponse& in) {
  CheckReport report;
  report.rows = in.rows();
  for (const v1::CheckProblem& problem : in.problems()) {
    report.problems.push_back({problem.invariant(), problem.where(), problem.detail()});
  }
  return report;
}

}  // namespace leadline::rpc
