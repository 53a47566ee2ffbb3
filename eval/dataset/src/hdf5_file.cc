#include "hdf5_file.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "leadline/core/types.h"
#include "leadline/eval/judgments.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr uint64_t kMaxChunkBytes = uint64_t{256} << 20;
// Deflate cannot shrink data by more than this.
constexpr uint64_t kMaxInflation = 1100;

Status Bad(std::string_view what, const std::string& path, std::string_view field,
           std::string_view value, std::string_view limit) {
  return InvalidFieldError(std::string(what) + ": file=" + path, field, value, limit);
}

std::string LibraryName() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return "what HDF5 " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(release) + " reads";
}

herr_t KeepDescription(unsigned /*n*/, const H5E_error2_t* error, void* text) {
  if (error->desc != nullptr) {
    *static_cast<std::string*>(text) = error->desc;
  }
  return 1;  // the first is enough
}

/// What the library says of the call that failed last: where it noticed, not where it gave up. Its
/// next call forgets it.
std::string LibraryReason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, KeepDescription, &reason);
  return reason.empty() ? "unknown" : Shorten(reason);
}

Result<Hdf5Handle> OpenFile(const std::string& path) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Read-only file systems know no locks.
  H5Pset_file_locking(access.get(), false, true);
  Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (!file.ok()) {
    const std::string reason = LibraryReason();
    return Bad("not a readable HDF5 file", path, "reason", reason, LibraryName());
  }
  return file;
}

Result<bool> HasEntry(const Hdf5Handle& file, const std::string& path, const std::string& name) {
  const htri_t found = H5Lexists(file.get(), name.c_str(), H5P_DEFAULT);
  if (found < 0) {
    const std::string reason = LibraryReason();
    return Bad("names of the root group cannot be read", path, "reason", reason, LibraryName());
  }
  return found > 0;
}

/// Opens a dataset that is stored in the file itself.
Result<Hdf5Handle> OpenDataset(const Hdf5Handle& file, const std::string& path,
                               const std::string& name) {
  LEADLINE_ASSIGN_OR_RETURN(const bool found, HasEntry(file, path, name));
  if (!found) {
    return Bad("dataset missing", path, "dataset", name, "a dataset of the root group");
  }
  H5L_info_t info;
  if (H5Lget_info(file.get(), name.c_str(), &info, H5P_DEFAULT) >= 0 &&
      info.type != H5L_TYPE_HARD) {
    return Bad("dataset is a link, and links are not followed", path, "dataset", name,
               "a dataset of the root group");
  }
  Hdf5Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) {
    const std::string reason = LibraryReason();
    return Bad("dataset is there and cannot be read", path, "dataset", name + " reason=" + reason,
               LibraryName());
  }
  return dataset;
}

struct Element {
  ElementType type;
  hid_t memory;
};

/// What to read a file type as; the library converts byte order and width.
std::optional<Element> ElementFor(const Hdf5Handle& type) {
  const size_t size = H5Tget_size(type.get());
  if (size == 0) {
    return std::nullopt;
  }
  if (H5Tget_class(type.get()) == H5T_FLOAT && size <= 8) {
    return size == 8 ? Element{ElementType::kF64, H5T_NATIVE_DOUBLE}
                     : Element{ElementType::kF32, H5T_NATIVE_FLOAT};
  }
  if (H5Tget_class(type.get()) != H5T_INTEGER || size > 8) {
    return std::nullopt;
  }
  if (size == 1) {
    return H5Tget_sign(type.get()) == H5T_SGN_NONE ? Element{ElementType::kU8, H5T_NATIVE_UINT8}
                                                   : Element{ElementType::kI8, H5T_NATIVE_INT8};
  }
  if (size == 4 && H5Tget_sign(type.get()) != H5T_SGN_NONE) {
    return Element{ElementType::kI32, H5T_NATIVE_INT32};
  }
  return Element{ElementType::kI64, H5T_NATIVE_INT64};
}

/// How the elements of a dataset lie in the file.
struct StoredShape {
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t element_bytes = 0;
  uint64_t file_bytes = 0;
};

/// Refuses a dataset that says it stores another number of bytes than it has elements: the library
/// trusts both.
Status CheckStoredBytes(const Hdf5Handle& dataset, const std::string& path, H5D_layout_t layout,
                        const StoredShape& shape) {
  const uint64_t wanted = shape.rows * shape.columns * shape.element_bytes;
  const hsize_t stored = H5Dget_storage_size(dataset.get());
  const bool unwritten = layout == H5D_CONTIGUOUS && stored == 0;
  return stored == wanted || unwritten ? OkStatus()
                                       : Bad("stored bytes do not fit the shape", path, "bytes",
                                             std::to_string(stored), std::to_string(wanted));
}

Status CheckChunkSize(const Hdf5Handle& plist, const std::string& path, uint64_t element_bytes) {
  hsize_t chunk[2] = {0, 0};
  if (H5Pget_chunk(plist.get(), 2, chunk) != 2 || chunk[0] == 0 || chunk[1] == 0 ||
      chunk[1] > kMaxChunkBytes / element_bytes ||
      chunk[0] > kMaxChunkBytes / (chunk[1] * element_bytes)) {
    return Bad("chunk too large", path, "chunk", std::to_string(chunk[0]),
               std::to_string(kMaxChunkBytes) + " bytes");
  }
  return {};
}

