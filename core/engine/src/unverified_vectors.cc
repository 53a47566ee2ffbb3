#include "unverified_vectors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "leadline/core/hash.h"
#include "leadline/core/test_hooks.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/normalize.h"

namespace leadline::engine {
namespace {

constexpr auto kVectors = static_cast<uint32_t>(segment::SectionType::kVectors);
/// Squared length of a unit vector in f32 may be off by this much.
constexpr float kUnitTolerance = 1e-3F;

Status BadRow(const segment::SegmentFile& file, size_t row, std::string_view rule) {
  return DataLossError("segment file is damaged: " + std::string(rule) +
                       ": section=" + std::to_string(kVectors) + " row=" + std::to_string(row) +
                       " path=" + file.path());
}

Status BreaksV7(const segment::SegmentFile& file, size_t row) {
  return BadRow(file, row,
                file.info().metric == Metric::kCosine ? "V7 vector is not of unit length"
                                                      : "V7 vector is not finite");
}

/// Cuts pieces of a section, which end anywhere, into vectors.
class VectorCutter {
 public:
  explicit VectorCutter(size_t dim) : vector_(dim) {}

  /// Shows `visit` the vectors that end in `piece`, each with its row.
  template <typename Visit>
  Status Cut(std::string_view piece, const Visit& visit) {
    const size_t row_bytes = vector_.size() * sizeof(float);
    while (!piece.empty()) {
      const size_t taken = std::min(piece.size(), row_bytes - filled_);
      const auto* whole = reinterpret_cast<const float*>(piece.data());
      if (taken < row_bytes) {
        std::memcpy(reinterpret_cast<char*>(vector_.data()) + filled_, piece.data(), taken);
        whole = vector_.data();
      }
      piece.remove_prefix(taken);
      filled_ = (filled_ + taken) % row_bytes;
      if (filled_ == 0) {
        LEADLINE_RETURN_IF_ERROR(visit(row_++, VectorView(whole, vector_.size())));
      }
    }
    return {};
  }

 private:
  std::vector<float> vector_;  ///< one that lies in two pieces
  size_t filled_ = 0;          ///< bytes of it
  size_t row_ = 0;
};

/// Shows `visit` every vector of `file` on the way through the section, then compares the section
/// with its hash.
template <typename Visit>
Status VisitVectors(const segment::SegmentFile& file, const CallControl& control,
                    const Visit& visit) {
  VectorCutter cutter(file.info().dim);
  bool bad_vector = false;
  Status verified = file.VerifySection(
      kVectors,
      [&](std::string_view piece) {
        Status visited = cutter.Cut(piece, visit);
        bad_vector = !visited.ok();
        return visited;
      },
      control);
  if (!bad_vector && verified.code() == StatusCode::kDataLoss &&
      DefectPlanted(Defect::kIgnoreChecksum)) {
    verified.IgnoreError();
    return {};
  }
  return verified;
}

}  // namespace

uint32_t VectorHash(VectorView vector) {
  return static_cast<uint32_t>(Hash64(vector.data(), vector.size_bytes()));
}

bool VectorIsSound(VectorView vector, Metric metric) {
  if (metric != Metric::kCosine) {
    return simd::AllFinite(vector.data(), vector.size());
  }
  const simd::MetricDistance dot(Metric::kInnerProduct, vector.size());
  // Written so that a sum that is not a number fails too.
  return std::abs(-dot.Pair(vector.data(), vector.data()) - 1.0F) <= kUnitTolerance;
}

Status VerifyVectorSection(const segment::SegmentFile& file, const CallControl& control) {
  return VisitVectors(file, control, [&file](size_t row, VectorView vector) {
    return VectorIsSound(vector, file.info().metric) ? OkStatus() : BreaksV7(file, row);
  });
}

UnverifiedVectors::UnverifiedVectors(const segment::SegmentFile& file, const uint32_t* hashes)
    : file_(file), hashes_(hashes), met_((static_cast<size_t>(file.info().rows) + 63) / 64) {}

Status UnverifiedVectors::Meet(size_t row, VectorView vector) const {
  if (VectorHash(vector) != hashes_[row] && !DefectPlanted(Defect::kIgnoreChecksum)) {
    return BadRow(file_, row, "vector does not match its hash");
  }
  if (!VectorIsSound(vector, file_.info().metric)) {
    return BreaksV7(file_, row);
  }
  met_[row >> 6].fetch_or(uint64_t{1} << (row & 63), std::memory_order_release);
  return {};
}

Status UnverifiedVectors::Check(std::span<const uint32_t> rows) const {
  if (done()) {
    return {};
  }
  const size_t dim = file_.info().dim;
  const size_t bytes = dim * sizeof(float);
  std::vector<float> vector;
  for (const uint32_t row : rows) {
    if (Met(row)) {
      continue;
    }
    vector.resize(dim);
    LEADLINE_RETURN_IF_ERROR(
        file_.ReadSection(kVectors, row * bytes, bytes, reinterpret_cast<char*>(vector.data())));
    LEADLINE_RETURN_IF_ERROR(Meet(row, vector));
  }
  return {};
}

Status UnverifiedVectors::CheckAll(const CallControl& control) const {
  MutexLock lock(&mutex_);
  if (!done()) {
    LEADLINE_RETURN_IF_ERROR(VisitVectors(
        file_, control, [this](size_t row, VectorView vector) { return Meet(row, vector); }));
    done_.store(true, std::memory_order_release);
  }
  return {};
}

}  // namespace leadline::engine
