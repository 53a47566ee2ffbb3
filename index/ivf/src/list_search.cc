#include "list_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "leadline/index/held_out_rows.h"

namespace leadline::index {
namespace {

/// Where a filter's matches are uneven, so many candidates are kept beyond the usual ones if these
/// are few; otherwise as many again.
constexpr size_t kSpareCandidates = 320;
/// Rows of a list whose numbers beside the codes are asked for while the list before is scanned.
constexpr size_t kRowsAskedFor = 64;
/// Lists that bring most of what the others have to be nearer than.
constexpr size_t kNearestFirst = 16;
/// Rows looked at together: what one append to a CandidateBuffer may add.
constexpr size_t kChunkRows = CandidateBuffer::kMaxAppend;

struct Constants {
  std::array<float, kChunkRows> zeros{};
  std::array<float, kChunkRows> ones{};

  Constants() { ones.fill(1.0F); }
};

const Constants& Fixed() {
  static const Constants kConstants;
  return kConstants;
}

}  // namespace

StageSizes SizesFor(const IvfParts& parts, const SearchParams& params) {
  StageSizes sizes;
  const bool coarse =
      parts.codes.has_value() && (parts.codes->type() == CodeType::kSq4 || parts.axes.kept() > 0);
  const size_t usual = coarse ? 3 * params.k : params.k + params.k / 2;
  sizes.rescored = std::max(params.k, params.rescore == 0 ? usual : params.rescore);
  sizes.scanned =
      std::max(sizes.rescored, params.candidates == 0 ? 10 * params.k : params.candidates);
  if (params.beside != nullptr) {
    // Among more rows as many more come out nearer than one of the nearest by the error of codes.
    const double more = 1 + static_cast<double>(params.beside_count) /
                                static_cast<double>(std::max<size_t>(parts.vectors.rows, 1));
    for (size_t* size : {&sizes.rescored, &sizes.scanned}) {
      *size = static_cast<size_t>(std::ceil(static_cast<double>(*size) * more));
    }
  }
  return sizes;
}

namespace {

/// Matches that lie uneven are mostly far from the query, at much the same distance: as many again
/// are compared in full precision, and some where few would be.
StageSizes SizesUnder(const IvfParts& parts, const SearchParams& params, const ListFilter* filter) {
  StageSizes sizes = SizesFor(parts, params);
  if (filter != nullptr && filter->table() != nullptr) {
    sizes.rescored = std::max(2 * sizes.rescored, 4 * params.k + params.k / 2);
    sizes.scanned = std::max(sizes.scanned, sizes.rescored);
  }
  return sizes;
}

}  // namespace

size_t ProbePlan::MatchingLists(size_t within, size_t lists) const {
  /// So many times `nprobe` lists are as much as is usual; the rest is the query's own.
  constexpr double kUsual = 2;
  const double usual = kUsual * static_cast<double>(nprobe);
  const auto wanted = static_cast<size_t>(std::sqrt(usual * static_cast<double>(within)));
  return std::min(std::max(wanted, nprobe), lists);
}

ListSearch::Scratch& ListSearch::Scratch::OfThread() {
  static thread_local Scratch scratch;
  return scratch;
}

ListSearch::ListSearch(const IvfParts& parts, const SearchParams& params, const float* query,
                       const ListFilter* filter, Scratch* scratch)
    : parts_(parts),
      params_(params),
      query_(query),
      scratch_(*scratch),
      distance_(parts.metric, parts.vectors.dim),
      kernels_(simd::CurrentLevel().codes),
      sizes_(SizesUnder(parts, params, filter)),
      costs_(parts),
      filter_(filter),
      mask_rows_(filter == nullptr ? params.allowed : params.filter->rows),
      barred_(mask_rows_ != params.allowed),
      blocks_(parts.blocks()),
      beside_(static_cast<const IvfListedRows*>(params.beside)),
      top_(params.k) {}

Status ListSearch::Run(const ProbePlan& plan, SearchOutcome* out) {
  Prepare();
  const MatchTable* const table = filter_ == nullptr ? nullptr : filter_->table();
  LEADLINE_RETURN_IF_ERROR(table == nullptr ? VisitLists(plan) : VisitMatches(*table, plan));
  if (gave_up_) {
    *out = {{}, stats_};
    return {};
  }
  if (blocks_ != nullptr) {
    table == nullptr ? Narrow() : NarrowWhileUseful();
  }
  if (beside_ != nullptr) {
    ScanCodesBeside();
    stats_.beside = true;
  }
  if (parts_.codes.has_value()) {
    LEADLINE_RETURN_IF_ERROR(table == nullptr ? Rescore() : RescoreWhileUseful());
  }
  *out = {top_.Take(), stats_};
  return {};
}

/// Those whose centroids are nearest.
Status ListSearch::VisitLists(const ProbePlan& plan) {
  LEADLINE_RETURN_IF_ERROR(VisitNearest(plan.nprobe, plan.gaps));
  const size_t first = scratch_.order.size();
  const double missing = plan.MissingAfter(visited_, met_);
  gave_up_ = missing >= ProbePlan::kElsewhere && plan.may_give_up;
  // Where few of the nearest lists' rows match, the nearest matches lie at the rim of what the
  // filter leaves out, and so at much the same distance: more of them must be met.
  const double enough =
      static_cast<double>(plan.EnoughAfter(first)) * std::min(missing, ProbePlan::kElsewhere);
  for (size_t lists = first;
       !gave_up_ && static_cast<double>(met_) < enough && lists < scratch_.visited.size();) {
    lists = std::min(scratch_.visited.size(), lists + (lists + 1) / 2);
    LEADLINE_RETURN_IF_ERROR(VisitNearest(lists, nullptr));
    gave_up_ = plan.may_give_up && visited_ > plan.most_visited;
  }
  return {};
}

/// Those whose matches are nearest, then more of them, by how many may yet hold one of the nearest.
Status ListSearch::VisitMatches(const MatchTable& table, const ProbePlan& plan) {
  LEADLINE_RETURN_IF_ERROR(VisitFirst(table, plan.nprobe));
  const size_t within = CountWithin(plan.reach, DistanceSoFar(kHeldOutNeighbors));
  ListNearest(table, plan.MatchingLists(within, table.size()));
  gave_up_ = plan.may_give_up && CostOf(table, scratch_.matching) > plan.scan_nanos;
  return gave_up_ ? Status() : VisitTheseLists();
}

Status ListSearch::VisitFirst(const MatchTable& table, size_t nprobe) {
  LEADLINE_RETURN_IF_ERROR(table.Score(query_, params_.control, &scratch_.scores));
  stats_.distances += table.size();
  ListNearest(table, std::min(nprobe, table.size()));
  return VisitTheseLists();
}

/// How many lists have a match within `distance`, if it is `reach` spreads nearer than the middle.
size_t ListSearch::CountWithin(float reach, float distance) const {
  const MatchScores& scores = scratch_.scores;
  size_t within = 0;
  for (size_t i = 0; i < scores.middle.size(); ++i) {
    within += scores.middle[i] - reach * scores.spread[i] <= distance ? 1U : 0U;
  }
  return within;
}

/// Leaves in matching those of the `count` nearest that were not visited, in lists their numbers.
void ListSearch::ListNearest(const MatchTable& table, size_t count) {
  std::vector<uint32_t>& matching = scratch_.matching;
  table.KeepNearest(count, &scratch_.scores, &matching);
  std::erase_if(matching, [&](uint32_t i) { return scratch_.visited[table.lists()[i]]; });
  scratch_.lists.clear();
  for (const uint32_t i : matching) {
    scratch_.lists.push_back(table.lists()[i]);
  }
}

double ListSearch::CostOf(const MatchTable& table, std::span<const uint32_t> matching) const {
  double cost = 0;
  for (const uint32_t i : matching) {
    const uint32_t list = table.lists()[i];
    const auto rows =
        static_cast<double>(parts_.lists.offsets[list + 1] - parts_.lists.offsets[list]);
    const double share = static_cast<double>(table.counts()[i]) / rows;
    const bool apart = match_blocks_ != nullptr && match_blocks_->of(list).rows > 0;
    cost += costs_.list + rows * (apart ? share * costs_.block : costs_.Visit(share));
  }
  return cost;
}

Result<float> ListSearch::DistanceAfter(const MatchTable& table, size_t nprobe, size_t count) {
  Prepare();
  LEADLINE_RETURN_IF_ERROR(VisitFirst(table, nprobe));
  return DistanceSoFar(count);
}

void ListSearch::Prepare() {
  scratch_.sums.resize(kChunkRows);
  scratch_.visited.assign(parts_.lists.centroids.rows, false);
  scratch_.order.clear();
  scratch_.collected.clear();
  masks_ = filter_ == nullptr ? nullptr : filter_->masks();
  match_blocks_ = filter_ == nullptr ? nullptr : filter_->blocks();
  if (parts_.codes.has_value()) {
    scratch_.query.Prepare(*parts_.codes, parts_.AlongAxes(query_, &scratch_.projection));
    const bool uneven = filter_ != nullptr && filter_->table() != nullptr;
    const size_t more =
        uneven ? std::max(sizes_.scanned, std::min(6 * sizes_.scanned, kSpareCandidates)) : 0;
    scratch_.found.Reset(blocks_ != nullptr ? sizes_.scanned + more : sizes_.rescored);
    scratch_.narrowed.Reset(sizes_.rescored);
  }
  PrepareTable();
}

void ListSearch::PrepareTable() {
  if (parts_.products.has_value()) {
    const ProductLists& products = *parts_.products;
    scratch_.table.Prepare(products.shape, products.codewords, query_,
                           parts_.metric == Metric::kL2 ? -2.0F : -1.0F);
    table_ = scratch_.table.bytes();
    // Twice the sum times minus half a step, taken away, adds the sum's steps.
    map_ = {-scratch_.table.step() / 2, 0};
  } else if (parts_.bits.has_value()) {
    scratch_.bit_table.Prepare(parts_.bits->rotation, query_);
    table_ = scratch_.bit_table.bytes();
    map_ = scratch_.bit_table.map();
  }
}

/// Those of the `count` nearest lists, or of as many as `gaps` says, that were not visited yet.
Status ListSearch::VisitNearest(size_t count, const ListGaps* gaps) {
  LEADLINE_RETURN_IF_ERROR(CompareLists());
  const float* compared = scratch_.chooser.distances.data();
  if (gaps != nullptr) {
    count = gaps->ListsFor(compared, parts_.chooser.SquaredNorm(query_), count);
  }
  std::vector<uint32_t>& lists = scratch_.lists;
  lists.resize(count);
  parts_.chooser.KeepNearest(compared, count, &scratch_.chooser, lists.data());
  std::erase_if(lists, [this](uint32_t list) { return scratch_.visited[list]; });
  return VisitTheseLists();
}

/// Those in scratch_.lists.
Status ListSearch::VisitTheseLists() {
  LEADLINE_RETURN_IF_ERROR(MeasureLists());
  NearestFirst();
  const std::vector<Neighbor>& nearest = scratch_.nearest;
  for (size_t i = 0; i < nearest.size(); ++i) {
    const uint32_t list = nearest[i].row;
    next_blocks_ = i + 1 < nearest.size() ? AskFor(nearest[i + 1].row) : nullptr;
    scratch_.visited[list] = true;
    scratch_.order.push_back(list);
    LEADLINE_RETURN_IF_ERROR(VisitList(nearest[i]));
  }
  CompareCollected();
  return {};
}

/// With all of them, once a query.
Status ListSearch::CompareLists() {
  if (!compared_) {
    LEADLINE_RETURN_IF_ERROR(parts_.chooser.Compare(query_, params_.control, &scratch_.chooser));
    stats_.distances += parts_.lists.centroids.rows;
    compared_ = true;
  }
  return {};
}

/// Leaves the lists in measured, with how far away what their codes start from is.
Status ListSearch::MeasureLists() {
  // A base in full precision takes as long as many by the chooser's codes, which compare them all.
  constexpr size_t kFew = 8;
  const size_t nlist = parts_.lists.centroids.rows;
  if (!parts_.chooses_by_bases || (!compared_ && kFew * scratch_.lists.size() < nlist)) {
    return GatherBases();
  }
  LEADLINE_RETURN_IF_ERROR(CompareLists());
  const float* compared = scratch_.chooser.distances.data();
  const float norm = parts_.chooser.SquaredNorm(query_);
  scratch_.measured.clear();
  for (const uint32_t list : scratch_.lists) {
    scratch_.measured.push_back({parts_.chooser.DistanceTo(list, compared[list], norm), list});
  }
  return {};
}

/// The same in full precision.
Status ListSearch::GatherBases() {
  const MatrixView bases = blocks_ != nullptr ? blocks_->bases : parts_.lists.centroids;
  const std::vector<uint32_t>& lists = scratch_.lists;
  scratch_.distances.resize(std::max(scratch_.distances.size(), lists.size()));
  for (size_t begin = 0; begin < lists.size(); begin += CallControl::kCheckInterval) {
    LEADLINE_RETURN_IF_ERROR(params_.control.Check());
    distance_.Gather(query_, bases.data, lists.data() + begin,
                     std::min(CallControl::kCheckInterval, lists.size() - begin),
                     scratch_.distances.data() + begin);
  }
  scratch_.measured.clear();
  for (size_t i = 0; i < lists.size(); ++i) {
    scratch_.measured.push_back({scratch_.distances[i], lists[i]});
  }
  return {};
}

/// Leaves those measured in nearest: a few of the nearest first, so that the threshold falls early,
/// and the others as they lie in memory.
void ListSearch::NearestFirst() {
  const std::vector<Neighbor>& measured = scratch_.measured;
  std::vector<Neighbor>& nearest = scratch_.nearest;
  float bound = std::numeric_limits<float>::max();
  if (measured.size() > kNearestFirst) {
    std::vector<float>& distances = scratch_.distances;
    distances.resize(std::max(distances.size(), measured.size()));
    std::transform(measured.begin(), measured.end(), distances.begin(),
                   [](const Neighbor& list) { return list.distance; });
    bound = BoundOfSmallest(simd::CurrentLevel().selection, distances.data(), measured.size(),
                            kNearestFirst, 2 * kNearestFirst);
  }
  // Which lists are near nobody can foresee, so nothing branches on it.
  nearest.resize(measured.size());
  std::vector<Neighbor>& others = scratch_.others;
  others.resize(measured.size());
  size_t near = 0;
  for (size_t i = 0; i < measured.size(); ++i) {
    nearest[near] = measured[i];
    others[i - near] = measured[i];
    near += measured[i].distance <= bound ? 1U : 0U;
  }
  const auto end = nearest.begin() + static_cast<std::ptrdiff_t>(near);
  std::sort(nearest.begin(), end);
  std::copy_n(others.begin(), measured.size() - near, end);
}

/// Has what stands beside the first codes of `list` brought to the cache. Returns where the codes
/// are, for a kernel to ask for on its way; null where they are not what is scanned.
const uint8_t* ListSearch::AskFor(uint32_t list) const {
  if (blocks_ == nullptr) {
    return nullptr;
  }
  const size_t first = blocks_->first_block[list] * simd::kBlockRows;
  MatchBlocks::List asked;
  if (match_blocks_ != nullptr) {
    asked = match_blocks_->of(list);
  }
  if (asked.rows == 0) {
    asked.rows = parts_.lists.offsets[list + 1] - parts_.lists.offsets[list];
    asked.codes = blocks_->codes + blocks_->first_block[list] * blocks_->block_bytes();
    asked.adds = blocks_->adds == nullptr ? nullptr : blocks_->adds + first;
    asked.scales = blocks_->scales == nullptr ? nullptr : blocks_->scales + first;
  }
  for (const float* values : {asked.adds, asked.scales}) {
    const size_t rows = values == nullptr ? 0 : std::min(asked.rows, kRowsAskedFor);
    for (size_t r = 0; r < rows; r += simd::kBlockRows) {
      __builtin_prefetch(values + r);
    }
  }
  return asked.codes;
}

Status ListSearch::VisitList(const Neighbor& list) {
  const size_t begin = parts_.lists.offsets[list.row];
  const size_t end = parts_.lists.offsets[list.row + 1];
  list_base_ = list.distance + (parts_.products.has_value() ? scratch_.table.base() : 0.0F);
  if (match_blocks_ != nullptr && match_blocks_->of(list.row).rows > 0) {
    LEADLINE_RETURN_IF_ERROR(params_.control.Check());
    ScanMatches(match_blocks_->of(list.row));
    ++stats_.hops;
    return {};
  }
  for (size_t at = begin; at < end; at += kChunkRows) {
    if ((at - begin) % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
    }
    const size_t count = std::min(kChunkRows, end - at);
    size_t allowed = count;
    const uint64_t* mask = MaskOf(list.row, at, count, &allowed);
    visited_ += count;
    met_ += allowed;
    if (allowed == 0) {
      continue;
    }
    const bool dense =
        static_cast<double>(allowed) * costs_.code >= static_cast<double>(count) * costs_.block;
    if (blocks_ != nullptr && (mask_rows_ == nullptr || dense)) {
      ScanBlocks(list.row, at, count, mask);
    } else if (parts_.codes.has_value()) {
      mask == nullptr ? ScanCodes(at, count) : CollectCodes(at, count, mask);
    } else {
      ScanRows(at, count, mask);
    }
  }
  if (beside_ != nullptr && blocks_ != nullptr) {
    ScanBlocksBeside(list.row);
  }
  ++stats_.hops;
  return {};
}

/// Bits of the allowed rows among positions [begin, begin + count) of `list`, null where all are.
const uint64_t* ListSearch::MaskOf(uint32_t list, size_t begin, size_t count, size_t* allowed) {
  const bool filtered = mask_rows_ != nullptr;
  if (!filtered && count % simd::kBlockRows == 0) {
    return nullptr;
  }
  if (masks_ != nullptr) {
    const size_t first = begin - parts_.lists.offsets[list];
    const uint64_t* mask = masks_->of(list) + first / 64;
    *allowed = first == 0 && begin + count == parts_.lists.offsets[list + 1]
                   ? masks_->CountOf(list)
                   : CountSet(mask, count);
    return mask;
  }
  if (filtered) {
    scratch_.mask.assign(kChunkRows / 64, 0);
    *allowed = GatherMask(parts_.lists, mask_rows_, begin, count, scratch_.mask.data());
    return scratch_.mask.data();
  }
  return MaskOfFirst(count);
}

/// Bits of the first `count` of a chunk.
uint64_t* ListSearch::MaskOfFirst(size_t count) {
  std::vector<uint64_t>& mask = scratch_.mask;
  mask.assign(kChunkRows / 64, 0);
  std::fill_n(mask.begin(), count / 64, ~uint64_t{0});
  if (count % 64 != 0) {
    mask[count / 64] = (uint64_t{1} << (count % 64)) - 1;
  }
  return mask.data();
}

/// Keeps those of `count` rows found by the filter's bits that are allowed, in order; returns how
/// many.
size_t ListSearch::DropBarred(float* distances, uint32_t* positions, size_t count) const {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    distances[kept] = distances[i];
    positions[kept] = positions[i];
    kept += IsAllowed(params_.allowed, parts_.lists.row_ids[positions[i]]) ? 1U : 0U;
  }
  return kept;
}