Status CheckFilters(const Hdf5Handle& plist, const std::string& path) {
  const int filters = H5Pget_nfilters(plist.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    char name[32] = "";
    const H5Z_filter_t filter = H5Pget_filter2(plist.get(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, sizeof name, name, nullptr);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
        filter != H5Z_FILTER_FLETCHER32) {
      return Bad("filter not supported", path, "filter",
                 std::to_string(filter) + " " + Shorten({name, strnlen(name, sizeof name)}),
                 "deflate, shuffle, fletcher32");
    }
  }
  return {};
}

/// Refuses storage that reads other files, runs plug-ins, asks for more memory than data or does
/// not hold what the shape says. Returns what remains to be checked while reading.
Result<Hdf5Chunks> CheckStorage(const Hdf5Handle& dataset, const std::string& path,
                                const StoredShape& shape) {
  const Hdf5Handle plist(H5Dget_create_plist(dataset.get()), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(plist.get());
  if (H5Pget_external_count(plist.get()) != 0 ||
      (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)) {
    return Bad("dataset is kept outside the file", path, "layout", "external or virtual",
               "compact, contiguous or chunked");
  }
  LEADLINE_RETURN_IF_ERROR(CheckFilters(plist, path));
  if (layout != H5D_CHUNKED) {
    LEADLINE_RETURN_IF_ERROR(CheckStoredBytes(dataset, path, layout, shape));
    return Hdf5Chunks();
  }
  LEADLINE_RETURN_IF_ERROR(CheckChunkSize(plist, path, shape.element_bytes));
  return Hdf5Chunks::Create(dataset.get(), plist.get(), path, shape.columns, shape.element_bytes,
                            shape.file_bytes);
}

}  // namespace

Status Hdf5Dataset::Open(const std::string& name, uint64_t file_size) {
  LEADLINE_ASSIGN_OR_RETURN(file_, OpenFile(path_));
  LEADLINE_ASSIGN_OR_RETURN(dataset_, OpenDataset(file_, path_, name));
  space_ = Hdf5Handle(H5Dget_space(dataset_.get()), H5Sclose);
  hsize_t shape[2] = {0, 0};
  const int dimensions = H5Sget_simple_extent_ndims(space_.get());
  if (dimensions != 2 || H5Sget_simple_extent_dims(space_.get(), shape, nullptr) != 2) {
    return Bad("wrong number of dimensions", path_, "dimensions of " + name,
               std::to_string(dimensions), "2");
  }
  if (shape[1] < 1 || shape[1] > kMaxDim) {
    return Bad("dimension out of range", path_, "dim", std::to_string(shape[1]),
               "1 to " + std::to_string(kMaxDim));
  }
  const Hdf5Handle type(H5Dget_type(dataset_.get()), H5Tclose);
  const auto element = ElementFor(type);
  if (!element) {
    return Bad("wrong element type", path_, "dataset", name, "integers or floats");
  }
  memory_type_ = element->memory;
  shape_ = {element->type, shape[0], shape[1]};
  const uint64_t stored_bytes = H5Tget_size(type.get());
  if (shape_.rows > file_size * kMaxInflation / (shape_.dim * stored_bytes)) {
    return Bad("row count does not fit the file's size", path_, "rows", std::to_string(shape_.rows),
               std::to_string(file_size) + " bytes of file");
  }
  LEADLINE_ASSIGN_OR_RETURN(
      chunks_, CheckStorage(dataset_, path_, {shape_.rows, shape_.dim, stored_bytes, file_size}));
  return {};
}

Result<std::string_view> Hdf5Dataset::ReadBlock() {
  const hsize_t count[2] = {shape_.BlockRows(rows_read_), shape_.dim};
  const hsize_t start[2] = {rows_read_, 0};
  LEADLINE_RETURN_IF_ERROR(chunks_.CheckRowsBelow(rows_read_ + count[0]));
  block_.resize(static_cast<size_t>(count[0]) * shape_.row_bytes());
  const Hdf5Handle memory(H5Screate_simple(2, count, nullptr), H5Sclose);
  if (!memory.ok() ||
      H5Sselect_hyperslab(space_.get(), H5S_SELECT_SET, start, nullptr, count, nullptr) < 0 ||
      H5Dread(dataset_.get(), memory_type_, memory.get(), space_.get(), H5P_DEFAULT,
              block_.data()) < 0) {
    return RowError({"HDF5 library cannot read the rows", "rows",
                     std::to_string(count[0]) + " reason=" + LibraryReason(), ""},
                    path_, "row", rows_read_ + 1);
  }
  rows_read_ += count[0];
  return std::string_view(block_.data(), block_.size());
}

Result<bool> Hdf5FileHas(const std::string& path, const std::string& dataset) {
  LEADLINE_ASSIGN_OR_RETURN(const Hdf5Handle file, OpenFile(path));
  return HasEntry(file, path, dataset);
}

}  // namespace leadline::eval
