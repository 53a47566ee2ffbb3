#pragma once

/// Rows of numbers from a vector file, whatever its format.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/eval/file_format.h"

namespace leadline::eval {

enum class ElementType : uint8_t { kF16, kF32, kF64, kI8, kU8, kI32, kI64 };

size_t ElementBytes(ElementType type);
bool IsInteger(ElementType type);

/// One row as it stands in the file, valid until the next call of Next.
struct RawRow {
  ElementType type = ElementType::kF32;
  size_t dim = 0;
  const char* data = nullptr;  ///< dim little-endian elements, unaligned
  uint64_t number = 0;         ///< from 1
};

/// Thread-compatible. Errors of one source end it: rows after a damaged one cannot be trusted.
class VectorSource {
 public:
  virtual ~VectorSource() = default;

  /// False at the end. kInvalidArgument names file, row, field, value and limit.
  virtual Result<bool> Next(RawRow* row) = 0;

  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual uint64_t bytes_read() const = 0;
  [[nodiscard]] virtual uint64_t bytes_total() const = 0;
};

/// Opens a vector file. `hdf5_dataset` names the dataset of an HDF5 file; otherwise unused.
/// Errors: kInvalidArgument for a format without vectors, a broken header, a pipe or device.
Result<std::unique_ptr<VectorSource>> OpenVectors(FileSystem* fs, const std::string& path,
                                                  FileFormat format,
                                                  const std::string& hdf5_dataset);

/// Converts a row. Error for an element that is not finite as a 32-bit float.
Status ToFloats(const RawRow& row, const std::string& path, std::vector<float>* out);
/// Converts a row of integers; error for other types.
Status ToIntegers(const RawRow& row, const std::string& path, std::vector<int64_t>* out);

}  // namespace leadline::eval