void ListSearch::ScanRows(size_t begin, size_t count, const uint64_t* mask) {
  std::array<uint32_t, kChunkRows> rows{};
  std::array<float, kChunkRows> distances{};
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    rows[kept] = parts_.lists.row_ids[begin + i];
    kept += IsAllowed(mask, i) ? 1U : 0U;
  }
  distance_.Gather(query_, parts_.vectors.data, rows.data(), kept, distances.data());
  for (size_t i = 0; i < kept; ++i) {
    if (distances[i] <= top_.threshold()) {
      top_.Offer(distances[i], rows[i]);
    }
  }
  stats_.distances += kept;
}

void ListSearch::ScanCodes(size_t begin, size_t count) {
  std::vector<uint32_t>& positions = scratch_.positions;
  positions.resize(count);
  std::iota(positions.begin(), positions.end(), static_cast<uint32_t>(begin));
  CompareCodes(positions);
}

/// The rows in `mask`, later: a few of each list, wherever they are, take their time to arrive.
void ListSearch::CollectCodes(size_t begin, size_t count, const uint64_t* mask) {
  std::vector<uint32_t>& collected = scratch_.collected;
  for (size_t w = 0; w < (count + 63) / 64; ++w) {
    for (uint64_t rest = mask[w]; rest != 0; rest &= rest - 1) {
      collected.push_back(
          static_cast<uint32_t>(begin + w * 64 + static_cast<size_t>(std::countr_zero(rest))));
      parts_.codes->Prefetch(collected.back());
    }
  }
  if (collected.size() >= kChunkRows) {
    CompareCollected();
  }
}

