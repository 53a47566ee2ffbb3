#include "leadline/index/row_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "leadline/core/huge_array.h"
#include "leadline/core/round_up.h"
#include "row_codes_layout.h"
#include "scalar_quantizer.h"

namespace leadline::index {
namespace {

constexpr size_t kChunkRows = CallControl::kCheckInterval;

/// Writes nibbles `codes` [dim] as sq4 lays them out.
void PackNibbles(const uint8_t* codes, size_t dim, uint8_t* out) {
  for (size_t done = 0; done < dim;) {
    const size_t half = NibbleHalf(dim - done);
    const size_t high = std::min(half, dim - done - half);
    for (size_t j = 0; j < half; ++j) {
      const unsigned upper = j < high ? codes[done + half + j] : 0U;
      out[j] = static_cast<uint8_t>(codes[done + j] | (upper << 4));
    }
    done += half + high;
    out += half;
  }
}

uint16_t RoundToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// The mean of all rows, each chunk summed in row order and the chunks after one another: equal on
/// any number of threads.
Result<std::vector<float>> MeanOf(MatrixView vectors, Executor* executor,
                                  const CallControl& control) {
  const size_t chunks = (vectors.rows + kChunkRows - 1) / kChunkRows;
  std::vector<std::vector<double>> sums(chunks, std::vector<double>(vectors.dim, 0.0));
  ParallelFor(executor, chunks, [&](size_t c) {
    if (!control.Check().ok()) {
      return;
    }
    const size_t end = std::min(vectors.rows, (c + 1) * kChunkRows);
    for (size_t r = c * kChunkRows; r < end; ++r) {
      for (size_t i = 0; i < vectors.dim; ++i) {
        sums[c][i] += vectors.data[r * vectors.dim + i];
      }
    }
  });
  LEADLINE_RETURN_IF_ERROR(control.Check());
  std::vector<float> mean(vectors.dim, 0.0F);
  for (size_t i = 0; i < vectors.dim && vectors.rows > 0; ++i) {
    double sum = 0;
    for (const std::vector<double>& chunk : sums) {
      sum += chunk[i];
    }
    mean[i] = static_cast<float>(sum / static_cast<double>(vectors.rows));
  }
  return mean;
}

/// What the codes of rows promise (RowCodes::error_steps, norm_steps).
struct CodePromise {
  double error_steps = 0;
  double norm_steps = 0;

  void Widen(const CodePromise& other) {
    error_steps = std::max(error_steps, other.error_steps);
    norm_steps = std::max(norm_steps, other.norm_steps);
  }
};

/// The next float at or above `value`, which is finite and not negative.
float RoundedUp(double value) {
  const auto nearest = static_cast<float>(value);
  return static_cast<double>(nearest) >= value
             ? nearest
             : std::nextafter(nearest, std::numeric_limits<float>::infinity());
}

double Square(double value) {
  return value * value;
}

/// Codes one row after the other with buffers of its own.
class RowEncoder {
 public:
  RowEncoder(CodeType codes, Metric metric, const std::vector<float>& mean)
      : codes_(codes), metric_(metric), mean_(mean), centred_(mean.size()), numbers_(mean.size()) {}

  /// Writes the code of `row` and returns its terms.
  RowTerms Encode(const float* row, uint8_t* out) {
    if (codes_ == CodeType::kSq8) {
      return EncodeBytes(row, out);
    }
    for (size_t i = 0; i < mean_.size(); ++i) {
      centred_[i] = row[i] - mean_[i];
    }
    RowTerms terms;
    const double norm = codes_ == CodeType::kBf16 ? EncodeHalves(row, out, &terms.scale)
                                                  : EncodeNibbles(row, out, &terms.scale);
    terms.add = metric_ == Metric::kInnerProduct ? 0.0F : static_cast<float>(norm);
    return terms;
  }

  /// Of the rows coded so far.
  [[nodiscard]] const CodePromise& promise() const { return promise_; }

