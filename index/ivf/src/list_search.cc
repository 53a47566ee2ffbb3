#include "list_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "leadline/index/rescoring.h"

namespace leadline::index {
namespace {

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

ListSearch::Scratch& ListSearch::Scratch::OfThread() {
  static thread_local Scratch scratch;
  return scratch;
}

ListSearch::ListSearch(const IvfParts& parts, const SearchParams& params, const float* query,
                       Scratch* scratch)
    : parts_(parts),
      params_(params),
      query_(query),
      scratch_(*scratch),
      distance_(parts.metric, parts.vectors.dim),
      kernels_(simd::CurrentLevel().codes),
      sizes_(SizesFor(parts, params)),
      blocks_(parts.blocks()),
      beside_(static_cast<const IvfListedRows*>(params.beside)),
      top_(params.k) {}

Status ListSearch::Run(const ProbePlan& plan, SearchOutcome* out) {
  Prepare();
  scratch_.visited.assign(parts_.lists.centroids.rows, false);
  scratch_.order.clear();
  LEADLINE_RETURN_IF_ERROR(VisitNearest(plan.nprobe));
  const double missing = plan.MissingAfter(visited_, met_);
  gave_up_ = missing >= ProbePlan::kElsewhere && plan.may_give_up;
  // Where few of the nearest lists' rows match, the nearest matches lie at the rim of what the
  // filter leaves out, and so at much the same distance: more of them must be met.
  const double enough = static_cast<double>(plan.enough) * std::min(missing, ProbePlan::kElsewhere);
  for (size_t lists = plan.nprobe;
       !gave_up_ && static_cast<double>(met_) < enough && lists < scratch_.visited.size();) {
    lists = std::min(scratch_.visited.size(), lists + (lists + 1) / 2);
    LEADLINE_RETURN_IF_ERROR(VisitNearest(lists));
    gave_up_ = plan.may_give_up && visited_ > plan.most_visited;
  }
  if (gave_up_) {
    *out = {{}, stats_};
    return {};
  }
  if (blocks_ != nullptr) {
    Narrow();
  }
  if (beside_ != nullptr) {
    ScanCodesBeside();
    stats_.beside = true;
  }
  if (parts_.codes.has_value()) {
    LEADLINE_RETURN_IF_ERROR(Rescore());
  }
  *out = {top_.Take(), stats_};
  return {};
}

void ListSearch::Prepare() {
  scratch_.sums.resize(kChunkRows);
  if (parts_.codes.has_value()) {
    scratch_.query.Prepare(*parts_.codes, parts_.AlongAxes(query_, &scratch_.projection));
    scratch_.found.Reset(blocks_ != nullptr ? sizes_.scanned : sizes_.rescored);
  }
  if (parts_.products.has_value()) {
    const ProductLists& products = *parts_.products;
    scratch_.table.Prepare(products.shape, products.codewords, query_,
                           parts_.metric == Metric::kL2 ? -2.0F : -1.0F);
  } else if (parts_.bits.has_value()) {
    scratch_.bit_table.Prepare(parts_.bits->rotation, query_);
  }
}

/// Those of the `count` nearest lists that were not visited yet.
Status ListSearch::VisitNearest(size_t count) {
  std::vector<uint32_t>& lists = scratch_.lists;
  lists.resize(count);
  LEADLINE_RETURN_IF_ERROR(parts_.chooser.Choose({query_, 1, parts_.vectors.dim}, count,
                                                 params_.control, &scratch_.chooser, lists.data(),
                                                 nullptr));
  stats_.distances += parts_.lists.centroids.rows;
  std::erase_if(lists, [this](uint32_t list) { return scratch_.visited[list]; });
  LEADLINE_RETURN_IF_ERROR(OrderLists());
  for (const Neighbor& list : scratch_.nearest) {
    scratch_.visited[list.row] = true;
    scratch_.order.push_back(list.row);
    LEADLINE_RETURN_IF_ERROR(VisitList(list));
  }
  return {};
}

/// Nearest list first, by the distance to what its codes start from: so the threshold falls early.
Status ListSearch::OrderLists() {
  const MatrixView centres = blocks_ != nullptr ? blocks_->bases : parts_.lists.centroids;
  const std::vector<uint32_t>& lists = scratch_.lists;
  scratch_.distances.resize(std::max(scratch_.distances.size(), lists.size()));
  for (size_t begin = 0; begin < lists.size(); begin += CallControl::kCheckInterval) {
    LEADLINE_RETURN_IF_ERROR(params_.control.Check());
    distance_.Gather(query_, centres.data, lists.data() + begin,
                     std::min(CallControl::kCheckInterval, lists.size() - begin),
                     scratch_.distances.data() + begin);
  }
  scratch_.nearest.resize(lists.size());
  for (size_t i = 0; i < lists.size(); ++i) {
    scratch_.nearest[i] = {scratch_.distances[i], lists[i]};
  }
  std::sort(scratch_.nearest.begin(), scratch_.nearest.end());
  return {};
}

Status ListSearch::VisitList(const Neighbor& list) {
  const size_t begin = parts_.lists.offsets[list.row];
  const size_t end = parts_.lists.offsets[list.row + 1];
  SetBase(list);
  for (size_t at = begin; at < end; at += kChunkRows) {
    if ((at - begin) % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
    }
    const size_t count = std::min(kChunkRows, end - at);
    size_t allowed = count;
    const uint64_t* mask = MaskOf(at, count, &allowed);
    visited_ += count;
    met_ += allowed;
    if (allowed == 0) {
      continue;
    }
    if (blocks_ != nullptr) {
      ScanBlocks(list.row, at, count, mask);
    } else if (parts_.codes.has_value()) {
      ScanCodes(at, count, mask);
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

/// Bits of the allowed rows among positions [begin, begin + count), null where all are.
const uint64_t* ListSearch::MaskOf(size_t begin, size_t count, size_t* allowed) {
  const bool filtered = params_.allowed != nullptr;
  if (!filtered && count % simd::kBlockRows == 0) {
    return nullptr;
  }
  std::vector<uint64_t>& mask = scratch_.mask;
  mask.assign(kChunkRows / 64, 0);
  if (!filtered) {
    std::fill_n(mask.begin(), count / 64, ~uint64_t{0});
    if (count % 64 != 0) {
      mask[count / 64] = (uint64_t{1} << (count % 64)) - 1;
    }
    return mask.data();
  }
  *allowed = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bit = IsAllowed(params_.allowed, parts_.lists.row_ids[begin + i]) ? 1 : 0;
    mask[i / 64] |= bit << (i % 64);
    *allowed += bit;
  }
  return mask.data();
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

void ListSearch::ScanCodes(size_t begin, size_t count, const uint64_t* mask) {
  std::vector<uint32_t>& positions = scratch_.positions;
  positions.resize(kChunkRows);
  scratch_.distances.resize(std::max(scratch_.distances.size(), kChunkRows));
  size_t wanted = 0;
  for (size_t i = 0; i < count; ++i) {
    positions[wanted] = static_cast<uint32_t>(begin + i);
    wanted += IsAllowed(mask, i) ? 1U : 0U;
  }
  const float* distances = scratch_.distances.data();
  scratch_.query.Distances(positions.data(), wanted, scratch_.sums.data(),
                           scratch_.distances.data());
  const float threshold = scratch_.found.threshold();
  float* kept_distances = scratch_.found.distances_end();
  uint32_t* kept_positions = scratch_.found.positions_end();
  size_t kept = 0;
  for (size_t i = 0; i < wanted; ++i) {
    kept_distances[kept] = distances[i];
    kept_positions[kept] = positions[i];
    kept += distances[i] <= threshold ? 1U : 0U;
  }
  scratch_.found.Added(kept);
  stats_.distances += wanted;
}

/// What sums of table entries mean for the rows of a list.
void ListSearch::SetBase(const Neighbor& list) {
  if (parts_.products.has_value()) {
    list_base_ = list.distance + scratch_.table.base();
    // Twice the sum times minus half a step, taken away, adds the sum's steps.
    table_ = scratch_.table.bytes();
    map_ = {-scratch_.table.step() / 2, 0};
  } else if (parts_.bits.has_value()) {
    list_base_ = list.distance;
    table_ = scratch_.bit_table.bytes();
    map_ = scratch_.bit_table.map();
  }
}

void ListSearch::ScanBlocks(uint32_t list, size_t begin, size_t count, const uint64_t* mask) {
  const size_t in_list = begin - parts_.lists.offsets[list];
  const size_t first_block = blocks_->first_block[list] + in_list / simd::kBlockRows;
  const size_t blocks = (count + simd::kBlockRows - 1) / simd::kBlockRows;
  const size_t at = first_block * simd::kBlockRows;
  kernels_.table_sums(table_, blocks_->codes + first_block * blocks_->block_bytes(), blocks_->lines,
                      blocks, scratch_.sums.data());
  const float* adds = blocks_->adds == nullptr ? Fixed().zeros.data() : blocks_->adds + at;
  const float* scales = blocks_->scales == nullptr ? Fixed().ones.data() : blocks_->scales + at;
  float* distances = scratch_.found.distances_end();
  const size_t kept =
      kernels_.select_near(scratch_.sums.data(), adds, scales, blocks * simd::kBlockRows, map_,
                           scratch_.found.threshold() - list_base_, mask,
                           static_cast<uint32_t>(begin), distances, scratch_.found.positions_end());
  for (size_t i = 0; i < kept; ++i) {
    distances[i] += list_base_;
  }
  scratch_.found.Added(kept);
  stats_.distances += count;
}

/// From the rows nearest by the codes of their blocks to those nearest by their own codes.
void ListSearch::Narrow() {
  CandidateBuffer& found = scratch_.found;
  found.Finish();
  scratch_.narrowed.Reset(sizes_.rescored);
  const auto own = static_cast<uint32_t>(parts_.vectors.rows);
  const std::span<uint32_t> positions(found.positions(), found.size());
  const auto beside = std::partition(positions.begin(), positions.end(),
                                     [own](uint32_t position) { return position < own; });
  NarrowSome(*parts_.codes, {positions.begin(), beside}, 0);
  for (auto number = beside; number != positions.end(); ++number) {
    *number -= own;
  }
  if (beside != positions.end()) {
    NarrowSome(beside_->codes(), {beside, positions.end()}, own);
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
                        blocks_->lines, blocks, scratch_.sums.data());
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
  std::vector<uint64_t>& mask = scratch_.mask;
  mask.assign(kChunkRows / 64, 0);
  size_t count = numbers.size();
  while (count > 0 && numbers[count - 1] >= params_.beside_count) {
    --count;
  }
  std::fill_n(mask.begin(), count / 64, ~uint64_t{0});
  if (count % 64 != 0) {
    mask[count / 64] = (uint64_t{1} << (count % 64)) - 1;
  }
  for (size_t i = 0; params_.beside_allowed != nullptr && i < count; ++i) {
    const uint64_t barred = IsAllowed(params_.beside_allowed, numbers[i]) ? 0 : 1;
    mask[i / 64] &= ~(barred << (i % 64));
  }
  return mask.data();
}

/// The rows beside that are in no blocks, in the lists that were visited.
void ListSearch::ScanCodesBeside() {
  last().Finish();
  std::vector<uint32_t>& numbers = scratch_.beside;
  numbers.clear();
  for (const uint32_t visited : scratch_.order) {
    const IvfListedRows::List* const list = beside_->list(visited);
    for (size_t i = 0; list != nullptr && i < list->plain.size(); ++i) {
      const uint32_t number = list->plain[i];
      if (number < params_.beside_count && IsAllowed(params_.beside_allowed, number)) {
        numbers.push_back(number);
      }
    }
  }
  NarrowSome(beside_->codes(), numbers, static_cast<uint32_t>(parts_.vectors.rows));
}

/// Adds `rows` of `codes` to the rows nearest by their own codes, under numbers from `first` on.
void ListSearch::NarrowSome(const RowCodes& codes, std::span<const uint32_t> rows, uint32_t first) {
  for (size_t begin = 0; begin < rows.size(); begin += CandidateBuffer::kMaxAppend) {
    const std::span<const uint32_t> some =
        rows.subspan(begin, std::min(CandidateBuffer::kMaxAppend, rows.size() - begin));
    for (const uint32_t row : some) {
      codes.Prefetch(row);
    }
    float* distances = last().distances_end();
    uint32_t* positions = last().positions_end();
    scratch_.query.DistancesIn(codes, some.data(), some.size(), scratch_.sums.data(), distances);
    const float threshold = last().threshold();
    size_t kept = 0;
    for (size_t i = 0; i < some.size(); ++i) {
      distances[kept] = distances[i];
      positions[kept] = first + some[i];
      kept += distances[kept] <= threshold ? 1U : 0U;
    }
    last().Added(kept);
  }
  stats_.distances += rows.size();
}

Status ListSearch::Rescore() {
  last().Finish();
  std::vector<uint32_t>& rows = scratch_.rows;
  rows.clear();
  scratch_.beside.clear();
  const size_t own = parts_.vectors.rows;
  for (size_t i = 0; i < last().size(); ++i) {
    const uint32_t position = last().positions()[i];
    if (position < own) {
      rows.push_back(parts_.lists.row_ids[position]);
    } else {
      scratch_.beside.push_back(position - static_cast<uint32_t>(own));
    }
  }
  if (params_.row_check != nullptr) {
    LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(rows));
  }
  for (const uint32_t number : scratch_.beside) {
    __builtin_prefetch(beside_->row(number));
  }
  RescoreRows(distance_, parts_.vectors, query_, rows, &top_, &stats_);
  RescoreBeside(scratch_.beside);
  return {};
}

void ListSearch::RescoreBeside(std::span<const uint32_t> numbers) {
  for (const uint32_t number : numbers) {
    const float distance = distance_.Pair(query_, beside_->row(number));
    if (distance <= top_.threshold()) {
      top_.Offer(distance, static_cast<uint32_t>(parts_.vectors.rows) + number);
    }
  }
  stats_.distances += numbers.size();
  stats_.rescored += numbers.size();
}

}  // namespace leadline::index
