#include "axes_learner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "axes_layout.h"
#include "leadline/core/round_up.h"
#include "leadline/index/packed_lines.h"
#include "leadline/simd/level.h"
#include "scalar_quantizer.h"
#include "symmetric_eigen.h"

namespace leadline::index {
namespace {

using simd::kCodeBytes;
using simd::kPackLanes;

/// Columns that lie in one cache line of a row.
constexpr size_t kColumns = 16;
/// Sampled rows whose products are summed at a time, and dimensions of a task.
constexpr size_t kSampledTogether = 2048;
constexpr size_t kDimensionsTogether = 64;
/// Rows that are projected at a time: their sums stay in the second-level cache.
constexpr size_t kRowsTogether = 64;
constexpr size_t kTaskRows = CallControl::kCheckInterval;

/// Products of the dimensions of sampled rows. Each dimension is put into bytes by a scale of its
/// own, so that sums are exact and fast; what that loses is a ten-thousandth of its variance.
class Covariance {
 public:
  Covariance(MatrixView vectors, std::span<const uint32_t> sample, const std::vector<float>& mean)
      : vectors_(vectors),
        sample_(sample),
        mean_(mean),
        stride_(RoundUp(sample.size(), kSampledTogether)),
        integers_(vectors.dim * stride_),
        scales_(vectors.dim),
        sums_(vectors.dim * vectors.dim) {}

  /// [dim x dim], as multiples of the largest; all zeros where rows do not differ.
  Result<std::vector<double>> Compute(const BuildOptions& options) {
    const size_t dim = vectors_.dim;
    ParallelFor(options.executor, (dim + kColumns - 1) / kColumns, [&](size_t group) {
      if (options.control.Check().ok()) {
        Quantize(group * kColumns, std::min(dim, (group + 1) * kColumns));
      }
    });
    for (size_t begin = 0; begin < stride_; begin += kSampledTogether) {
      LEADLINE_RETURN_IF_ERROR(options.control.Check());
      AddProducts(begin, options.executor);
    }
    LEADLINE_RETURN_IF_ERROR(options.control.Check());
    double largest = 0;
    for (size_t i = 0; i < dim; ++i) {
      for (size_t j = 0; j < dim; ++j) {
        sums_[i * dim + j] *= double{scales_[i]} * double{scales_[j]};
      }
      largest = std::max(largest, sums_[i * dim + i]);
    }
    for (double& sum : sums_) {
      sum = largest > 0 ? sum / largest : 0;
    }
    return std::move(sums_);
  }

 private:
  /// Dimensions [begin, end) of all sampled rows.
  void Quantize(size_t begin, size_t end) {
    std::array<std::vector<float>, kColumns> columns;
    columns.fill(std::vector<float>(sample_.size()));
    for (size_t s = 0; s < sample_.size(); ++s) {
      const float* row = vectors_.row(sample_[s]).data();
      for (size_t i = begin; i < end; ++i) {
        columns[i - begin][s] = row[i] - mean_[i];
      }
    }
    for (size_t i = begin; i < end; ++i) {
      scales_[i] =
          QuantizeSigned(columns[i - begin].data(), sample_.size(), integers_.data() + i * stride_);
    }
  }

  /// Adds the products of sampled rows [begin, begin + kSampledTogether).
  void AddProducts(size_t begin, Executor* executor) {
    const simd::TileKernels& kernels = simd::CurrentLevel().tiles;
    const size_t dim = vectors_.dim;
    const size_t packs = (dim + kPackLanes - 1) / kPackLanes;
    const size_t width = packs * kPackLanes;
    PackedLines packed;
    packed.Resize(packs, kSampledTogether);
    kernels.pack_queries(integers_.data() + begin, stride_, nullptr, dim, kSampledTogether,
                         packed.pack(0));
    std::vector<int32_t> shifts(dim);
    for (size_t i = 0; i < dim; ++i) {
      const int8_t* column = integers_.data() + i * stride_ + begin;
      shifts[i] = 128 * std::accumulate(column, column + kSampledTogether, 0);
    }
    ParallelFor(executor, (dim + kDimensionsTogether - 1) / kDimensionsTogether, [&](size_t task) {
      const size_t first = task * kDimensionsTogether;
      const size_t count = std::min(kDimensionsTogether, dim - first);
      std::vector<uint8_t> codes(count * kSampledTogether);
      for (size_t i = 0; i < codes.size(); ++i) {
        const size_t row = first + i / kSampledTogether;
        const int8_t value = integers_[row * stride_ + begin + i % kSampledTogether];
        codes[i] = static_cast<uint8_t>(value + 128);
      }
      std::vector<int32_t> products(count * width);
      kernels.packed_sums(codes.data(), kSampledTogether, nullptr, count, kSampledTogether,
                          packed.pack(0), packs, products.data(), width);
      for (size_t i = 0; i < count; ++i) {
        double* sums = sums_.data() + (first + i) * dim;
        for (size_t j = 0; j < dim; ++j) {
          sums[j] += products[i * width + j] - shifts[j];
        }
      }
    });
  }