 private:
  RowTerms EncodeBytes(const float* row, uint8_t* out) {
    const simd::ByteSums sums =
        kernels_.byte_codes(row, mean_.data(), mean_.size(), centred_.data(), out);
    const double norm = static_cast<double>(sums.scale) * sums.scale * sums.squares;
    Promise(sums.scale, norm, sums.error);
    return {metric_ == Metric::kInnerProduct ? 0.0F : static_cast<float>(norm), sums.scale};
  }

  /// Returns the squared length of what the code says.
  double EncodeHalves(const float* row, uint8_t* out, float* scale) {
    double norm = 0;
    double error = 0;
    for (size_t i = 0; i < mean_.size(); ++i) {
      const uint16_t half = RoundToBf16(centred_[i]);
      std::memcpy(out + 2 * i, &half, sizeof half);
      const auto decoded = std::bit_cast<float>(uint32_t{half} << 16);
      norm += static_cast<double>(decoded) * decoded;
      error += Square(static_cast<double>(row[i]) - mean_[i] - decoded);
    }
    *scale = RoundedUp(std::sqrt(norm));
    Promise(*scale, norm, error);
    return norm;
  }

  /// The same for sq4.
  double EncodeNibbles(const float* row, uint8_t* out, float* scale) {
    const size_t dim = mean_.size();
    *scale = QuantizeSq4(centred_.data(), dim, numbers_.data());
    double error = 0;
    for (size_t i = 0; i < dim; ++i) {
      const double decoded = static_cast<double>(*scale) * (numbers_[i] - 7.5);
      error += Square(static_cast<double>(row[i]) - mean_[i] - decoded);
    }
    const double norm = SquaredNormOfNibbles(*scale);
    Promise(*scale, norm, error);
    PackNibbles(numbers_.data(), dim, out);
    return norm;
  }

  /// Takes in a row whose code says something of squared length `norm`, at the squared distance
  /// `error` from the row.
  void Promise(float scale, double norm, double error) {
    if (scale == 0) {
      return;
    }
    // Far more than double arithmetic may have lost.
    constexpr double kSlack = 1 + 1e-9;
    const double least = RowCodes::kLeastError * std::sqrt(static_cast<double>(mean_.size()));
    promise_.Widen({std::max(std::sqrt(error) * kSlack - least, 0.0) / scale,
                    std::sqrt(norm) / scale * kSlack});
  }

  /// |scale * (u - 7.5)|^2 over the codes of the row, its sum exact.
  [[nodiscard]] double SquaredNormOfNibbles(float scale) const {
    int64_t sum = 0;
    for (const uint8_t code : numbers_) {
      const int64_t doubled = 2 * code - 15;
      sum += doubled * doubled;
    }
    return static_cast<double>(scale) * scale * static_cast<double>(sum) / 4;
  }

