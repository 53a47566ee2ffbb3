#include "vector_source.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "hdf5_source.h"
#include "row_problem.h"
#include "vector_file.h"

namespace leadline::eval {
namespace {

template <typename T>
T Load(const char* data, size_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof value, sizeof value);
  return value;
}

/// IEEE 754 binary16 to binary32, exact.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

double LoadNumber(const RawRow& row, size_t i) {
  switch (row.type) {
    case ElementType::kF16:
      return HalfToFloat(Load<uint16_t>(row.data, i));
    case ElementType::kF32:
      return Load<float>(row.data, i);
    case ElementType::kF64:
      return Load<double>(row.data, i);
    case ElementType::kI8:
      return Load<int8_t>(row.data, i);
    case ElementType::kU8:
      return Load<uint8_t>(row.data, i);
    case ElementType::kI32:
      return Load<int32_t>(row.data, i);
    case ElementType::kI64:
      return static_cast<double>(Load<int64_t>(row.data, i));
  }
  return 0;
}

int64_t LoadInteger(const RawRow& row, size_t i) {
  switch (row.type) {
    case ElementType::kI8:
      return Load<int8_t>(row.data, i);
    case ElementType::kU8:
      return Load<uint8_t>(row.data, i);
    case ElementType::kI32:
      return Load<int32_t>(row.data, i);
    default:
      return Load<int64_t>(row.data, i);
  }
}

}  // namespace

size_t ElementBytes(ElementType type) {
  switch (type) {
    case ElementType::kI8:
    case ElementType::kU8:
      return 1;
    case ElementType::kF16:
      return 2;
    case ElementType::kF32:
    case ElementType::kI32:
      return 4;
    case ElementType::kF64:
    case ElementType::kI64:
      return 8;
  }
  return 8;
}

bool IsInteger(ElementType type) {
  return type != ElementType::kF16 && type != ElementType::kF32 && type != ElementType::kF64;
}

Result<std::unique_ptr<VectorSource>> OpenVectors(FileSystem* fs, const std::string& path,
                                                  FileFormat format,
                                                  const std::string& hdf5_dataset) {
  if (format == FileFormat::kHdf5) {
    return OpenHdf5(fs, path, hdf5_dataset);
  }
  return OpenVectorFile(fs, path, format);
}

Status ToFloats(const RawRow& row, const std::string& path, std::vector<float>* out) {
  out->resize(row.dim);
  if (row.type == ElementType::kF32) {
    std::memcpy(out->data(), row.data, row.dim * sizeof(float));
  }
  for (size_t i = 0; i < row.dim; ++i) {
    const double value = LoadNumber(row, i);
    if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
      char shown[32];
      std::snprintf(shown, sizeof shown, "%.9g", value);
      return RowError({"number not finite as a 32-bit float", "vector[" + std::to_string(i) + "]",
                       shown, "finite"},
                      path, "row", row.number);
    }
    (*out)[i] = static_cast<float>(value);
  }
  return {};
}

Status ToIntegers(const RawRow& row, const std::string& path, std::vector<int64_t>* out) {
  if (!IsInteger(row.type)) {
    return RowError({"wrong element type", "", "floating point", "integers"}, path, "row",
                    row.number);
  }
  out->resize(row.dim);
  for (size_t i = 0; i < row.dim; ++i) {
    (*out)[i] = LoadInteger(row, i);
  }
  return {};
}

}  // namespace leadline::eval