  const MatrixView vectors_;
  const std::span<const uint32_t> sample_;
  const std::vector<float>& mean_;
  const size_t stride_;
  std::vector<int8_t> integers_;  ///< [dim x stride_]
  std::vector<float> scales_;     ///< [dim]
  std::vector<double> sums_;      ///< [dim x dim]
};

std::vector<float> MeanOf(MatrixView vectors, std::span<const uint32_t> sample) {
  std::vector<double> sums(vectors.dim);
  for (const uint32_t s : sample) {
    const float* row = vectors.row(s).data();
    for (size_t i = 0; i < vectors.dim; ++i) {
      sums[i] += double{row[i]};
    }
  }
  std::vector<float> mean(vectors.dim);
  for (size_t i = 0; i < vectors.dim && !sample.empty(); ++i) {
    mean[i] = static_cast<float>(sums[i] / static_cast<double>(sample.size()));
  }
  return mean;
}

/// The axes as kernels take them, and what their sums with rows are too large by.
struct AxisLanes {
  AxisLanes(const LearnedAxes& axes, size_t dim, size_t kept)
      : length(kernels.LengthOf(dim)), packs((kept + kPackLanes - 1) / kPackLanes), shifts(kept) {
    packed.Resize(packs, length);
    kernels.pack_queries(axes.values.data(), axes.stride, nullptr, kept, length, packed.pack(0));
    for (size_t a = 0; a < kept; ++a) {
      const int8_t* values = axes.values.data() + a * axes.stride;
      shifts[a] = 128 * std::accumulate(values, values + axes.stride, 0);
    }
  }

  const simd::TileKernels& kernels = simd::CurrentLevel().tiles;
  size_t length;
  size_t packs;
  PackedLines packed;
  std::vector<int32_t> shifts;
};

/// Projects some rows after others with buffers of its own.
class RowProjector {
 public:
  RowProjector(const LearnedAxes& axes, const AxisLanes& lanes, size_t dim, size_t kept)
      : axes_(axes),
        lanes_(lanes),
        dim_(dim),
        kept_(kept),
        centred_(dim),
        codes_(kRowsTogether * axes.stride),
        sums_(kRowsTogether * lanes.packs * kPackLanes) {}

  /// Rows [begin, end) of `vectors`, at most kRowsTogether.
  void Project(MatrixView vectors, size_t begin, size_t end, ProjectedRows* out) {
    std::array<float, kRowsTogether> scales{};
    std::array<double, kRowsTogether> norms{};
    for (size_t r = begin; r < end; ++r) {
      const float* row = vectors.row(r).data();
      for (size_t i = 0; i < dim_; ++i) {
        centred_[i] = row[i] - axes_.mean[i];
        norms[r - begin] += double{centred_[i]} * double{centred_[i]};
      }
      scales[r - begin] =
          QuantizeSq8(centred_.data(), dim_, codes_.data() + (r - begin) * axes_.stride);
    }
    const size_t width = lanes_.packs * kPackLanes;
    lanes_.kernels.packed_sums(codes_.data(), axes_.stride, nullptr, end - begin, lanes_.length,
                               lanes_.packed.pack(0), lanes_.packs, sums_.data(), width);
    for (size_t r = begin; r < end; ++r) {
      const int32_t* sums = sums_.data() + (r - begin) * width;
      float* lengths = out->lengths.data() + r * kept_;
      double along = 0;
      for (size_t a = 0; a < kept_; ++a) {
        lengths[a] =
            scales[r - begin] * axes_.scales[a] * static_cast<float>(sums[a] - lanes_.shifts[a]);
        along += double{lengths[a]} * double{lengths[a]};
      }
      out->left_out[r] = static_cast<float>(std::max(0.0, norms[r - begin] - along));
    }
  }