  const simd::CodeKernels& kernels_ = simd::CurrentLevel().codes;
  const CodeType codes_;
  const Metric metric_;
  const std::vector<float>& mean_;
  std::vector<float> centred_;
  std::vector<uint8_t> numbers_;
  CodePromise promise_;
};

}  // namespace

size_t RowCodesBytes(CodeType codes, size_t rows, size_t dim) {
  return ShapeOf(codes, rows, dim).end;
}

Status EncodeRowCodesTo(char* bytes, MatrixView vectors, Metric metric, CodeType codes,
                        Executor* executor, const CallControl& control,
                        std::span<const uint32_t> order, std::span<const float> beside) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> mean, MeanOf(vectors, executor, control));
  const RowCodesShape shape = ShapeOf(codes, vectors.rows, vectors.dim);
  RowCodesHeader header{};
  header.version = kRowCodesVersion;
  header.codes = static_cast<uint32_t>(codes);
  header.metric = static_cast<uint32_t>(metric);
  header.rows = static_cast<uint32_t>(vectors.rows);
  header.dim = static_cast<uint32_t>(vectors.dim);
  std::memcpy(bytes + shape.mean, mean.data(), mean.size() * sizeof(float));
  auto* start = reinterpret_cast<uint8_t*>(bytes);
  const size_t chunks = (vectors.rows + kChunkRows - 1) / kChunkRows;
  std::vector<CodePromise> promises(chunks);
  ParallelFor(executor, chunks, [&](size_t c) {
    if (!control.Check().ok()) {
      return;
    }
    RowEncoder encoder(codes, metric, mean);
    const size_t end = std::min(vectors.rows, (c + 1) * kChunkRows);
    for (size_t r = c * kChunkRows; r < end; ++r) {
      uint8_t* row = start + shape.codes + r * shape.stride;
      RowTerms terms = encoder.Encode(vectors.row(order.empty() ? r : order[r]).data(), row);
      if (!beside.empty()) {
        terms.add += beside[r];
      }
      uint8_t* place = shape.terms_in_row ? row + shape.stride - sizeof terms
                                          : start + shape.terms + r * sizeof terms;
      std::memcpy(place, &terms, sizeof terms);
    }
    promises[c] = encoder.promise();
  });
  LEADLINE_RETURN_IF_ERROR(control.Check());
  CodePromise promise;
  for (const CodePromise& of_chunk : promises) {
    promise.Widen(of_chunk);
  }
  header.error_steps = RoundedUp(promise.error_steps);
  header.norm_steps = RoundedUp(promise.norm_steps);
  std::memcpy(bytes, &header, sizeof header);
  return {};
}

Result<std::string> EncodeRowCodes(MatrixView vectors, Metric metric, CodeType codes,
                                   Executor* executor, const CallControl& control,
                                   std::span<const uint32_t> order, std::span<const float> beside) {
  if (codes != CodeType::kSq8 && codes != CodeType::kSq4 && codes != CodeType::kBf16) {
    return InvalidFieldError("not a code of single rows", "codes", CodeTypeName(codes),
                             "sq8|sq4|bf16");
  }
  std::string bytes(RowCodesBytes(codes, vectors.rows, vectors.dim), '\0');
  LEADLINE_RETURN_IF_ERROR(
      EncodeRowCodesTo(bytes.data(), vectors, metric, codes, executor, control, order, beside));
  return bytes;
}

std::string OrderRowCodes(std::string_view section, const RowCodes& codes,
                          std::span<const uint32_t> order, Executor* executor) {
  const RowCodesShape shape = ShapeOf(codes.type(), codes.rows(), codes.dim());
  std::string bytes;
  bytes.reserve(section.size());
  AskForLargePages(bytes.data(), section.size());
  bytes.resize(section.size());
  std::memcpy(bytes.data(), section.data(), shape.terms);
  const size_t chunks = (codes.rows() + kChunkRows - 1) / kChunkRows;
  ParallelFor(executor, chunks, [&](size_t c) {
    const size_t end = std::min(codes.rows(), (c + 1) * kChunkRows);
    for (size_t r = c * kChunkRows; r < end; ++r) {
      std::memcpy(bytes.data() + shape.codes + r * shape.stride,
                  section.data() + shape.codes + order[r] * shape.stride, shape.stride);
      if (!shape.terms_in_row) {
        std::memcpy(bytes.data() + shape.terms + r * sizeof(RowTerms),
                    section.data() + shape.terms + order[r] * sizeof(RowTerms), sizeof(RowTerms));
      }
    }
  });
  return bytes;
}

void RowQuery::Prepare(const RowCodes& codes, const float* query) {
  codes_ = codes;
  row_norm_.reset();
  const size_t dim = codes.dim_;
  const size_t padded = RoundUp(dim, simd::kCodeBytes);
  centred_.assign(padded, 0.0F);
  // Under inner product the mean's share is the same for every row; otherwise distances do not
  // change when both sides are moved.
  for (size_t i = 0; i < dim; ++i) {
    centred_[i] = codes.metric_ == Metric::kInnerProduct ? query[i] : query[i] - codes.mean_[i];
  }
  if (codes.type_ != CodeType::kBf16) {
    Quantize();
  }
}

