#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <hdf5.h>

#include "leadline/core/status.h"

namespace leadline::eval {

/// Looks at the stored chunks of a two-dimensional dataset before the HDF5 library unpacks them: it
/// trusts that each unpacks to the bytes the layout says and reads past the end of one that does
/// not. Externally synchronised, with the library.
class Hdf5Chunks {
 public:
  /// For a dataset without chunks.
  Hdf5Chunks() = default;

  /// Learns layout and filters of a chunked dataset, which must outlive this object. Filters are
  /// deflate, shuffle and Fletcher-32. kInvalidArgument for an order of filters other than shuffle
  /// before deflate, for deflate twice, and for more than 20,000 chunks without any filter.
  static Result<Hdf5Chunks> Create(hid_t dataset, hid_t plist, std::string path, uint64_t columns,
                                   uint64_t element_bytes, uint64_t file_bytes);

  /// Checks all chunks with rows below `end` that were not checked before. kInvalidArgument names
  /// file and row.
  Status CheckRowsBelow(uint64_t end);

 private:
  Status CheckChunk(hsize_t row, hsize_t column);
  /// The same for a chunk without filters.
  Status CheckPlainChunk(const hsize_t* offset) const;
  /// Bytes the stored ones unpack to; false where they do not unpack.
  [[nodiscard]] bool UnpacksToChunk(std::string_view stored, uint32_t skipped_filters) const;

  hid_t dataset_ = H5I_INVALID_HID;
  std::string path_;
  uint64_t columns_ = 0;
  uint64_t file_bytes_ = 0;
  hsize_t chunk_[2] = {0, 0};
  uint64_t chunk_bytes_ = 0;
  std::vector<H5Z_filter_t> filters_;  // in the order in which data was packed
  uint64_t checked_rows_ = UINT64_MAX;
  std::string buffer_;
};

}  // namespace leadline::eval
