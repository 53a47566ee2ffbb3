#include "list_filter.h"

#include <algorithm>

namespace leadline::index {
namespace {

/// Rows of a list whose bits tell whether matches are spread evenly.
constexpr size_t kSampledBits = 16;
/// Filters that do not depend on where a row lies stay within a few tenths of 1; those that pass
/// whole lists reach kSampledBits.
constexpr double kUneven = 2;
/// Searches that find their bits one by one before all are put in order: by then they have cost as
/// much.
constexpr uint32_t kAskedOften = 4;

}  // namespace

double Unevenness(const IvfView& lists, const uint64_t* rows, double share) {
  double sum = 0;
  size_t counted = 0;
  for (size_t l = 0; l + 1 < lists.offsets.size(); ++l) {
    const size_t begin = lists.offsets[l];
    const size_t size = lists.offsets[l + 1] - begin;
    const size_t sampled = std::min(size, kSampledBits);
    size_t matches = 0;
    for (size_t i = 0; i < sampled; ++i) {
      matches += IsAllowed(rows, lists.row_ids[begin + i * size / sampled]) ? 1U : 0U;
    }
    if (sampled > 0) {
      const double expected = share * static_cast<double>(sampled);
      const double off = static_cast<double>(matches) - expected;
      sum += off * off / (expected * (1 - share));
      ++counted;
    }
  }
  return counted == 0 ? 1 : sum / static_cast<double>(counted);
}

ListFilter::ListFilter(const IvfParts& parts, const uint64_t* rows, uint64_t count)
    : lists_(parts.lists), rows_(rows) {
  const auto all = static_cast<double>(parts.vectors.rows);
  const double share = static_cast<double>(count) / std::max(all, 1.0);
  if (share <= 0 || share >= 1 || Unevenness(lists_, rows, share) < kUneven) {
    return;
  }
  kept_ = std::make_unique<const ListMasks>(lists_, rows);
  ready_.store(kept_.get(), std::memory_order_release);
  table_.emplace(parts, kept_.get());
  if (parts.blocks() != nullptr) {
    blocks_.emplace(parts, *kept_);
  }
}

const ListMasks* ListFilter::masks() const {
  const ListMasks* ready = ready_.load(std::memory_order_acquire);
  if (ready == nullptr && asked_.fetch_add(1, std::memory_order_relaxed) + 1 == kAskedOften) {
    kept_ = std::make_unique<const ListMasks>(lists_, rows_);
    ready = kept_.get();
    ready_.store(ready, std::memory_order_release);
  }
  return ready;
}

size_t ListFilter::resident_bytes() const {
  const ListMasks* ready = ready_.load(std::memory_order_acquire);
  return sizeof(*this) + (ready == nullptr ? 0 : sizeof(ListMasks) + ready->resident_bytes()) +
         (table_.has_value() ? table_->resident_bytes() : 0) +
         (blocks_.has_value() ? blocks_->resident_bytes() : 0);
}

}  // namespace leadline::index