void ListSearch::CompareCollected() {
  const std::span<const uint32_t> collected = scratch_.collected;
  for (size_t at = 0; at < collected.size(); at += kChunkRows) {
    CompareCodes(collected.subspan(at, std::min(kChunkRows, collected.size() - at)));
  }
  scratch_.collected.clear();
}

void ListSearch::CompareCodes(std::span<const uint32_t> positions) {
  scratch_.distances.resize(std::max(scratch_.distances.size(), kChunkRows));
  const float* distances = scratch_.distances.data();
  scratch_.query.Distances(positions.data(), positions.size(), scratch_.sums.data(),
                           scratch_.distances.data());
  const float threshold = last().threshold();
  float* kept_distances = last().distances_end();
  uint32_t* kept_positions = last().positions_end();
  size_t kept = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    kept_distances[kept] = distances[i];
    kept_positions[kept] = positions[i];
    kept += distances[i] <= threshold ? 1U : 0U;
  }
  last().Added(barred_ ? DropBarred(kept_distances, kept_positions, kept) : kept);
  stats_.distances += positions.size();
}

void ListSearch::ScanBlocks(uint32_t list, size_t begin, size_t count, const uint64_t* mask) {
  const size_t in_list = begin - parts_.lists.offsets[list];
  const size_t first_block = blocks_->first_block[list] + in_list / simd::kBlockRows;
  const size_t blocks = (count + simd::kBlockRows - 1) / simd::kBlockRows;
  const size_t at = first_block * simd::kBlockRows;
  const uint8_t* const codes = blocks_->codes + first_block * blocks_->block_bytes();
  const bool last = begin + count == parts_.lists.offsets[list + 1];
  kernels_.table_sums(table_, codes, blocks_->lines, blocks,
                      last ? next_blocks_ : codes + blocks * blocks_->block_bytes(),
                      scratch_.sums.data());
  const float* adds = blocks_->adds == nullptr ? Fixed().zeros.data() : blocks_->adds + at;
  const float* scales = blocks_->scales == nullptr ? Fixed().ones.data() : blocks_->scales + at;
  float* distances = scratch_.found.distances_end();
  uint32_t* positions = scratch_.found.positions_end();
  size_t kept = kernels_.select_near(scratch_.sums.data(), adds, scales, blocks * simd::kBlockRows,
                                     map_, scratch_.found.threshold() - list_base_, mask,
                                     static_cast<uint32_t>(begin), distances, positions);
  if (barred_) {
    kept = DropBarred(distances, positions, kept);
  }
  for (size_t i = 0; i < kept; ++i) {
    distances[i] += list_base_;
  }
  scratch_.found.Added(kept);
  stats_.distances += count;
}

