#include "searcher.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "keys.h"
#include "leadline/index/scan.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/level.h"
#include "paced_control.h"
#include "prepared_batch.h"
#include "vector_walk.h"

namespace leadline::engine {
namespace {

/// Queries one task handles together; results do not depend on it. Where queries share scans, each
/// pass over the codes serves a whole block, so blocks are as large as all threads get one.
constexpr size_t kBlockQueries = 32;
constexpr size_t kSharingBlockQueries = 1024;
/// A filter that leaves at most this share of a segment is answered by scanning the matches: a
/// graph walk through failing rows would compare more vectors than that.
constexpr double kScanShare = 0.02;
constexpr uint64_t kScanRows = 2048;
/// Fewer tail rows are compared sooner than sorted.
constexpr size_t kLeastListed = 128;
/// Beam of graphs that were built before indexes measured themselves.
constexpr size_t kUsualBeam = 64;

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

/// What a search answers that finds a segment damaged or unreadable on its way: the next attempt
/// takes the rows from the store.
Status FoundDamaged(const SealedSegment& segment) {
  return AbortedError("a segment turned out to be damaged: path=" + segment.path());
}

/// They lie apart from each other: asked for one after the other, each would be waited for.
void PrefetchOrdinals(const SegmentContents& contents, size_t rows,
                      std::span<const index::Neighbor> neighbors) {
  for (const index::Neighbor& neighbor : neighbors) {
    if (neighbor.row < rows) {
      __builtin_prefetch(contents.ordinals + neighbor.row);
    }
  }
}

/// The filter of a segment's rows as the index keeps it; none without one.
std::optional<index::RepeatedFilter> RepeatedFilterOf(const VisibleRows& visible) {
  if (visible.matching == nullptr) {
    return std::nullopt;
  }
  const RowMask& matching = *visible.matching;
  return index::RepeatedFilter{matching.words.data(), matching.count, &matching.prepared};
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
    if (segment == nullptr) {
      continue;
    }
    Source source;
    source.segment = segment;
    source.contents = segment->Contents();
    source.rows = segment->rows();
    if (source.contents == nullptr) {
      if (visibility_.snapshot == nullptr) {
        // Its rows come from the store, all others from the state: that needs one moment for both.
        return AbortedError("a damaged segment is answered at a snapshot only");
      }
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
  first_chunk_ = sources_.size();
  sources_.reserve(first_chunk_ + state_->tail->chunks.size());
  for (size_t i = 0; i < state_->tail->chunks.size(); ++i) {
    Source source;
    source.chunk = state_->tail->chunks[i].get();
    source.rows = state_->ChunkRows(i);
    LEADLINE_ASSIGN_OR_RETURN(source.visible,
                              TailRows(*source.chunk, source.rows, field_, visibility_, control_));
    matches_ += source.visible.count;
    sources_.push_back(std::move(source));
  }
  return {};
}

Status Searcher::ChooseAll(const SearchSettings& settings) {
  for (Source& source : sources_) {
    source.strategy = Choose(source, settings);
    source.listed = 0;
  }
  LEADLINE_RETURN_IF_ERROR(ListTail(settings));
  for (size_t s = first_chunk_; s < sources_.size(); ++s) {
    LEADLINE_RETURN_IF_ERROR(PrepareScan(&sources_[s]));
  }
  return {};
}

/// Of a chunk of the tail.
Status Searcher::PrepareScan(Source* source) const {
  if (source->strategy != Strategy::kScan && source->strategy != Strategy::kScanMatches) {
    return {};
  }
  if (source->coded == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(source->coded,
                              source->chunk->CodedScan(field_, source->rows, control_));
  }
  if (source->strategy == Strategy::kScanMatches && source->coded == nullptr &&
      source->list.empty()) {
    source->list = index::ListAllowed(source->visible.words(), source->rows);
  }
  return {};
}

std::optional<size_t> Searcher::SegmentForTail(const SearchSettings& settings) const {
  std::optional<size_t> largest;
  if (settings.exact || settings.share_scan || visibility_.filter.has_value()) {
    return largest;
  }
  for (size_t s = 0; s < first_chunk_; ++s) {
    const Source& source = sources_[s];
    if (source.strategy == Strategy::kIndex && source.contents->index->lists_rows() &&
        (!largest.has_value() || source.rows > sources_[*largest].rows)) {
      largest = s;
    }
  }
  return largest;
}

Status Searcher::ListTail(const SearchSettings& settings) {
  listed_.reset();
  const std::optional<size_t> segment = SegmentForTail(settings);
  const ListedRange range(*state_);
  if (!segment.has_value() || range.rows() < kLeastListed ||
      range.rows() <= settings.full_scan_threshold.value_or(0)) {
    return {};
  }
  const Source& source = sources_[*segment];
  ListedTail& kept = state_->tail->chunks.front()->listed(field_);
  LEADLINE_ASSIGN_OR_RETURN(
      std::shared_ptr<const index::ListedRows> rows,
      kept.Get(*state_, field_, range, source.segment->entry().info.segment_id,
               *source.contents->index, control_));
  listed_ = {*segment, range, std::move(rows), AllowedOfTail(range)};
  for (size_t i = 0; first_chunk_ + i < sources_.size(); ++i) {
    Source& chunk = sources_[first_chunk_ + i];
    chunk.listed = range.RowsOf(*state_, i);
    if (chunk.listed > 0 && chunk.strategy != Strategy::kSkip) {
      chunk.strategy = Strategy::kListed;
    }
  }
  return {};
}

std::vector<uint64_t> Searcher::AllowedOfTail(const ListedRange& range) const {
  const auto chunks = sources_.begin() + static_cast<std::ptrdiff_t>(first_chunk_);
  if (std::all_of(chunks, sources_.end(),
                  [](const Source& chunk) { return chunk.visible.mask == nullptr; })) {
    return {};
  }
  std::vector<uint64_t> allowed((range.count() + 63) / 64, ~uint64_t{0});
  for (size_t i = 0; first_chunk_ + i < sources_.size(); ++i) {
    const VisibleRows& visible = sources_[first_chunk_ + i].visible;
    if (visible.mask != nullptr) {
      const std::vector<uint64_t>& words = visible.mask->words;
      const size_t first = range.FirstOf(i) / 64;
      std::copy_n(words.begin(), std::min(words.size(), allowed.size() - first),
                  allowed.begin() + static_cast<std::ptrdiff_t>(first));
    }
  }
  return allowed;
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
  const bool has_index = source.contents != nullptr && !source.contents->index->exact();
  if (has_index && !settings.exact && source.visible.count > few) {
    return Strategy::kIndex;
  }
  return ScanOf(source);
}

Searcher::Strategy Searcher::ScanOf(const Source& source) {
  // A short list beats a sparse mask: the scan then touches the matching rows only.
  const bool sparse = source.visible.mask != nullptr && source.visible.count * 4 < source.rows;
  return sparse ? Strategy::kScanMatches : Strategy::kScan;
}

Candidate Searcher::CandidateOf(size_t s, const index::Neighbor& neighbor) const {
  size_t row = neighbor.row;
  if (listed_.has_value() && s == listed_->segment && row >= sources_[s].rows) {
    const size_t number = row - sources_[s].rows;
    const size_t chunk = listed_->range.ChunkOf(number);
    row = number - listed_->range.FirstOf(chunk);
    s = first_chunk_ + chunk;
  }
  const Source& source = sources_[s];
  const uint64_t ordinal =
      source.chunk != nullptr ? source.chunk->ordinal(row) : source.contents->ordinals[row];
  return {neighbor.distance, ordinal, static_cast<uint32_t>(s), static_cast<uint32_t>(row)};
}

Status Searcher::ScanSource(const Source& source, MatrixView queries, size_t k,
                            const float* farthest, std::span<index::SearchOutcome> out) const {
  index::SearchParams params;
  params.k = k;
  params.allowed = source.visible.words();
  params.allowed_count = source.visible.count;
  params.farthest = farthest;
  params.control = control_;
  const std::optional<index::RepeatedFilter> filter = RepeatedFilterOf(source.visible);
  params.filter = filter.has_value() ? &*filter : nullptr;
  if (source.segment != nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(const SegmentContents* contents,
                              source.segment->VerifiedContents(control_));
    return contents != nullptr ? contents->index->SearchExact(queries, params, out)
                               : FoundDamaged(*source.segment);
  }
  return source.coded != nullptr ? source.coded->SearchExact(queries, params, out)
                                 : ScanVectors(source, 0, queries, k, out);
}

/// Of a chunk of the tail, from row `begin` on, a multiple of 64.
Status Searcher::ScanVectors(const Source& source, size_t begin, MatrixView queries, size_t k,
                             std::span<index::SearchOutcome> out) const {
  const VectorField& field = collection_.fields()[field_];
  const MatrixView vectors{source.chunk->vectors(field_) + begin * field.dim, source.rows - begin,
                           field.dim};
  const uint64_t* const words = source.visible.words();
  std::vector<index::TopK> tops(queries.rows, index::TopK(k));
  std::vector<index::SearchStats> stats(queries.rows);
  if (source.strategy == Strategy::kScanMatches) {
    LEADLINE_RETURN_IF_ERROR(
        index::ScanList(vectors, queries, field.metric, source.list, control_, tops, stats));
  } else {
    LEADLINE_RETURN_IF_ERROR(index::ScanRows(vectors, queries, field.metric,
                                             words == nullptr ? nullptr : words + begin / 64,
                                             static_cast<uint32_t>(begin), control_, tops, stats));
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    out[q] = {tops[q].Take(), stats[q]};
  }
  return {};
}

Status Searcher::ScanAfterListed(const Source& source, MatrixView queries, size_t k,
                                 const std::vector<bool>& looked_at, Findings* findings) const {
  for (const bool listed : {true, false}) {
    const size_t begin = listed ? source.listed : 0;
    std::vector<size_t> of;
    std::vector<float> some;
    for (size_t q = 0; q < queries.rows && begin < source.rows; ++q) {
      if (looked_at[q] == listed) {
        of.push_back(q);
        some.insert(some.end(), queries.row(q).begin(), queries.row(q).end());
      }
    }
    std::vector<index::SearchOutcome> scanned(of.size());
    if (!of.empty()) {
      LEADLINE_RETURN_IF_ERROR(
          ScanVectors(source, begin, {some.data(), of.size(), queries.dim}, k, scanned));
    }
    for (size_t i = 0; i < of.size(); ++i) {
      findings->outcomes[of[i]] = std::move(scanned[i]);
      findings->fell_back[of[i]] = !listed;
    }
  }
  return {};
}

index::TunedSearch Searcher::Tune(const Source& source, const SearchSettings& settings) {
  const bool lists = source.segment->entry().info.kind == IndexKind::kIvf;
  index::SearchWish wish;
  wish.k = settings.k;
  wish.target_recall = settings.target_recall;
  wish.effort = lists ? settings.nprobe : settings.ef_search;
  wish.rescore = settings.rescore;
  index::TunedSearch tuned = index::TuneSearch(source.contents->curve, wish);
  if (!lists) {
    tuned.effort = std::max(tuned.effort == 0 ? kUsualBeam : tuned.effort, settings.k);
  }
  return tuned;
}

Status Searcher::RunIndex(const Source& source, MatrixView queries, const SearchSettings& settings,
                          Findings* findings) const {
  const bool lists = source.segment->entry().info.kind == IndexKind::kIvf;
  findings->tuned = Tune(source, settings);
  const index::TunedSearch& tuned = findings->tuned;
  index::SearchParams params;
  params.k = settings.k;
  params.ef_search = lists ? 0 : tuned.effort;
  params.nprobe = lists ? tuned.effort : 0;
  params.nprobe_is_default = settings.nprobe == 0;
  params.candidates = tuned.candidates;
  params.rescore = tuned.rescore;
  params.share_scan = settings.share_scan;
  params.never_scan_instead = settings.full_scan_threshold == uint64_t{0};
  params.allowed = source.visible.words();
  params.allowed_count = source.visible.count;
  params.row_check = source.contents->unverified.get();
  params.control = control_;
  const std::optional<index::RepeatedFilter> filter = RepeatedFilterOf(source.visible);
  params.filter = filter.has_value() ? &*filter : nullptr;
  if (listed_.has_value() && &source == &sources_[listed_->segment]) {
    params.beside = listed_->rows.get();
    params.beside_count = listed_->range.count();
    params.beside_allowed = listed_->allowed.empty() ? nullptr : listed_->allowed.data();
  }
  Status searched = source.contents->index->Search(queries, params, findings->outcomes);
  if (params.row_check != nullptr && !searched.ok() && control_.Check().ok()) {
    source.segment->NoteVectorError(std::move(searched));
    return FoundDamaged(*source.segment);
  }
  LEADLINE_RETURN_IF_ERROR(searched);
  return ScanWhatIsMissing(source, queries, settings.k, findings);
}

Status Searcher::ScanWhatIsMissing(const Source& source, MatrixView queries, size_t k,
                                   Findings* findings) const {
  const uint64_t expected = std::min<uint64_t>(k, source.visible.count);
  std::vector<size_t> short_of;
  std::vector<float> again;
  for (size_t q = 0; q < queries.rows; ++q) {
    if (findings->outcomes[q].neighbors.size() < expected) {
      short_of.push_back(q);
      again.insert(again.end(), queries.row(q).begin(), queries.row(q).end());
    }
  }
  if (short_of.empty()) {
    return {};
  }
  std::vector<index::SearchOutcome> scanned(short_of.size());
  LEADLINE_RETURN_IF_ERROR(
      ScanSource(source, {again.data(), short_of.size(), queries.dim}, k, nullptr, scanned));
  for (size_t i = 0; i < short_of.size(); ++i) {
    index::SearchOutcome& outcome = findings->outcomes[short_of[i]];
    scanned[i].stats.distances += outcome.stats.distances;
    scanned[i].stats.rescored += outcome.stats.rescored;
    scanned[i].stats.hops += outcome.stats.hops;
    outcome = std::move(scanned[i]);
    findings->fell_back[short_of[i]] = true;
  }
  return {};
}

Status Searcher::StoreScan(const Source& source, MatrixView queries, size_t k,
                           Findings* findings) const {
  const VectorField& field = collection_.fields()[field_];
  const simd::MetricDistance distance(field.metric, field.dim);
  PacedControl pace(control_);
  VectorWalk stored(core_, collection_, field_, visibility_.snapshot);
  const auto visit = [&](uint64_t ordinal, const StoredRecord& record) -> Result<bool> {
    if (((record.fields >> field_) & 1U) == 0) {
      return true;
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string_view> bytes, stored.At(ordinal));
    if (!bytes.has_value()) {
      return MissingPart(visibility_, "vector", ordinal);
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(*bytes, field.dim));
    LEADLINE_RETURN_IF_ERROR(pace.Before(queries.rows, bytes->size()));
    const std::vector<float> form = SearchForm(field, values);
    ++findings->store_rows;
    for (size_t q = 0; q < queries.rows; ++q) {
      std::vector<Candidate>& best = findings->from_store[q];
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

Status Searcher::RunSource(const Source& source, MatrixView queries, const SearchSettings& settings,
                           const float* farthest, Findings* findings) const {
  findings->outcomes.resize(queries.rows);
  findings->fell_back.resize(queries.rows);
  findings->from_store.resize(queries.rows);
  switch (source.strategy) {
    case Strategy::kSkip:
      return {};
    case Strategy::kIndex:
      return RunIndex(source, queries, settings, findings);
    case Strategy::kStoreScan:
      return StoreScan(source, queries, settings.k, findings);
    case Strategy::kScan:
    case Strategy::kScanMatches:
      return ScanSource(source, queries, settings.k, farthest, findings->outcomes);
    case Strategy::kListed:
      return {};  // RunBlock knows of which queries
  }
  return {};
}

CodeType Searcher::ScanCodesOf(const Source& source) {
  if (source.strategy == Strategy::kListed) {
    return CodeType::kSq8;
  }
  if (source.coded != nullptr) {
    return source.coded->scan_codes();
  }
  return source.contents == nullptr ? CodeType::kF32
                                    : source.contents->index->ScanCodesFor(source.visible.count);
}

PlanStep Searcher::Describe(const Source& source, const Findings& findings, size_t q) {
  const std::array<const char*, 6> names = {"skipped", "scan",       "scan matches",
                                            "",        "store scan", "lists"};
  const index::SearchOutcome& outcome = findings.outcomes[q];
  // An index may find a scan cheaper, or find out on the way that it needs one.
  const bool scanned_instead =
      source.strategy == Strategy::kIndex && outcome.stats.scanned && !findings.fell_back[q];
  const bool index_scanned = scanned_instead && outcome.stats.hops == 0;
  PlanStep step;
  step.source = source.chunk != nullptr
                    ? "tail"
                    : "segment " + std::to_string(source.segment->entry().info.segment_id);
  if (source.strategy == Strategy::kIndex && !index_scanned) {
    const segment::SegmentInfo& info = source.segment->entry().info;
    const index::TunedSearch& tuned = findings.tuned;
    step.strategy = StrategyName(info.kind);
    step.codes = CodeTypeName(info.codes);
    (info.kind == IndexKind::kIvf ? step.nprobe : step.ef_search) = tuned.effort;
    step.promised_recall = tuned.promised;
    step.target_missed = tuned.target_missed;
  } else {
    step.strategy = names[static_cast<size_t>(index_scanned ? ScanOf(source) : source.strategy)];
    step.codes = source.strategy == Strategy::kSkip ? "" : CodeTypeName(ScanCodesOf(source));
  }
  step.rows = source.rows;
  step.matches = source.damaged() ? findings.store_rows : source.visible.count;
  step.distances = outcome.stats.distances + findings.store_rows;
  step.rescored = outcome.stats.rescored;
  step.candidates = outcome.neighbors.size() + findings.from_store[q].size();
  step.fallback = findings.fell_back[q] || (scanned_instead && !index_scanned);
  return step;
}

Status Searcher::RunBlock(MatrixView queries, const SearchSettings& settings,
                          std::vector<Candidate>* found, Plan* plans) const {
  std::vector<float> farthest(queries.rows, std::numeric_limits<float>::infinity());
  std::vector<bool> listed(queries.rows);
  for (size_t s = 0; s < sources_.size(); ++s) {
    const Source& source = sources_[s];
    Findings findings;
    if (source.strategy == Strategy::kListed && plans == nullptr && source.listed == source.rows &&
        std::find(listed.begin(), listed.end(), false) == listed.end()) {
      continue;
    }
    LEADLINE_RETURN_IF_ERROR(RunSource(source, queries, settings, farthest.data(), &findings));
    if (source.strategy == Strategy::kListed) {
      LEADLINE_RETURN_IF_ERROR(ScanAfterListed(source, queries, settings.k, listed, &findings));
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      listed[q] = listed[q] || findings.outcomes[q].stats.beside;
      if (source.contents != nullptr) {
        PrefetchOrdinals(*source.contents, source.rows, findings.outcomes[q].neighbors);
      }
      for (const index::Neighbor& neighbor : findings.outcomes[q].neighbors) {
        found[q].push_back(CandidateOf(s, neighbor));
      }
      for (Candidate candidate : findings.from_store[q]) {
        candidate.source = static_cast<uint32_t>(s);
        found[q].push_back(candidate);
      }
      if (plans != nullptr) {
        plans[q].steps.push_back(Describe(source, findings, q));
        plans[q].distances += plans[q].steps.back().distances;
      }
      KeepBest(settings.k, &found[q]);
      if (found[q].size() == settings.k) {
        farthest[q] = std::max_element(found[q].begin(), found[q].end())->distance;
      }
    }
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    std::sort(found[q].begin(), found[q].end());
  }
  return {};
}

size_t Searcher::BlockQueries(size_t queries, const SearchSettings& settings) const {
  if (!settings.share_scan && !settings.exact) {
    return kBlockQueries;
  }
  const size_t threads = core_->options.search_threads;
  return std::clamp((queries + threads - 1) / threads, kBlockQueries, kSharingBlockQueries);
}

Result<std::vector<std::vector<Candidate>>> Searcher::Run(MatrixView queries,
                                                          const SearchSettings& settings) {
  LEADLINE_RETURN_IF_ERROR(ChooseAll(settings));
  std::vector<std::vector<Candidate>> found(queries.rows);
  plans_.assign(settings.explain ? queries.rows : 0, Plan());
  const size_t block_queries = BlockQueries(queries.rows, settings);
  const size_t blocks = (queries.rows + block_queries - 1) / block_queries;
  std::vector<Status> statuses(blocks);
  ParallelFor(core_->search_executor.get(), blocks, [&](size_t b) {
    const size_t first = b * block_queries;
    const size_t count = std::min(block_queries, queries.rows - first);
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
    plan.simd = simd::CurrentLevel().name;
  }
  return found;
}

void Searcher::PrefetchIds(std::span<const Candidate> found) const {
  const auto contents_of = [this](const Candidate& candidate) {
    const Source& source = sources_[candidate.source];
    return source.chunk == nullptr && !source.damaged() ? source.contents : nullptr;
  };
  for (const Candidate& candidate : found) {
    if (const SegmentContents* contents = contents_of(candidate)) {
      __builtin_prefetch(contents->id_offsets + candidate.row);
    }
  }
  for (const Candidate& candidate : found) {
    if (const SegmentContents* contents = contents_of(candidate)) {
      __builtin_prefetch(contents->id_bytes.data() + contents->id_offsets[candidate.row]);
    }
  }
}

std::string Searcher::IdOf(const Candidate& candidate) const {
  const Source& source = sources_[candidate.source];
  if (source.chunk != nullptr) {
    return source.chunk->id(candidate.row);
  }
  return source.damaged() ? std::string() : std::string(source.contents->id(candidate.row));
}

const std::string* Searcher::PayloadOf(const Candidate& candidate) const {
  const Source& source = sources_[candidate.source];
  return source.chunk != nullptr ? &source.chunk->payload(candidate.row) : nullptr;
}

}  // namespace leadline::engine
