#pragma once

/// The HDF5 library at work. It trusts the tables of a file: some damaged ones corrupt its memory,
/// so everything here runs in a WorkerProcess (hdf5_source.h).

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hdf5.h>

#include "hdf5_chunks.h"
#include "hdf5_handle.h"
#include "leadline/core/status.h"
#include "vector_source.h"

namespace leadline::eval {

/// A dataset of `rows` rows, and how many of them are read at once.
struct Hdf5Shape {
  ElementType type = ElementType::kF32;
  uint64_t rows = 0;
  uint64_t dim = 0;

  [[nodiscard]] size_t row_bytes() const { return static_cast<size_t>(dim) * ElementBytes(type); }

  /// Rows of the block that begins at row `begin`: 1 MiB, or what is left.
  [[nodiscard]] uint64_t BlockRows(uint64_t begin) const {
    return std::min<uint64_t>(std::max<size_t>(1, (size_t{1} << 20) / row_bytes()), rows - begin);
  }
};

/// One two-dimensional dataset of numbers. Shape, type, storage, filters and the unpacked size of
/// every chunk are checked before the library reads them. Thread-hostile, as Debian's library is.
class Hdf5Dataset {
 public:
  explicit Hdf5Dataset(std::string path) : path_(std::move(path)) {}

  /// Errors: kInvalidArgument for a missing dataset, other shapes or types, data kept outside the
  /// file, filters other than deflate, shuffle and Fletcher-32, sizes the file cannot hold.
  Status Open(const std::string& name, uint64_t file_size);

  [[nodiscard]] const Hdf5Shape& shape() const { return shape_; }

  /// The next rows, shape().BlockRows() of them, valid until the next call. At least one is left.
  Result<std::string_view> ReadBlock();

 private:
  const std::string path_;
  Hdf5Handle file_;
  Hdf5Handle dataset_;
  Hdf5Handle space_;  // closed first
  Hdf5Chunks chunks_;
  Hdf5Shape shape_;
  hid_t memory_type_ = H5I_INVALID_HID;
  std::vector<char> block_;
  uint64_t rows_read_ = 0;
};

/// True where the file has a dataset of that name.
Result<bool> Hdf5FileHas(const std::string& path, const std::string& dataset);

}  // namespace leadline::eval
