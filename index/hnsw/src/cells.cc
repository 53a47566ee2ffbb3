#include "cells.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "build_parallel.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/packed_lines.h"
#include "leadline/simd/level.h"
#include "leadline/simd/tile_kernels.h"
#include "tile_search.h"

namespace leadline::index::hnsw {
namespace {

using simd::kPackLanes;

/// Times that nodes are given to centres; between two the centres move.
constexpr int kRounds = 3;
/// Nodes of a task.
constexpr size_t kTaskNodes = CallControl::kCheckInterval;
/// Rows that pass over the centres together, and packs of centres of a tile.
constexpr size_t kTileRows = 24;
constexpr size_t kTilePacks = 16;

/// Centres side by side, as the kernels take them.
class CentreLanes {
 public:
  CentreLanes(const RowCodes& codes, MatrixView centres)
      : codes_(codes),
        length_(kernels_.LengthOf(centres.dim)),
        packs_((centres.rows + kPackLanes - 1) / kPackLanes),
        multipliers_(packs_ * kPackLanes),
        offsets_(packs_ * kPackLanes),
        adds_(packs_ * kPackLanes, std::numeric_limits<float>::infinity()) {
    RowQuery query;
    std::vector<int8_t> numbers(centres.rows * length_);
    for (size_t c = 0; c < centres.rows; ++c) {
      query.Prepare(codes, centres.row(c).data());
      std::copy_n(query.integers().begin(), length_, numbers.data() + c * length_);
      multipliers_[c] = query.map().multiplier;
      offsets_[c] = query.map().offset;
      adds_[c] = query.Shift();
    }
    packed_.Resize(packs_, length_);
    kernels_.pack_queries(numbers.data(), length_, nullptr, centres.rows, length_, packed_.pack(0));
  }

  /// The centre nearest to each of `rows`, at most kTileRows, the lowest of equals.
  void FindNearest(std::span<const uint32_t> rows, uint32_t* nearest) const {
    std::array<int32_t, kTileRows * kTilePacks * kPackLanes> sums{};
    std::array<float, kTileRows> best{};
    best.fill(std::numeric_limits<float>::infinity());
    std::fill_n(nearest, rows.size(), 0U);
    for (size_t pack = 0; pack < packs_; pack += kTilePacks) {
      const size_t packs = std::min(kTilePacks, packs_ - pack);
      const size_t width = packs * kPackLanes;
      const size_t lane = pack * kPackLanes;
      kernels_.packed_sums(codes_.codes(), codes_.stride(), rows.data(), rows.size(), length_,
                           packed_.pack(pack), packs, sums.data(), width);
      kernels_.tile_nearest(
          {sums.data(), width, rows.size(), packs, codes_.terms(), codes_.terms_stride(),
           rows.data()},
          {multipliers_.data() + lane, offsets_.data() + lane, adds_.data() + lane},
          static_cast<uint32_t>(lane), best.data(), nearest);
    }
  }

