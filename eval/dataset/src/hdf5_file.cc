#include "hdf5_file.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <hdf5.h>

#include "hdf5_chunks.h"
#include "input_file.h"
#include "leadline/core/mutex.h"
#include "leadline/core/types.h"
#include "leadline/eval/judgments.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr uint64_t kMaxChunkBytes = uint64_t{256} << 20;
// Deflate cannot shrink data by more than this.
constexpr uint64_t kMaxInflation = 1100;

/// Debian's HDF5 is built without thread support.
Mutex* LibraryMutex() {
  static Mutex* const kMutex = new Mutex();
  return kMutex;
}

/// Holds the library and keeps it from printing its error stack.
class LibraryLock {
 public:
  LibraryLock() : lock_(LibraryMutex()) {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }

  ~LibraryLock() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }

  LibraryLock(const LibraryLock&) = delete;
  LibraryLock& operator=(const LibraryLock&) = delete;

 private:
  MutexLock lock_;
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// Owns an HDF5 identifier. Destroyed under LibraryLock.
class Handle {
 public:
  Handle() = default;

  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}

  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }

  ~Handle() { Close(); }

  void Close() {
    if (id_ >= 0) {
      close_(std::exchange(id_, H5I_INVALID_HID));
    }
  }

  [[nodiscard]] bool ok() const { return id_ >= 0; }

  [[nodiscard]] hid_t get() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  herr_t (*close_)(hid_t) = nullptr;
};

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

Result<Handle> OpenFile(const std::string& path) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Read-only file systems know no locks.
  H5Pset_file_locking(access.get(), false, true);
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (!file.ok()) {
    const std::string reason = LibraryReason();
    return Bad("not a readable HDF5 file", path, "reason", reason, LibraryName());
  }
  return file;
}

bool HasEntry(const Handle& file, const std::string& name) {
  return H5Lexists(file.get(), name.c_str(), H5P_DEFAULT) > 0;
}

