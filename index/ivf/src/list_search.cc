#include "list_search.h"

#include <algorithm>
#include <array>

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
  const bool coarse = parts.codes.has_value() && parts.codes->type() == CodeType::kSq4;
  const size_t usual = coarse ? 3 * params.k : params.k + params.k / 2;
  sizes.rescored = std::max(params.k, params.rescore == 0 ? usual : params.rescore);
  sizes.scanned =
      std::max(sizes.rescored, params.candidates == 0 ? 10 * params.k : params.candidates);
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
      top_(params.k) {}

Status ListSearch::Run(const ProbePlan& plan, SearchOutcome* out) {
  Prepare();
  scratch_.visited.assign(parts_.lists.centroids.rows, false);
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
  if (parts_.codes.has_value()) {
    LEADLINE_RETURN_IF_ERROR(Rescore());
  }
  *out = {top_.Take(), stats_};
  return {};
}

void ListSearch::Prepare() {
  scratch_.sums.resize(kChunkRows);
  if (parts_.codes.has_value()) {
    scratch_.query.Prepare(*parts_.codes, query_);
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
    map_ = {-scratch_.table.step() / 2, 0};
  } else if (parts_.bits.has_value()) {
    list_base_ = list.distance;
    map_ = scratch_.bit_table.map();
  }
}

void ListSearch::ScanBlocks(uint32_t list, size_t begin, size_t count, const uint64_t* mask) {
  const size_t in_list = begin - parts_.lists.offsets[list];
  const size_t first_block = blocks_->first_block[list] + in_list / simd::kBlockRows;
  const size_t blocks = (count + simd::kBlockRows - 1) / simd::kBlockRows;
  const size_t at = first_block * simd::kBlockRows;
  kernels_.table_sums(parts_.bits.has_value() ? scratch_.bit_table.bytes() : scratch_.table.bytes(),
                      blocks_->codes + first_block * blocks_->block_bytes(), blocks_->lines, blocks,
                      scratch_.sums.data());
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
  const size_t count = found.size();
  for (size_t i = 0; i < count; ++i) {
    parts_.codes->Prefetch(found.positions()[i]);
  }
  scratch_.sums.resize(std::max(scratch_.sums.size(), count));
  scratch_.query.Distances(found.positions(), count, scratch_.sums.data(), found.distances());
  stats_.distances += count;
  CandidateBuffer& narrowed = scratch_.narrowed;
  narrowed.Reset(sizes_.rescored);
  for (size_t begin = 0; begin < count; begin += CandidateBuffer::kMaxAppend) {
    const size_t part = std::min(CandidateBuffer::kMaxAppend, count - begin);
    std::copy_n(found.distances() + begin, part, narrowed.distances_end());
    std::copy_n(found.positions() + begin, part, narrowed.positions_end());
    narrowed.Added(part);
  }
}

Status ListSearch::Rescore() {
  CandidateBuffer& last = blocks_ != nullptr ? scratch_.narrowed : scratch_.found;
  last.Finish();
  std::vector<uint32_t>& rows = scratch_.rows;
  rows.clear();
  for (size_t i = 0; i < last.size(); ++i) {
    rows.push_back(parts_.lists.row_ids[last.positions()[i]]);
  }
  if (params_.row_check != nullptr) {
    LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(rows));
  }
  RescoreRows(distance_, parts_.vectors, query_, rows, &top_, &stats_);
  return {};
}

}  // namespace leadline::index