void ListSearch::ScanMatches(const MatchBlocks::List& matches) {
  visited_ += matches.rows;
  met_ += matches.rows;
  for (size_t at = 0; at < matches.rows; at += kChunkRows) {
    const size_t count = std::min(kChunkRows, matches.rows - at);
    const size_t blocks = (count + simd::kBlockRows - 1) / simd::kBlockRows;
    kernels_.table_sums(table_, matches.codes + at / simd::kBlockRows * blocks_->block_bytes(),
                        blocks_->lines, blocks, next_blocks_, scratch_.sums.data());
    const float* adds = matches.adds == nullptr ? Fixed().zeros.data() : matches.adds + at;
    const float* scales = matches.scales == nullptr ? Fixed().ones.data() : matches.scales + at;
    float* distances = scratch_.found.distances_end();
    uint32_t* positions = scratch_.found.positions_end();
    size_t kept = kernels_.select_near(
        scratch_.sums.data(), adds, scales, blocks * simd::kBlockRows, map_,
        scratch_.found.threshold() - list_base_,
        count % simd::kBlockRows == 0 ? nullptr : MaskOfFirst(count), 0, distances, positions);
    for (size_t i = 0; i < kept; ++i) {
      distances[i] += list_base_;
      positions[i] = matches.positions[at + positions[i]];
    }
    if (barred_) {
      kept = DropBarred(distances, positions, kept);
    }
    scratch_.found.Added(kept);
    stats_.distances += count;
  }
}

