#include "searcher.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "keys.h"
#include "leadline/index/flat.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "paced_control.h"
#include "prepared_batch.h"

namespace leadline::engine {
namespace {

/// Queries one task handles together; results do not depend on it.
constexpr size_t kBlockQueries = 32;
/// A filter that leaves at most this share of a segment is answered by scanning the matches: a
/// graph walk through failing rows would compare more vectors than that.
constexpr double kScanShare = 0.02;
constexpr uint64_t kScanRows = 2048;

const char* StrategyName(IndexKind kind) {
  switch (kind) {
    case IndexKind::kHnsw:
      return "hnsw";
    case IndexKind::kIvf:
      return "ivf";
    default:
      return "scan";
  }
}

std::vector<uint32_t> ListRows(const RowMask& mask) {
  std::vector<uint32_t> rows;
  rows.reserve(mask.count);
  for (size_t w = 0; w < mask.words.size(); ++w) {
    for (uint64_t rest = mask.words[w]; rest != 0; rest &= rest - 1) {
      rows.push_back(static_cast<uint32_t>(w * 64) + static_cast<uint32_t>(std::countr_zero(rest)));
    }
  }
  return rows;
}

void KeepBest(size_t k, std::vector<Candidate>* found) {
  if (found->size() > k) {
    const auto middle = found->begin() + static_cast<std::ptrdiff_t>(k);
    std::nth_element(found->begin(), middle, found->end());
    found->resize(k);
  }
}

}  // namespace

Searcher::Searcher(DatabaseCore* core, const CollectionState& collection,
                   std::shared_ptr<const ReadState> state, uint32_t field,
                   const Visibility& visibility, const CallControl& control)
    : core_(core),
      collection_(collection),
      state_(std::move(state)),
      field_(field),
      visibility_(visibility),
      control_(control) {}

Status Searcher::Prepare() {
  for (const auto& group : *state_->groups) {
    const SealedSegment* segment = group->segments[field_].get();
    if (segment != nullptr && segment->Contents() == nullptr && visibility_.snapshot == nullptr) {
      // Its rows come from the store, all others from the state: that needs one moment for both.
      return AbortedError("a damaged segment is answered at a snapshot only");
    }
  }
  for (const auto& group : *state_->groups) {
    const SealedSegment* segment = group->segments[field_].get();
    if (segment == nullptr) {
      continue;
    }
    Source source;
    source.segment = segment;
    source.rows = segment->rows();
    if (segment->Contents() == nullptr) {
      degraded_ = true;
      source.group = group.get();
      source.visible.count = source.rows;
    } else {
      LEADLINE_ASSIGN_OR_RETURN(source.visible,
                                SegmentRows(core_, collection_, *segment, visibility_, control_));
    }
    matches_ += source.visible.count;
    sources_.push_back(std::move(source));
  }
  for (size_t i = 0; i < state_->tail->chunks.size(); ++i) {
    Source source;
    source.chunk = state_->tail->chunks[i].get();
    source.rows = state_->ChunkRows(i);
    LEADLINE_ASSIGN_OR_RETURN(source.visible,
                              TailRows(*source.chunk, source.rows, field_, visibility_, control_));
    matches_ += source.visible.count;
    sources_.push_back(std::move(source));
  }
  for (Source& source : sources_) {
    // A short list beats a sparse mask: the scan then touches the matching rows only.
    if (source.visible.mask != nullptr && source.visible.count * 4 < source.rows) {
      source.list = ListRows(*source.visible.mask);
    }
  }
  return {};
}

Searcher::Strategy Searcher::Choose(const Source& source, const SearchSettings& settings) const {
  if (source.damaged()) {
    return Strategy::kStoreScan;
  }
  if (source.visible.count == 0) {
    return Strategy::kSkip;
  }
  const uint64_t few = settings.full_scan_threshold.value_or(
      std::max({kScanRows, static_cast<uint64_t>(settings.k),
                static_cast<uint64_t>(kScanShare * static_cast<double>(source.rows))}));
  const bool has_index = source.segment != nullptr && !source.segment->Contents()->index->exact();
  if (has_index && !settings.exact && source.visible.count > few) {
    return Strategy::kIndex;
  }
  return source.list.empty() ? Strategy::kScan : Strategy::kScanMatches;
}

uint64_t Searcher::OrdinalOf(const Source& source, uint32_t row) const {
  return source.chunk != nullptr ? source.chunk->ordinal(row)
                                 : source.segment->Contents()->ordinals[row];
}

Status Searcher::ScanSource(const Source& source, VectorView query, size_t k,
                            index::SearchOutcome* out) const {
  const VectorField& field = collection_.fields()[field_];
  const MatrixView vectors = source.chunk != nullptr
                                 ? MatrixView{source.chunk->vectors(field_), source.rows, field.dim}
                                 : source.segment->Contents()->vectors;
  index::TopK top(k);
  if (!source.list.empty()) {
    LEADLINE_RETURN_IF_ERROR(
        index::ScanList(vectors, query, field.metric, source.list, control_, &top, &out->stats));
  } else {
    LEADLINE_RETURN_IF_ERROR(index::ScanRows(vectors, query, field.metric, source.visible.words(),
                                             0, control_, &top, &out->stats));
  }
  out->neighbors = top.Take();
  return {};
}

Status Searcher::RunIndex(const Source& source, MatrixView queries, const SearchSettings& settings,
                          std::vector<index::SearchOutcome>* outcomes,
                          std::vector<bool>* fell_back) const {
  index::SearchParams params;
  params.k = settings.k;
  params.ef_search = settings.ef_search;
  params.nprobe = settings.nprobe;
  params.rescore = settings.rescore;
  params.allowed = source.visible.words();
  params.control = control_;
  LEADLINE_RETURN_IF_ERROR(source.segment->Contents()->index->Search(queries, params, *outcomes));
  const uint64_t expected = std::min<uint64_t>(settings.k, source.visible.count);
  for (size_t q = 0; q < queries.rows; ++q) {
    index::SearchOutcome& outcome = (*outcomes)[q];
    if (outcome.neighbors.size() < expected) {
      const index::SearchStats spent = outcome.stats;
      outcome = {};
      LEADLINE_RETURN_IF_ERROR(ScanSource(source, queries.row(q), settings.k, &outcome));
      outcome.stats.distances += spent.distances;
      outcome.stats.hops += spent.hops;
      (*fell_back)[q] = true;
    }
  }
  return {};
}

Status Searcher::StoreScan(const Source& source, MatrixView queries, size_t k,
                           std::vector<std::vector<Candidate>>* found) const {
  const VectorField& field = collection_.fields()[field_];
  const simd::MetricDistance distance(field.metric, field.dim);
  PacedControl pace(control_);
  const auto visit = [&](uint64_t ordinal, const StoredRecord& record) -> Result<bool> {
    if (((record.fields >> field_) & 1U) == 0) {
      return true;
    }
    LEADLINE_ASSIGN_OR_RETURN(
        const std::optional<std::string> bytes,
        core_->store->Get(kv::Table::kVectors, VectorKey(collection_.id(), field_, ordinal),
                          visibility_.snapshot));
    if (!bytes.has_value()) {
      return MissingPart(visibility_, "vector", ordinal);
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(*bytes, field.dim));
    LEADLINE_RETURN_IF_ERROR(pace.Before(queries.rows, bytes->size()));
    const std::vector<float> form = SearchForm(field, values);
    for (size_t q = 0; q < queries.rows; ++q) {
      std::vector<Candidate>& best = (*found)[q];
      best.push_back({distance.Pair(queries.row(q).data(), form.data()), ordinal, 0, 0});
      if (best.size() >= 2 * k + 64) {
        KeepBest(k, &best);
      }
    }
    return true;
  };
  return VisitStoreRecords(core_, collection_, source.group->entry.first_ordinal,
                           source.group->entry.last_ordinal, visibility_, control_, visit);
}

Status Searcher::RunSource(size_t s, MatrixView queries, const SearchSettings& settings,
                           std::vector<Candidate>* found, Plan* plans) const {
  const Source& source = sources_[s];
  const Strategy strategy = Choose(source, settings);
  std::vector<index::SearchOutcome> outcomes(queries.rows);
  std::vector<bool> fell_back(queries.rows, false);
  std::vector<std::vector<Candidate>> from_store(queries.rows);
  switch (strategy) {
    case Strategy::kSkip:
      break;
    case Strategy::kIndex:
      LEADLINE_RETURN_IF_ERROR(RunIndex(source, queries, settings, &outcomes, &fell_back));
      break;
    case Strategy::kStoreScan:
      LEADLINE_RETURN_IF_ERROR(StoreScan(source, queries, settings.k, &from_store));
      break;
    case Strategy::kScan:
    case Strategy::kScanMatches:
      for (size_t q = 0; q < queries.rows; ++q) {
        LEADLINE_RETURN_IF_ERROR(ScanSource(source, queries.row(q), settings.k, &outcomes[q]));
      }
      break;
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    for (const index::Neighbor& neighbor : outcomes[q].neighbors) {
      found[q].push_back({neighbor.distance, OrdinalOf(source, neighbor.row),
                          static_cast<uint32_t>(s), neighbor.row});
    }
    for (Candidate candidate : from_store[q]) {
      candidate.source = static_cast<uint32_t>(s);
      found[q].push_back(candidate);
    }
    if (!settings.explain) {
      continue;
    }
    PlanStep step;
    step.source = source.chunk != nullptr
                      ? "tail"
                      : "segment " + std::to_string(source.segment->entry().info.segment_id);
    const std::array<const char*, 5> names = {"skipped", "scan", "scan matches", "", "store scan"};
    step.strategy = strategy == Strategy::kIndex ? StrategyName(source.segment->entry().info.kind)
                                                 : names[static_cast<size_t>(strategy)];
    step.rows = source.rows;
    step.matches = source.visible.count;
    step.distances = outcomes[q].stats.distances;
    step.candidates = outcomes[q].neighbors.size() + from_store[q].size();
    step.fallback = fell_back[q];
    plans[q].distances += step.distances;
    plans[q].steps.push_back(std::move(step));
  }
  return {};
}

Status Searcher::RunBlock(MatrixView queries, const SearchSettings& settings,
                          std::vector<Candidate>* found, Plan* plans) const {
  for (size_t s = 0; s < sources_.size(); ++s) {
    LEADLINE_RETURN_IF_ERROR(RunSource(s, queries, settings, found, plans));
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    KeepBest(settings.k, &found[q]);
    std::sort(found[q].begin(), found[q].end());
  }
  return {};
}

Result<std::vector<std::vector<Candidate>>> Searcher::Run(MatrixView queries,
                                                          const SearchSettings& settings) {
  std::vector<std::vector<Candidate>> found(queries.rows);
  plans_.assign(settings.explain ? queries.rows : 0, Plan());
  const size_t blocks = (queries.rows + kBlockQueries - 1) / kBlockQueries;
  std::vector<Status> statuses(blocks);
  ParallelFor(core_->search_executor.get(), blocks, [&](size_t b) {
    const size_t first = b * kBlockQueries;
    const size_t count = std::min(kBlockQueries, queries.rows - first);
    const MatrixView block{queries.data + first * queries.dim, count, queries.dim};
    statuses[b] =
        RunBlock(block, settings, &found[first], settings.explain ? &plans_[first] : nullptr);
  });
  Status failed;
  for (Status& status : statuses) {
    if (!status.ok() && failed.ok()) {
      failed = status;
    }
  }
  if (!failed.ok()) {
    return failed;
  }
  for (Plan& plan : plans_) {
    plan.sequence = visibility_.sequence;
    plan.simd = simd::Kernels().name;
  }
  return found;
}

std::string Searcher::IdOf(const Candidate& candidate) const {
  const Source& source = sources_[candidate.source];
  if (source.chunk != nullptr) {
    return source.chunk->id(candidate.row);
  }
  return source.damaged() ? std::string()
                          : std::string(source.segment->Contents()->id(candidate.row));
}

const std::string* Searcher::PayloadOf(const Candidate& candidate) const {
  const Source& source = sources_[candidate.source];
  return source.chunk != nullptr ? &source.chunk->payload(candidate.row) : nullptr;
}

}  // namespace leadline::engine
