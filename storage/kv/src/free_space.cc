#include "free_space.h"

#include <algorithm>
#include <utility>

namespace leadline::kv {
namespace {

/// Upper bound of what may be written between two measurements.
constexpr uint64_t kMeasureEveryBytes = uint64_t{8} << 20;
/// A byte of a batch reaches the disk in the log, in a table file, and again while files are
/// merged.
constexpr uint64_t kWritesPerByte = 3;

}  // namespace

FreeSpace::FreeSpace(FileSystem* fs, std::string directory, uint64_t min_free_bytes)
    : fs_(fs), directory_(std::move(directory)), min_free_bytes_(min_free_bytes) {}

Status FreeSpace::Admit(uint64_t bytes, Admission admission) {
  if (min_free_bytes_ == 0) {
    return {};
  }
  const uint64_t mark =
      admission == Admission::kShrink ? min_free_bytes_ / kShrinkShare : min_free_bytes_;
  const uint64_t needed = bytes * kWritesPerByte;
  const uint64_t written = written_.fetch_add(needed, std::memory_order_relaxed) + needed;
  const uint64_t free = free_.load(std::memory_order_relaxed);
  if (written < kMeasureEveryBytes && free > min_free_bytes_ + kMeasureEveryBytes) {
    return {};
  }
  const Result<uint64_t> measured = fs_->FreeSpace(directory_);
  if (!measured.ok()) {
    return {};
  }
  free_.store(*measured, std::memory_order_relaxed);
  written_.store(0, std::memory_order_relaxed);
  if (*measured >= mark + needed) {
    return {};
  }
  return ResourceExhaustedError("disk nearly full: directory=" + directory_ +
                                " free=" + std::to_string(*measured) +
                                " needed=" + std::to_string(mark + needed))
      .WithField("min_free_bytes", std::to_string(min_free_bytes_));
}

}  // namespace leadline::kv
