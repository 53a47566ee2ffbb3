#include "vector_file.h"

#include "input_file.h"
#include "leadline/core/coding.h"
#include "leadline/core/types.h"
#include "npy_header.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr size_t kRowPrefixBytes = 4;

/// How rows lie in a file once its header has been read.
struct Layout {
  ElementType type = ElementType::kF32;
  bool prefixed = false;  // each row starts with its i32 dimension
  size_t dim = 0;
  uint64_t rows = 0;

  [[nodiscard]] size_t row_bytes() const {
    return dim * ElementBytes(type) + (prefixed ? kRowPrefixBytes : 0);
  }
};

std::string DimLimit() {
  return "1 to " + std::to_string(kMaxDim);
}

class VectorFile final : public VectorSource {
 public:
  VectorFile(std::unique_ptr<InputFile> file, const Layout& layout)
      : file_(std::move(file)), layout_(layout) {}

  Result<bool> Next(RawRow* row) override {
    file_->Consume(pending_);
    pending_ = 0;
    // Prefixed formats have no row count: they end where the bytes end.
    if (layout_.prefixed ? file_->remaining() == 0 : number_ == layout_.rows) {
      return false;
    }
    ++number_;
    const size_t wanted = layout_.row_bytes();
    LEADLINE_ASSIGN_OR_RETURN(std::string_view bytes, file_->Peek(wanted));
    if (layout_.prefixed && bytes.size() >= kRowPrefixBytes) {
      const auto dim = static_cast<int32_t>(DecodeFixed32(bytes.data()));
      if (dim < 0 || static_cast<size_t>(dim) != layout_.dim) {
        return RowError({"dimension differs from the first row's", "dim", std::to_string(dim),
                         std::to_string(layout_.dim)},
                        file_->path(), "row", number_);
      }
    }
    if (bytes.size() < wanted) {
      return RowError({"file ends inside a row", "row bytes", std::to_string(bytes.size()),
                       std::to_string(wanted)},
                      file_->path(), "row", number_);
    }
    bytes.remove_prefix(layout_.prefixed ? kRowPrefixBytes : 0);
    *row = {layout_.type, layout_.dim, bytes.data(), number_};
    pending_ = wanted;
    return true;
  }

  [[nodiscard]] const std::string& path() const override { return file_->path(); }

  [[nodiscard]] uint64_t bytes_read() const override { return file_->position(); }

  [[nodiscard]] uint64_t bytes_total() const override { return file_->size(); }

 private:
  const std::unique_ptr<InputFile> file_;
  const Layout layout_;
  size_t pending_ = 0;
  uint64_t number_ = 0;
};

/// fvecs, ivecs, bvecs. An empty file has no rows.
Result<Layout> ReadPrefixedLayout(InputFile* file, ElementType type) {
  Layout layout{.type = type, .prefixed = true, .dim = 0, .rows = 0};
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view head, file->Peek(kRowPrefixBytes));
  if (head.empty()) {
    return layout;
  }
  if (head.size() < kRowPrefixBytes) {
    return RowError({"file ends inside a row", "row bytes", std::to_string(head.size()), "4"},
                    file->path(), "row", 1);
  }
  const auto dim = static_cast<int32_t>(DecodeFixed32(head.data()));
  if (dim < 1 || static_cast<size_t>(dim) > kMaxDim) {
    return RowError({"dimension out of range", "dim", std::to_string(dim), DimLimit()},
                    file->path(), "row", 1);
  }
  layout.dim = static_cast<size_t>(dim);
  layout.rows = file->size() / layout.row_bytes();
  return layout;
}

/// Checks that `rows` rows are exactly what is left of the file.
Status ExpectRows(const InputFile& file, const Layout& layout) {
  if (layout.dim < 1 || layout.dim > kMaxDim) {
    return InvalidFieldError("dimension out of range: file=" + file.path(), "dim",
                             std::to_string(layout.dim), DimLimit());
  }
  if (layout.rows != file.remaining() / layout.row_bytes() ||
      file.remaining() % layout.row_bytes() != 0) {
    return InvalidFieldError("row count does not fit the file's size: file=" + file.path(), "rows",
                             std::to_string(layout.rows),
                             std::to_string(file.remaining()) + " bytes of " +
                                 std::to_string(layout.row_bytes()) + " a row");
  }
  return {};
}