 private:
  const LearnedAxes& axes_;
  const AxisLanes& lanes_;
  const size_t dim_;
  const size_t kept_;
  std::vector<float> centred_;
  std::vector<uint8_t> codes_;
  std::vector<int32_t> sums_;
};

}  // namespace

Result<std::optional<LearnedAxes>> LearnAxes(MatrixView vectors, std::span<const uint32_t> sample,
                                             size_t count, const BuildOptions& options) {
  const size_t dim = vectors.dim;
  LearnedAxes axes;
  axes.mean =
      options.metric == Metric::kInnerProduct ? std::vector<float>(dim) : MeanOf(vectors, sample);
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<double> covariance,
                            Covariance(vectors, sample, axes.mean).Compute(options));
  const std::optional<EigenSystem> system = SolveSymmetric(covariance, dim);
  LEADLINE_RETURN_IF_ERROR(options.control.Check());
  if (!system.has_value()) {
    return std::optional<LearnedAxes>();
  }
  double all = 0;
  for (const double value : system->values) {
    all += std::max(value, 0.0);
  }
  if (!(all > 0)) {
    return std::optional<LearnedAxes>();
  }
  axes.stride = RoundUp(dim, kCodeBytes);
  axes.values.resize(count * axes.stride);
  double sum = 0;
  for (size_t a = 0; a < count; ++a) {
    const double* vector = system->vectors.data() + a * dim;
    const std::vector<float> rounded(vector, vector + dim);
    axes.scales.push_back(
        QuantizeSigned(rounded.data(), dim, axes.values.data() + a * axes.stride));
    sum += std::max(system->values[a], 0.0);
    axes.shares.push_back(sum / all);
  }
  return std::optional<LearnedAxes>(std::move(axes));
}

Result<ProjectedRows> ProjectRows(MatrixView vectors, const LearnedAxes& axes, size_t kept,
                                  const BuildOptions& options) {
  ProjectedRows out;
  out.lengths.resize(vectors.rows * kept);
  out.left_out.resize(vectors.rows);
  const AxisLanes lanes(axes, vectors.dim, kept);
  ParallelFor(options.executor, (vectors.rows + kTaskRows - 1) / kTaskRows, [&](size_t task) {
    if (!options.control.Check().ok()) {
      return;
    }
    RowProjector projector(axes, lanes, vectors.dim, kept);
    const size_t end = std::min(vectors.rows, (task + 1) * kTaskRows);
    for (size_t begin = task * kTaskRows; begin < end; begin += kRowsTogether) {
      projector.Project(vectors, begin, std::min(end, begin + kRowsTogether), &out);
    }
  });
  LEADLINE_RETURN_IF_ERROR(options.control.Check());
  return out;
}

std::string EncodeAxes(const LearnedAxes& axes, size_t kept) {
  const AxesShape shape(axes.mean.size(), kept);
  std::string bytes(shape.end, '\0');
  AxesHeader header{};
  header.version = kAxesVersion;
  header.dim = static_cast<uint32_t>(axes.mean.size());
  header.kept = static_cast<uint32_t>(kept);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + shape.mean, axes.mean.data(), axes.mean.size() * sizeof(float));
  std::memcpy(bytes.data() + shape.scales, axes.scales.data(), kept * sizeof(float));
  for (size_t a = 0; a < kept; ++a) {
    for (size_t i = 0; i < axes.mean.size(); ++i) {
      bytes[shape.codes + a * shape.stride + i] =
          static_cast<char>(axes.values[a * axes.stride + i] ^ '\x80');
    }
  }
  return bytes;
}

std::string EncodeNoAxes(size_t dim) {
  std::string bytes(AxesShape(dim, 0).end, '\0');
  AxesHeader header{};
  header.version = kAxesVersion;
  header.dim = static_cast<uint32_t>(dim);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace leadline::index