 private:
  const RowCodes& codes_;
  const simd::TileKernels& kernels_ = simd::CurrentLevel().tiles;
  size_t length_;
  size_t packs_;
  PackedLines packed_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<float> adds_;  ///< infinite where there is no centre
};

}  // namespace

Result<Cells> Cells::Make(const CodedRows& rows, size_t size, Executor* executor,
                          const CallControl& control) {
  Cells cells;
  const size_t count = std::max<size_t>(1, rows.nodes.size() / size);
  cells.dim_ = rows.vectors.dim;
  cells.cell_of_.resize(rows.nodes.size());
  cells.begins_.assign(count + 1, 0);
  cells.members_.resize(rows.nodes.size());
  for (size_t c = 0; c < count; ++c) {
    const std::span<const float> row = rows.vectors.row(rows.nodes[c * rows.nodes.size() / count]);
    cells.centres_.insert(cells.centres_.end(), row.begin(), row.end());
  }
  for (int round = 0; round < kRounds; ++round) {
    LEADLINE_RETURN_IF_ERROR(cells.Assign(rows, executor, control));
    cells.Group(rows);
    LEADLINE_RETURN_IF_ERROR(cells.MoveCentres(rows, executor, control));
    if (round + 1 < kRounds) {
      cells.AddCentres(rows, size);
    }
  }
  cells.Finish();
  return cells;
}

Status Cells::Assign(const CodedRows& rows, Executor* executor, const CallControl& control) {
  const CentreLanes lanes(rows.codes, centres());
  const size_t tasks = (rows.nodes.size() + kTaskNodes - 1) / kTaskNodes;
  return ForEachInParallel(executor, tasks, [&](size_t t) -> Status {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t end = std::min(rows.nodes.size(), (t + 1) * kTaskNodes);
    for (size_t begin = t * kTaskNodes; begin < end; begin += kTileRows) {
      const size_t count = std::min(kTileRows, end - begin);
      lanes.FindNearest(rows.nodes.subspan(begin, count), cell_of_.data() + begin);
    }
    return {};
  });
}

void Cells::Group(const CodedRows& rows) {
  std::fill(begins_.begin(), begins_.end(), 0U);
  for (const uint32_t cell : cell_of_) {
    ++begins_[cell + 1];
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
  for (size_t i = 0; i < rows.nodes.size(); ++i) {
    members_[next[cell_of_[i]]++] = rows.nodes[i];
  }
}

/// Some members of each cell that is too large become centres as well.
void Cells::AddCentres(const CodedRows& rows, size_t size) {
  const size_t before = count();
  for (uint32_t c = 0; c < before; ++c) {
    const std::span<const uint32_t> members = MembersOf(c);
    const size_t wanted = members.size() / size;
    for (size_t i = 1; i < wanted; ++i) {
      const std::span<const float> row = rows.vectors.row(members[i * members.size() / wanted]);
      centres_.insert(centres_.end(), row.begin(), row.end());
    }
  }
  begins_.resize(centres_.size() / dim_ + 1);
}

/// Splits cells that are still too large and drops those without members.
void Cells::Finish() {
  const std::vector<float> centres = std::move(centres_);
  const std::vector<uint32_t> begins = std::move(begins_);
  centres_.clear();
  begins_.assign(1, 0);
  for (size_t c = 0; c + 1 < begins.size(); ++c) {
    const float* centre = centres.data() + c * dim_;
    while (begins_.back() < begins[c + 1]) {
      const uint32_t left = begins[c + 1] - begins_.back();
      begins_.push_back(begins_.back() + std::min<uint32_t>(left, kMostMembers));
      centres_.insert(centres_.end(), centre, centre + dim_);
    }
  }
}

/// To the mean of its members; the centre of an empty cell stays.
Status Cells::MoveCentres(const CodedRows& rows, Executor* executor, const CallControl& control) {
  return ForEachInParallel(executor, count(), [&](size_t c) -> Status {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const std::span<const uint32_t> members = MembersOf(static_cast<uint32_t>(c));
    if (members.empty()) {
      return {};
    }
    std::vector<double> sums(dim_);
    for (const uint32_t row : members) {
      const float* values = rows.vectors.row(row).data();
      for (size_t i = 0; i < dim_; ++i) {
        sums[i] += static_cast<double>(values[i]);
      }
    }
    for (size_t i = 0; i < dim_; ++i) {
      centres_[c * dim_ + i] = static_cast<float>(sums[i] / static_cast<double>(members.size()));
    }
    return {};
  });
}

Status Cells::FindNear(std::span<const uint32_t> cells, size_t count, Metric metric,
                       Executor* executor, const CallControl& control,
                       std::vector<uint32_t>* near) const {
  LEADLINE_ASSIGN_OR_RETURN(const OwnedCodes table,
                            OwnedCodes::Make(centres(), metric, executor, control));
  std::vector<uint32_t> all(this->count());
  std::iota(all.begin(), all.end(), 0U);
  near->resize(cells.size() * count);
  constexpr size_t kLanes = 32;
  const size_t tasks = (cells.size() + kLanes - 1) / kLanes;
  return ForEachInParallel(executor, tasks, [&](size_t t) -> Status {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const auto part = cells.subspan(t * kLanes, std::min(kLanes, cells.size() - t * kLanes));
    TileSearch search(table.codes(), dim_);
    search.Start(part, count);
    search.Offer(all);
    std::vector<Key> found;
    for (size_t lane = 0; lane < part.size(); ++lane) {
      search.Take(lane, &found);
      uint32_t* list = near->data() + (t * kLanes + lane) * count;
      std::transform(found.begin(), found.end(), list, NodeOf);
      // Itself first, whatever rounding and equal centres say.
      uint32_t* const itself = std::find(list, list + count - 1, part[lane]);
      std::rotate(list, itself, itself + 1);
      list[0] = part[lane];
    }
    return {};
  });
}

}  // namespace leadline::index::hnsw
