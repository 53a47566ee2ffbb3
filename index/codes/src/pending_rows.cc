#include "pending_rows.h"

#include <algorithm>
#include <span>
#include <utility>

#include "leadline/index/rescoring.h"

namespace leadline::index {
namespace {

constexpr size_t kSlack = 64;
/// More pending rows than these (or 4 k) are compared in full precision there and then.
constexpr size_t kMostPending = 4096;
/// Rows compared in full precision between two looks at whether any more can matter; more of them
/// from look to look, since many more are likely to follow then.
constexpr size_t kRowsTogether = 8;
constexpr size_t kMostTogether = 32;

}  // namespace

PendingRows::PendingRows(size_t k, float farthest)
    : k_(k), full_(2 * k + kSlack), bound_(farthest), top_(k) {
  uppers_.reserve(std::min(k_, kMostPending));
  pending_.reserve(std::min(full_, kMostPending));
}

void PendingRows::Shrink(const Source& source) {
  DropBeyondBound();
  const size_t most = std::max(kMostPending, 4 * k_);
  if (pending_.size() > most / 2) {
    Rescore(source);
  }
  full_ = std::max(2 * k_ + kSlack, 2 * pending_.size());
}

/// k rows lie within the k-th smallest upper end, so no row beyond it is among the k nearest, and
/// none of those k is dropped.
void PendingRows::KeepUpper(float upper) {
  if (uppers_.size() < k_) {
    uppers_.push_back(upper);
    std::push_heap(uppers_.begin(), uppers_.end());
  } else if (upper < uppers_.front()) {
    // The largest makes room: what is larger than `upper` moves up from below.
    size_t hole = 0;
    for (size_t child = 1; child < k_; child = 2 * hole + 1) {
      child += child + 1 < k_ && uppers_[child + 1] > uppers_[child] ? 1U : 0U;
      if (uppers_[child] <= upper) {
        break;
      }
      uppers_[hole] = uppers_[child];
      hole = child;
    }
    uppers_[hole] = upper;
  }
  if (uppers_.size() == k_) {
    bound_ = std::min(bound_, uppers_.front());
  }
}

void PendingRows::DropBeyondBound() {
  std::erase_if(pending_, [this](const Pending& row) { return row.lower > bound_; });
}

void PendingRows::Rescore(const Source& source) {
  std::sort(pending_.begin(), pending_.end(), [](const Pending& a, const Pending& b) {
    return a.lower != b.lower ? a.lower < b.lower : a.row < b.row;
  });
  std::vector<uint32_t> rows;
  rows.reserve(std::min(pending_.size(), std::max(k_, kMostTogether)));
  const size_t first = std::max(k_, kRowsTogether);
  size_t together = first;
  for (size_t i = 0; i < pending_.size() && pending_[i].lower <= top_.threshold();) {
    rows.clear();
    // Equal distances may still win by row number.
    for (; rows.size() < together && i < pending_.size() && pending_[i].lower <= top_.threshold();
         ++i) {
      rows.push_back(pending_[i].row);
    }
    Compare(rows, source, &top_);
    if (!failed_.ok()) {
      break;
    }
    together = i <= first ? kRowsTogether : std::min(2 * together, kMostTogether);
  }
  pending_.clear();
  bound_ = std::min(bound_, top_.threshold());
}

void PendingRows::LimitBy(const std::vector<uint32_t>& rows, const Source& source) {
  TopK nearest(k_);
  Compare(rows, source, &nearest);
  Limit(nearest.threshold());
}

void PendingRows::Compare(const std::vector<uint32_t>& rows, const Source& source, TopK* top) {
  if (source.check != nullptr && failed_.ok()) {
    failed_ = source.check->Check(rows);
  }
  if (failed_.ok()) {
    RescoreRows(source.distance, source.vectors, source.query, rows, top, &stats_);
  }
}

Status PendingRows::Finish(const Source& source, SearchOutcome* out) {
  DropBeyondBound();
  Rescore(source);
  *out = {top_.Take(), stats_};
  return std::move(failed_);
}

}  // namespace leadline::index
