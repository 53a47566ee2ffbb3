#include "leadline/index/principal_axes.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>

#include "axes_layout.h"
#include "scalar_quantizer.h"

namespace leadline::index {
namespace {

/// A step of an axis' codes: its values are at most 1, up to rounding.
constexpr float kWidestStep = 1.001F / 127;
/// A mean of vectors is no longer than these may be.
constexpr float kLargestMean = 2 * kMaxComponent;

Status Bad(const std::string& what) {
  return DataLossError("principal axes are damaged: " + what);
}

Status CheckHeader(const AxesHeader& header, size_t dim) {
  if (header.version != kAxesVersion) {
    return UnimplementedError(
        "principal axes of another version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kAxesVersion));
  }
  if (header.dim != dim) {
    return Bad("dim=" + std::to_string(header.dim) + " expected=" + std::to_string(dim));
  }
  if (header.kept > dim || header.kept > kMostAxes) {
    return Bad("kept=" + std::to_string(header.kept));
  }
  for (const uint32_t word : header.reserved) {
    if (word != 0) {
      return Bad("reserved bytes are not zero");
    }
  }
  return {};
}

}  // namespace

Result<PrincipalAxes> PrincipalAxes::Open(std::string_view bytes, size_t dim) {
  AxesHeader header{};
  if (bytes.size() < sizeof header) {
    return Bad("shorter than the header: bytes=" + std::to_string(bytes.size()));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % simd::kCodeBytes != 0) {
    return InvalidArgumentError("principal axes are not aligned to 64 bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckHeader(header, dim));
  const AxesShape shape(dim, header.kept);
  if (bytes.size() != shape.end) {
    return Bad("bytes=" + std::to_string(bytes.size()) + " expected=" + std::to_string(shape.end));
  }
  PrincipalAxes axes;
  axes.dim_ = dim;
  axes.kept_ = header.kept;
  if (header.kept == 0) {
    return axes;
  }
  axes.mean_ = reinterpret_cast<const float*>(bytes.data() + shape.mean);
  axes.scales_ = reinterpret_cast<const float*>(bytes.data() + shape.scales);
  axes.codes_ = reinterpret_cast<const uint8_t*>(bytes.data() + shape.codes);
  axes.stride_ = shape.stride;
  for (size_t i = 0; i < dim; ++i) {
    if (!(std::fabs(axes.mean_[i]) <= kLargestMean)) {
      return Bad("mean is not that of vectors: dimension=" + std::to_string(i));
    }
  }
  for (size_t a = 0; a < axes.kept_; ++a) {
    if (!(axes.scales_[a] >= 0 && axes.scales_[a] <= kWidestStep)) {
      return Bad("scale is not that of an axis: axis=" + std::to_string(a));
    }
  }
  return axes;
}

const float* Projection::Project(const PrincipalAxes& axes, const float* vector) {
  centred_.resize(axes.dim_);
  for (size_t i = 0; i < axes.dim_; ++i) {
    centred_[i] = vector[i] - axes.mean_[i];
  }
  integers_.assign(axes.stride_, 0);
  const float scale = QuantizeSigned(centred_.data(), axes.dim_, integers_.data());
  const int32_t shift = 128 * std::accumulate(integers_.begin(), integers_.end(), 0);
  if (numbers_.size() < axes.kept_) {
    numbers_.resize(axes.kept_);
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    sums_.resize(axes.kept_);
    lengths_.resize(axes.kept_);
  }
  kernels_->sq8_gather(integers_.data(), axes.codes_, axes.stride_, numbers_.data(), axes.kept_,
                       axes.stride_, sums_.data());
  for (size_t a = 0; a < axes.kept_; ++a) {
    // As AxesLearner's products of rows give it.
    lengths_[a] = scale * axes.scales_[a] * static_cast<float>(sums_[a] - shift);
  }
  return lengths_.data();
}

}  // namespace leadline::index
