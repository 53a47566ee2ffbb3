#include "unverified_vectors.h"

#include <cmath>
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
  if (!DefectPlanted(Defect::kIgnoreChecksum)) {
    LEADLINE_RETURN_IF_ERROR(file.VerifySections({kVectors}, control));
  }
  const segment::SegmentInfo& info = file.info();
  const auto* const vectors = reinterpret_cast<const float*>(file.section(kVectors).data());
  for (size_t row = 0; row < info.rows; ++row) {
    if (row % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
    }
    if (!VectorIsSound({vectors + row * info.dim, info.dim}, info.metric)) {
      return BreaksV7(file, row);
    }
  }
  return {};
}

Status UnverifiedVectors::Check(std::span<const uint32_t> rows) const {
  if (done()) {
    return {};
  }
  const segment::SegmentInfo& info = file_.info();
  const size_t bytes = info.dim * sizeof(float);
  std::vector<float> vector(info.dim);
  for (const uint32_t row : rows) {
    LEADLINE_RETURN_IF_ERROR(
        file_.ReadSection(kVectors, row * bytes, bytes, reinterpret_cast<char*>(vector.data())));
    if (VectorHash(vector) != hashes_[row] && !DefectPlanted(Defect::kIgnoreChecksum)) {
      return BadRow(file_, row, "vector does not match its hash");
    }
    if (!VectorIsSound(vector, info.metric)) {
      return BreaksV7(file_, row);
    }
  }
  return {};
}

Status UnverifiedVectors::CheckAll(const CallControl& control) const {
  MutexLock lock(&mutex_);
  if (!done()) {
    LEADLINE_RETURN_IF_ERROR(VerifyVectorSection(file_, control));
    done_.store(true, std::memory_order_release);
  }
  return {};
}

}  // namespace leadline::engine