void RowQuery::PrepareRow(const RowCodes& codes, uint32_t row) {
  codes_ = codes;
  integers_.resize(RoundUp(codes.dim_, simd::kCodeBytes));
  const uint8_t* code = codes.codes_ + row * codes.stride_;
  int32_t sum = 0;
  for (size_t i = 0; i < codes.dim_; ++i) {
    const int32_t number = code[i] - 128;
    integers_[i] = static_cast<int8_t>(number);
    sum += number;
  }
  std::fill(integers_.begin() + static_cast<std::ptrdiff_t>(codes.dim_), integers_.end(),
            int8_t{0});
  const RowTerms terms = codes.terms_of(row);
  map_.multiplier = terms.scale;
  map_.offset = 256 * sum;
  row_norm_ = terms.add;
}

float RowQuery::Shift() const {
  if (row_norm_.has_value()) {
    return *row_norm_;
  }
  double sum = 0;
  if (codes_.metric_ == Metric::kInnerProduct) {
    for (size_t i = 0; i < codes_.dim_; ++i) {
      sum -= static_cast<double>(centred_[i]) * codes_.mean_[i];
    }
  } else {
    for (size_t i = 0; i < codes_.dim_; ++i) {
      sum += static_cast<double>(centred_[i]) * centred_[i];
    }
  }
  return static_cast<float>(sum);
}

void RowQuery::Quantize() {
  const size_t dim = codes_.dim_;
  const bool nibbles = codes_.type_ == CodeType::kSq4;
  integers_.assign(nibbles ? (dim + 127) / 128 * 128 : centred_.size(), 0);
  int8_t* target = integers_.data();
  if (nibbles) {
    linear_.assign(centred_.size(), 0);
    target = linear_.data();
  }
  const float scale = QuantizeSigned(centred_.data(), dim, target);
  int32_t sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    sum += target[i];
  }
  for (size_t done = 0; nibbles && done < dim;) {
    const size_t half = NibbleHalf(dim - done);
    const size_t high = std::min(half, dim - done - half);
    int8_t* group = integers_.data() + done;
    std::copy_n(linear_.data() + done, half, group);
    std::copy_n(linear_.data() + done + half, high, group + simd::kCodeBytes);
    done += half + high;
  }
  map_.multiplier = codes_.metric_ == Metric::kInnerProduct ? scale / 2 : scale;
  map_.offset = (nibbles ? 15 : 256) * sum;
}

void RowQuery::Distances(const uint32_t* ids, size_t count, int32_t* sums, float* distances) const {
  DistancesIn(codes_, ids, count, sums, distances);
}

void RowQuery::DistancesIn(const RowCodes& table, const uint32_t* ids, size_t count, int32_t* sums,
                           float* distances) const {
  const bool dot = codes_.metric_ == Metric::kInnerProduct;
  if (codes_.type_ == CodeType::kBf16) {
    kernels_->bf16_gather(centred_.data(), reinterpret_cast<const uint16_t*>(table.codes_),
                          table.stride_ / 2, ids, count, centred_.size(), distances);
    const float factor = dot ? 1.0F : 2.0F;
    for (size_t i = 0; i < count; ++i) {
      const RowTerms terms = table.terms_of(ids[i]);
      distances[i] = terms.add - factor * distances[i];
    }
    return;
  }
  const bool nibbles = codes_.type_ == CodeType::kSq4;
  const size_t n = nibbles ? integers_.size() / 2 : integers_.size();
  const auto gather = nibbles ? kernels_->sq4_gather : kernels_->sq8_gather;
  gather(integers_.data(), table.codes_, table.stride_, ids, count, n, sums);
  for (size_t i = 0; i < count; ++i) {
    const RowTerms terms = table.terms_of(ids[i]);
    const uint32_t doubled = 2U * static_cast<uint32_t>(sums[i]);
    const auto centred =
        static_cast<float>(static_cast<int32_t>(doubled - static_cast<uint32_t>(map_.offset)));
    distances[i] = terms.add - terms.scale * map_.multiplier * centred;
  }
}

}  // namespace leadline::index