/// fbin, ibin, u8bin, i8bin.
Result<Layout> ReadCountedLayout(InputFile* file, ElementType type) {
  constexpr size_t kHeaderBytes = 8;
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view head, file->Peek(kHeaderBytes));
  if (head.size() < kHeaderBytes) {
    return InvalidFieldError("file ends inside its header: file=" + file->path(), "header bytes",
                             std::to_string(head.size()), std::to_string(kHeaderBytes));
  }
  const Layout layout{.type = type,
                      .prefixed = false,
                      .dim = DecodeFixed32(head.data() + 4),
                      .rows = DecodeFixed32(head.data())};
  file->Consume(kHeaderBytes);
  LEADLINE_RETURN_IF_ERROR(ExpectRows(*file, layout));
  return layout;
}

Result<Layout> ReadNpyLayout(InputFile* file) {
  LEADLINE_ASSIGN_OR_RETURN(std::string_view head, file->Peek(12));
  Result<size_t> offset = NpyDataOffset(head);
  if (!offset.ok()) {
    return std::move(offset).status().WithContext("file=" + file->path());
  }
  LEADLINE_ASSIGN_OR_RETURN(head, file->Peek(*offset));
  if (head.size() < *offset) {
    return InvalidFieldError("file ends inside its header: file=" + file->path(), "header bytes",
                             std::to_string(head.size()), std::to_string(*offset));
  }
  const size_t prefix = head[6] == 1 ? 10 : 12;
  Result<NpyHeader> header = ParseNpyHeader(head.substr(prefix, *offset - prefix));
  if (!header.ok()) {
    return std::move(header).status().WithContext("file=" + file->path());
  }
  if (header->shape.size() != 2) {
    return InvalidFieldError("wrong number of dimensions: file=" + file->path(), "dimensions",
                             std::to_string(header->shape.size()), "2");
  }
  file->Consume(*offset);
  const Layout layout{
      .type = header->type, .prefixed = false, .dim = header->shape[1], .rows = header->shape[0]};
  LEADLINE_RETURN_IF_ERROR(ExpectRows(*file, layout));
  return layout;
}

Result<Layout> ReadLayout(InputFile* file, FileFormat format) {
  switch (format) {
    case FileFormat::kFvecs:
      return ReadPrefixedLayout(file, ElementType::kF32);
    case FileFormat::kIvecs:
      return ReadPrefixedLayout(file, ElementType::kI32);
    case FileFormat::kBvecs:
      return ReadPrefixedLayout(file, ElementType::kU8);
    case FileFormat::kFbin:
      return ReadCountedLayout(file, ElementType::kF32);
    case FileFormat::kIbin:
      return ReadCountedLayout(file, ElementType::kI32);
    case FileFormat::kU8bin:
      return ReadCountedLayout(file, ElementType::kU8);
    case FileFormat::kI8bin:
      return ReadCountedLayout(file, ElementType::kI8);
    case FileFormat::kNpy:
      return ReadNpyLayout(file);
    default:
      return InvalidFieldError("not a format of vectors: file=" + file->path(), "format",
                               FileFormatName(format),
                               "fvecs, ivecs, bvecs, fbin, ibin, u8bin, i8bin, npy, hdf5");
  }
}

}  // namespace

Result<std::unique_ptr<VectorSource>> OpenVectorFile(FileSystem* fs, const std::string& path,
                                                     FileFormat format) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<InputFile> file, InputFile::Open(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(const Layout layout, ReadLayout(file.get(), format));
  return std::unique_ptr<VectorSource>(std::make_unique<VectorFile>(std::move(file), layout));
}

}  // namespace leadline::eval
