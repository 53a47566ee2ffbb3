#include "hdf5_chunks.h"

#include <algorithm>
#include <utility>

#include "deflate_size.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr size_t kFletcherBytes = 4;
/// The library looks a chunk up by walking over those before it.
constexpr hsize_t kMaxPlainChunks = 20'000;

/// The library unpacks any order; the ones that writers use leave shuffled data below deflate.
bool IsUsualOrder(const std::vector<H5Z_filter_t>& filters) {
  const auto deflate = std::find(filters.begin(), filters.end(), H5Z_FILTER_DEFLATE);
  return deflate == filters.end() ||
         (std::find(deflate + 1, filters.end(), H5Z_FILTER_DEFLATE) == filters.end() &&
          std::find(deflate + 1, filters.end(), H5Z_FILTER_SHUFFLE) == filters.end());
}

}  // namespace

Result<Hdf5Chunks> Hdf5Chunks::Create(hid_t dataset, hid_t plist, std::string path,
                                      uint64_t columns, uint64_t element_bytes,
                                      uint64_t file_bytes) {
  Hdf5Chunks chunks;
  chunks.dataset_ = dataset;
  chunks.path_ = std::move(path);
  chunks.columns_ = columns;
  chunks.file_bytes_ = file_bytes;
  H5Pget_chunk(plist, 2, chunks.chunk_);
  chunks.chunk_bytes_ = chunks.chunk_[0] * chunks.chunk_[1] * element_bytes;
  chunks.checked_rows_ = 0;
  const int filters = H5Pget_nfilters(plist);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    chunks.filters_.push_back(H5Pget_filter2(plist, static_cast<unsigned>(i), &flags, &values,
                                             nullptr, 0, nullptr, nullptr));
  }
  if (!IsUsualOrder(chunks.filters_)) {
    return InvalidFieldError("filters in an order that is not supported: file=" + chunks.path_,
                             "filter", "other", "shuffle, then deflate once");
  }
  hsize_t count = 0;
  if (filters == 0 && H5Dget_num_chunks(dataset, H5S_ALL, &count) >= 0 && count > kMaxPlainChunks) {
    return InvalidFieldError("too many chunks without a filter: file=" + chunks.path_, "chunks",
                             std::to_string(count), std::to_string(kMaxPlainChunks));
  }
  return chunks;
}

Status Hdf5Chunks::CheckRowsBelow(uint64_t end) {
  for (; checked_rows_ < end; checked_rows_ += chunk_[0]) {
    for (uint64_t column = 0; column < columns_; column += chunk_[1]) {
      LEADLINE_RETURN_IF_ERROR(CheckChunk(checked_rows_, column));
    }
  }
  return {};
}

Status Hdf5Chunks::CheckChunk(hsize_t row, hsize_t column) {
  const hsize_t offset[2] = {row, column};
  if (filters_.empty()) {
    return CheckPlainChunk(offset);
  }
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size(dataset_, offset, &stored) < 0 || stored == 0) {
    return {};  // never written: the library fills it, or fails
  }
  if (stored > file_bytes_) {
    return RowError({"chunk larger than the file", "chunk bytes", std::to_string(stored),
                     std::to_string(file_bytes_)},
                    path_, "row", row + 1);
  }
  buffer_.resize(static_cast<size_t>(stored));
  uint32_t skipped_filters = 0;
  if (H5Dread_chunk(dataset_, H5P_DEFAULT, offset, &skipped_filters, buffer_.data()) < 0) {
    return RowError(
        {"HDF5 library cannot read the chunk", "chunk bytes", std::to_string(stored), ""}, path_,
        "row", row + 1);
  }
  if (!UnpacksToChunk(buffer_, skipped_filters)) {
    return RowError({"chunk does not unpack to what its layout says", "chunk", "damaged",
                     std::to_string(chunk_bytes_) + " bytes"},
                    path_, "row", row + 1);
  }
  return {};
}

Status Hdf5Chunks::CheckPlainChunk(const hsize_t* offset) const {
  // H5Dget_chunk_storage_size would answer from the layout and not from the file.
  unsigned skipped_filters = 0;
  haddr_t address = 0;
  hsize_t stored = 0;
  if (H5Dget_chunk_info_by_coord(dataset_, offset, &skipped_filters, &address, &stored) < 0 ||
      stored == 0 || stored == chunk_bytes_) {
    return {};  // whole, or never written: the library fills it, or fails
  }
  return RowError({"chunk is not as long as its layout says", "chunk bytes", std::to_string(stored),
                   std::to_string(chunk_bytes_)},
                  path_, "row", offset[0] + 1);
}

bool Hdf5Chunks::UnpacksToChunk(std::string_view stored, uint32_t skipped_filters) const {
  uint64_t expected = chunk_bytes_;
  std::vector<H5Z_filter_t> applied;
  for (size_t i = 0; i < filters_.size(); ++i) {
    if (i >= 32 || (skipped_filters >> i & 1U) == 0) {
      applied.push_back(filters_[i]);
    }
  }
  const auto deflate = std::find(applied.begin(), applied.end(), H5Z_FILTER_DEFLATE);
  expected += kFletcherBytes *
              static_cast<uint64_t>(std::count(applied.begin(), deflate, H5Z_FILTER_FLETCHER32));
  if (deflate == applied.end()) {
    return stored.size() == expected;
  }
  const size_t around = kFletcherBytes * static_cast<size_t>(std::count(deflate, applied.end(),
                                                                        H5Z_FILTER_FLETCHER32));
  return stored.size() > around &&
         InflatedBytes(stored.substr(0, stored.size() - around), expected) == expected;
}

}  // namespace leadline::eval