/// The rows beside of one list that are in blocks, together with those of the index.
void ListSearch::ScanBlocksBeside(uint32_t number) {
  const IvfListedRows::List* const list = beside_->list(number);
  const size_t rows = list == nullptr ? 0 : list->coded.size();
  for (size_t at = 0; at < rows; at += kChunkRows) {
    const std::span<const uint32_t> some =
        std::span(list->coded).subspan(at, std::min(kChunkRows, rows - at));
    const size_t first_block = at / simd::kBlockRows;
    const size_t blocks = (some.size() + simd::kBlockRows - 1) / simd::kBlockRows;
    kernels_.table_sums(table_, list->blocks() + first_block * blocks_->block_bytes(),
                        blocks_->lines, blocks, nullptr, scratch_.sums.data());
    const float* adds = list->adds.empty() ? Fixed().zeros.data() : list->adds.data() + at;
    const float* scales = list->scales.empty() ? Fixed().ones.data() : list->scales.data() + at;
    float* distances = scratch_.found.distances_end();
    uint32_t* positions = scratch_.found.positions_end();
    const size_t kept = kernels_.select_near(
        scratch_.sums.data(), adds, scales, blocks * simd::kBlockRows, map_,
        scratch_.found.threshold() - list_base_, MaskOfBeside(some), 0, distances, positions);
    for (size_t i = 0; i < kept; ++i) {
      distances[i] += list_base_;
      positions[i] = static_cast<uint32_t>(parts_.vectors.rows) + some[positions[i]];
    }
    scratch_.found.Added(kept);
    stats_.distances += some.size();
  }
}

/// Bits of those of `numbers`, ascending and at most kChunkRows, that count and may be returned.
const uint64_t* ListSearch::MaskOfBeside(std::span<const uint32_t> numbers) {
  size_t count = numbers.size();
  while (count > 0 && numbers[count - 1] >= params_.beside_count) {
    --count;
  }
  uint64_t* mask = MaskOfFirst(count);
  for (size_t i = 0; params_.beside_allowed != nullptr && i < count; ++i) {
    const uint64_t barred = IsAllowed(params_.beside_allowed, numbers[i]) ? 0 : 1;
    mask[i / 64] &= ~(barred << (i % 64));
  }
  return mask;
}

}  // namespace leadline::index
