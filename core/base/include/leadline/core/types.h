#pragma once

/// Words shared by every part of the public API.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "leadline/core/status.h"

namespace leadline {

/// How two vectors are compared. Values are persisted: never renumber.
enum class Metric : uint8_t {
  kL2 = 1,            ///< squared Euclidean distance, lower is better
  kInnerProduct = 2,  ///< dot product, higher is better
  kCosine = 3,        ///< cosine similarity in [-1, 1], higher is better
};

/// Kind of index over one segment. Values are persisted: never renumber.
enum class IndexKind : uint8_t {
  kAuto = 1,  ///< chosen per segment from its size
  kFlat = 2,  ///< exact scan
  kHnsw = 3,  ///< navigable small-world graph (Malkov & Yashunin 2016)
  kIvf = 4,   ///< inverted lists over k-means cells
};

/// Element type an index searches on. Values are persisted: never renumber.
enum class CodeType : uint8_t {
  kAuto = 1,
  kF32 = 2,
  kBf16 = 3,
  kSq8 = 4,
  kSq4 = 5,
  kPq4 = 6,
  kRabitq = 7,
  kPca8 = 8,
};

/// What an acknowledgement means.
enum class Durability : uint8_t {
  kSync = 1,      ///< on stable storage: survives process crash and power cut
  kInterval = 2,  ///< handed to the system; a power cut loses at most the configured interval
  kOs = 3,        ///< handed to the system: survives a process crash, not a power cut
};

/// Number of a committed batch; increases by one per batch, never reused.
using SequenceNumber = uint64_t;

/// Borrowed vector; must outlive the call it is passed to, never retained.
using VectorView = std::span<const float>;

/// Borrowed row-major f32 matrix [rows x dim]; rows are `dim` floats apart.
struct MatrixView {
  const float* data = nullptr;
  size_t rows = 0;
  size_t dim = 0;

  [[nodiscard]] VectorView row(size_t i) const { return {data + i * dim, dim}; }
};

/// Hard limits of the data model. Inputs beyond them are refused with kInvalidArgument.
inline constexpr size_t kMaxIdBytes = 512;
inline constexpr size_t kMaxCollectionNameBytes = 128;
inline constexpr size_t kMaxDim = 65536;
/// Largest magnitude of a value in a vector. Squared norms, and those of differences, then stay
/// finite in f32 at any dim.
inline constexpr float kMaxComponent = 1e15F;
inline constexpr size_t kMaxTopK = 16384;
inline constexpr size_t kMaxEfSearch = 65536;
inline constexpr size_t kMaxNprobe = 65536;
inline constexpr double kMinTargetRecall = 0.5;
inline constexpr double kMaxTargetRecall = 0.999;
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 20;
inline constexpr size_t kMaxPayloadDepth = 64;
inline constexpr size_t kMaxFilterDepth = 32;
inline constexpr size_t kMaxFilterNodes = 1024;
inline constexpr size_t kMaxBatchBytes = size_t{256} << 20;
inline constexpr size_t kMaxBatchRecords = 100'000;
inline constexpr uint32_t kMinM = 2;
inline constexpr uint32_t kMaxM = 256;
inline constexpr uint32_t kMaxEfConstruction = 10'000;
inline constexpr uint32_t kMaxNlist = 65'536;
/// Rows of one segment: their numbers are u32, and the last value stands for none.
inline constexpr uint64_t kMaxSegmentRows = 0xFFFF'FFFE;

/// "l2", "ip", "cosine".
std::string_view MetricName(Metric metric);
/// kInvalidArgument names the accepted words.
Result<Metric> ParseMetric(std::string_view name);
/// True for kInnerProduct and kCosine.
bool HigherIsBetter(Metric metric);
/// "auto", "flat", "hnsw", "ivf".
std::string_view IndexKindName(IndexKind kind);
Result<IndexKind> ParseIndexKind(std::string_view name);
/// "auto", "f32", "bf16", "sq8", "sq4", "pq4", "rabitq", "pca8".
std::string_view CodeTypeName(CodeType codes);
Result<CodeType> ParseCodeType(std::string_view name);

/// Asks a running call to stop. Thread-safe; one token may serve many calls. Calls look at it at
/// least every 1,024 distance computations and then return kCancelled.
class CancelToken {
 public:
  CancelToken() = default;

  /// Of work that is done for several: fires by itself once all of `others` have. Borrowed; must
  /// outlive it.
  explicit CancelToken(std::vector<const CancelToken*> others) : others_(std::move(others)) {}

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] bool cancelled() const {
    return cancelled_.load(std::memory_order_relaxed) ||
           (!others_.empty() && std::all_of(others_.begin(), others_.end(),
                                            [](const auto* other) { return other->cancelled(); }));
  }

 private:
  std::atomic<bool> cancelled_{false};
  std::vector<const CancelToken*> others_;
};

}  // namespace leadline