/// Opens a dataset that is stored in the file itself.
Result<Handle> OpenDataset(const Handle& file, const std::string& path, const std::string& name) {
  if (!HasEntry(file, name)) {
    return Bad("dataset missing", path, "dataset", name, "a dataset of the root group");
  }
  H5L_info_t info;
  if (H5Lget_info(file.get(), name.c_str(), &info, H5P_DEFAULT) >= 0 &&
      info.type != H5L_TYPE_HARD) {
    return Bad("dataset is a link, and links are not followed", path, "dataset", name,
               "a dataset of the root group");
  }
  Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
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
std::optional<Element> ElementFor(const Handle& type) {
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
Status CheckStoredBytes(const Handle& dataset, const std::string& path, H5D_layout_t layout,
                        const StoredShape& shape) {
  const uint64_t wanted = shape.rows * shape.columns * shape.element_bytes;
  const hsize_t stored = H5Dget_storage_size(dataset.get());
  const bool unwritten = layout == H5D_CONTIGUOUS && stored == 0;
  return stored == wanted || unwritten ? OkStatus()
                                       : Bad("stored bytes do not fit the shape", path, "bytes",
                                             std::to_string(stored), std::to_string(wanted));
}

Status CheckChunkSize(const Handle& plist, const std::string& path, uint64_t element_bytes) {
  hsize_t chunk[2] = {0, 0};
  if (H5Pget_chunk(plist.get(), 2, chunk) != 2 || chunk[0] == 0 || chunk[1] == 0 ||
      chunk[1] > kMaxChunkBytes / element_bytes ||
      chunk[0] > kMaxChunkBytes / (chunk[1] * element_bytes)) {
    return Bad("chunk too large", path, "chunk", std::to_string(chunk[0]),
               std::to_string(kMaxChunkBytes) + " bytes");
  }
  return {};
}

Status CheckFilters(const Handle& plist, const std::string& path) {
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
Result<Hdf5Chunks> CheckStorage(const Handle& dataset, const std::string& path,
                                const StoredShape& shape) {
  const Handle plist(H5Dget_create_plist(dataset.get()), H5Pclose);
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

class Hdf5Rows final : public VectorSource {
 public:
  explicit Hdf5Rows(std::string path) : path_(std::move(path)) {}

  Hdf5Rows(const Hdf5Rows&) = delete;
  Hdf5Rows& operator=(const Hdf5Rows&) = delete;

  ~Hdf5Rows() override {
    const LibraryLock lock;
    space_.Close();
    dataset_.Close();
    file_.Close();
  }

  Status Open(const std::string& name, uint64_t file_size) {
    const LibraryLock lock;
    LEADLINE_ASSIGN_OR_RETURN(file_, OpenFile(path_));
    LEADLINE_ASSIGN_OR_RETURN(dataset_, OpenDataset(file_, path_, name));
    space_ = Handle(H5Dget_space(dataset_.get()), H5Sclose);
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
    const Handle type(H5Dget_type(dataset_.get()), H5Tclose);
    const auto element = ElementFor(type);
    if (!element) {
      return Bad("wrong element type", path_, "dataset", name, "integers or floats");
    }
    element_ = *element;
    rows_ = shape[0];
    dim_ = shape[1];
    row_bytes_ = dim_ * ElementBytes(element_.type);
    const uint64_t stored_row_bytes = dim_ * H5Tget_size(type.get());
    if (rows_ > file_size * kMaxInflation / stored_row_bytes) {
      return Bad("row count does not fit the file's size", path_, "rows", std::to_string(rows_),
                 std::to_string(file_size) + " bytes of file");
    }
    LEADLINE_ASSIGN_OR_RETURN(
        chunks_, CheckStorage(dataset_, path_, {rows_, dim_, H5Tget_size(type.get()), file_size}));
    return {};
  }

  Result<bool> Next(RawRow* row) override {
    if (number_ == rows_) {
      return false;
    }
    if (number_ == block_end_) {
      LEADLINE_RETURN_IF_ERROR(ReadBlock());
    }
    const size_t at = static_cast<size_t>(number_ - block_begin_) * row_bytes_;
    ++number_;
    *row = {element_.type, dim_, block_.data() + at, number_};
    return true;
  }

  [[nodiscard]] const std::string& path() const override { return path_; }

  [[nodiscard]] uint64_t bytes_read() const override { return number_ * row_bytes_; }

  [[nodiscard]] uint64_t bytes_total() const override { return rows_ * row_bytes_; }

 private:
  Status ReadBlock() {
    const LibraryLock lock;
    const hsize_t count[2] = {
        std::min<uint64_t>(std::max<size_t>(1, kBlockBytes / row_bytes_), rows_ - number_), dim_};
    const hsize_t start[2] = {number_, 0};
    LEADLINE_RETURN_IF_ERROR(chunks_.CheckRowsBelow(number_ + count[0]));
    block_.resize(static_cast<size_t>(count[0]) * row_bytes_);
    const Handle memory(H5Screate_simple(2, count, nullptr), H5Sclose);
    if (!memory.ok() ||
        H5Sselect_hyperslab(space_.get(), H5S_SELECT_SET, start, nullptr, count, nullptr) < 0 ||
        H5Dread(dataset_.get(), element_.memory, memory.get(), space_.get(), H5P_DEFAULT,
                block_.data()) < 0) {
      return RowError({"HDF5 library cannot read the rows", "rows",
                       std::to_string(count[0]) + " reason=" + LibraryReason(), ""},
                      path_, "row", number_ + 1);
    }
    block_begin_ = number_;
    block_end_ = number_ + count[0];
    return {};
  }

  const std::string path_;
  Handle file_;
  Handle dataset_;
  Handle space_;
  Hdf5Chunks chunks_;
  Element element_{ElementType::kF32, H5I_INVALID_HID};
  uint64_t rows_ = 0;
  size_t dim_ = 0;
  size_t row_bytes_ = 0;
  std::vector<char> block_;  // rows [block_begin_, block_end_)
  uint64_t block_begin_ = 0;
  uint64_t block_end_ = 0;
  uint64_t number_ = 0;
};

}  // namespace

Result<std::unique_ptr<VectorSource>> OpenHdf5(FileSystem* fs, const std::string& path,
                                               const std::string& dataset) {
  LEADLINE_RETURN_IF_ERROR(ExpectRegularFile(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(path));
  auto rows = std::make_unique<Hdf5Rows>(path);
  LEADLINE_RETURN_IF_ERROR(rows->Open(dataset, size));
  return std::unique_ptr<VectorSource>(std::move(rows));
}

Result<bool> HasHdf5Dataset(FileSystem* fs, const std::string& path, const std::string& dataset) {
  LEADLINE_RETURN_IF_ERROR(ExpectRegularFile(fs, path));
  const LibraryLock lock;
  LEADLINE_ASSIGN_OR_RETURN(const Handle file, OpenFile(path));
  return HasEntry(file, dataset);
}

}  // namespace leadline::eval
