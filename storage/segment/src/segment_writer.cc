#include <cstring>
#include <utility>

#include "leadline/core/hash.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"
#include "leadline/storage/segment_file.h"
#include "segment_frame.h"
#include "segment_layout.h"

namespace leadline::segment {
namespace {

/// Appends smaller than this are gathered, so that a section may be written value by value.
constexpr size_t kBufferBytes = size_t{256} << 10;
/// Appends larger than this go in pieces: hashed, then written while they are in the cache.
constexpr size_t kPieceBytes = size_t{1} << 20;
/// The device begins with so many bytes while more are made, so that little is left for the sync.
constexpr uint64_t kStartBytes = uint64_t{16} << 20;

FileHeader EncodeInfo(const SegmentInfo& info) {
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kFormatVersion;
  header.header_bytes = sizeof(FileHeader);
  header.entry_bytes = sizeof(SectionEntry);
  std::memcpy(header.database, info.database.data(), sizeof header.database);
  header.segment_id = info.segment_id;
  header.collection_id = info.collection_id;
  header.field_id = info.field_id;
  header.metric = static_cast<uint8_t>(info.metric);
  header.kind = static_cast<uint8_t>(info.kind);
  header.codes = static_cast<uint8_t>(info.codes);
  header.dim = info.dim;
  header.rows = info.rows;
  header.min_sequence = info.min_sequence;
  header.max_sequence = info.max_sequence;
  header.m = info.m;
  header.ef_construction = info.ef_construction;
  header.nlist = info.nlist;
  header.seed = info.seed;
  header.self_recall = info.self_recall;
  return header;
}

/// Sections stream to the temporary file; table and header follow in Finish. Until then the
/// header's bytes are zero, so a temporary file never passes for a segment.
class FileSegmentWriter final : public SegmentWriter {
 public:
  FileSegmentWriter(FileSystem* fs, std::string directory, const std::string& name,
                    const SegmentInfo& info)
      : fs_(fs),
        directory_(std::move(directory)),
        path_(JoinPath(directory_, name)),
        temporary_(path_ + ".tmp"),
        info_(info) {}

  FileSegmentWriter(const FileSegmentWriter&) = delete;
  FileSegmentWriter& operator=(const FileSegmentWriter&) = delete;

  ~FileSegmentWriter() override {
    if (unfinished_) {
      file_.reset();
      // Best effort: what stays is ignored by everyone and removed at the next open.
      NoThrow([&] { return fs_->DeleteFile(temporary_); }).IgnoreError();
    }
  }

  Status Start() {
    unfinished_ = true;
    LEADLINE_ASSIGN_OR_RETURN(file_, fs_->NewWritableFile(temporary_));
    buffer_.reserve(kBufferBytes);
    return Latch(Write(std::string(sizeof(FileHeader), '\0')));
  }

  Status BeginSection(uint32_t type) override {
    LEADLINE_RETURN_IF_ERROR(CheckUsable());
    if (type == 0) {
      return InvalidFieldError("section type is reserved", "type", "0", "1 or more");
    }
    for (const SectionEntry& entry : table_) {
      if (entry.type == type) {
        return InvalidArgumentError("section was written before: type=" + std::to_string(type));
      }
    }
    if (table_.size() == kMaxSections) {
      return InvalidFieldError("too many sections", "sections", std::to_string(table_.size() + 1),
                               std::to_string(kMaxSections));
    }
    LEADLINE_RETURN_IF_ERROR(EndSection());
    table_.push_back({type, 0, position_, 0, 0});
    hasher_ = std::make_unique<Hasher>();
    return {};
  }

  Status Append(std::string_view bytes) override {
    LEADLINE_RETURN_IF_ERROR(CheckUsable());
    if (hasher_ == nullptr) {
      return FailedPreconditionError("Append needs an open section: path=" + path_);
    }
    table_.back().size += bytes.size();
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      const std::string_view piece = bytes.substr(at, kPieceBytes);
      hasher_->Update(piece);
      LEADLINE_RETURN_IF_ERROR(Latch(Write(piece)));
    }
    return {};
  }

  Status AddSection(uint32_t type, std::string_view bytes) override {
    LEADLINE_RETURN_IF_ERROR(BeginSection(type));
    return Append(bytes);
  }

  Status Describe(const SegmentInfo& info) override {
    LEADLINE_RETURN_IF_ERROR(CheckUsable());
    LEADLINE_RETURN_IF_ERROR(CheckInfo(info));
    if (info.rows != info_.rows || info.dim != info_.dim) {
      return InvalidArgumentError("sections were written for another shape: rows=" +
                                  std::to_string(info_.rows) + " dim=" + std::to_string(info_.dim));
    }
    info_ = info;
    return {};
  }

  Result<FileIdentity> Finish() override {
    LEADLINE_RETURN_IF_ERROR(CheckUsable());
    LEADLINE_RETURN_IF_ERROR(EndSection());
    const std::string_view table(reinterpret_cast<const char*>(table_.data()),
                                 table_.size() * sizeof(SectionEntry));
    FileHeader header = EncodeInfo(info_);
    header.table_offset = position_;
    header.file_bytes = position_ + table.size();
    header.section_count = static_cast<uint32_t>(table_.size());
    header.hash = HashFrame(header, table);
    LEADLINE_RETURN_IF_ERROR(Latch(Publish(header, table)));
    KillPoint("segment:dirsynced");
    file_.reset();
    unfinished_ = false;
    return FileIdentity{header.file_bytes, header.hash};
  }

 private:
  [[nodiscard]] Status CheckUsable() const {
    if (failed_) {
      return FailedPreconditionError("segment writer failed before: path=" + path_);
    }
    if (file_ == nullptr) {
      return FailedPreconditionError("segment writer is finished: path=" + path_);
    }
    return {};
  }

  /// Nothing may be appended after a failed write: what reached the file is unknown.
  Status Latch(Status status) {
    if (!status.ok()) {
      failed_ = true;
    }
    return status;
  }

  Status Write(std::string_view bytes) {
    position_ += bytes.size();
    if (buffer_.size() + bytes.size() <= kBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(FlushBuffer());
    if (bytes.size() < kBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    return AppendToFile(bytes);
  }

  Status FlushBuffer() {
    if (buffer_.empty()) {
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(AppendToFile(buffer_));
    buffer_.clear();
    return {};
  }

  Status AppendToFile(std::string_view bytes) {
    LEADLINE_RETURN_IF_ERROR(file_->Append(bytes));
    unstarted_ += bytes.size();
    if (unstarted_ >= kStartBytes) {
      file_->StartWriting();
      unstarted_ = 0;
    }
    return {};
  }

  Status EndSection() {
    if (hasher_ == nullptr) {
      return {};
    }
    SectionEntry& entry = table_.back();
    LEADLINE_RETURN_IF_ERROR(Latch(CheckSectionSize(entry.type, entry.size, info_)));
    entry.hash = hasher_->Digest();
    hasher_.reset();
    return Latch(Write(std::string(PaddingAfter(entry.size), '\0')));
  }

  /// Order matters: the name appears only after the bytes are durable, and is durable on return.
  Status Publish(const FileHeader& header, std::string_view table) {
    LEADLINE_RETURN_IF_ERROR(Write(table));
    LEADLINE_RETURN_IF_ERROR(FlushBuffer());
    LEADLINE_RETURN_IF_ERROR(
        file_->PositionedAppend({reinterpret_cast<const char*>(&header), sizeof header}, 0));
    KillPoint("segment:written");
    const bool skip_syncs = DefectPlanted(Defect::kPublishBeforeDurable);
    if (!skip_syncs) {
      LEADLINE_RETURN_IF_ERROR(file_->Sync());
      KillPoint("segment:synced");
    }
    LEADLINE_RETURN_IF_ERROR(file_->Close());
    LEADLINE_RETURN_IF_ERROR(fs_->RenameFile(temporary_, path_));
    KillPoint("segment:renamed");
    if (skip_syncs) {
      return {};
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Directory> directory,
                              fs_->OpenDirectory(directory_));
    return directory->Sync();
  }

  FileSystem* const fs_;
  const std::string directory_;
  const std::string path_;
  const std::string temporary_;
  SegmentInfo info_;
  std::unique_ptr<WritableFile> file_;  ///< null once finished
  std::string buffer_;
  uint64_t position_ = 0;   ///< bytes handed to Write
  uint64_t unstarted_ = 0;  ///< bytes in the file since the device was last told to begin
  std::vector<SectionEntry> table_;
  std::unique_ptr<Hasher> hasher_;  ///< of the open section, null when none is open
  bool failed_ = false;
  bool unfinished_ = false;  ///< the temporary file may be there, even where opening it failed
};

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(FileSystem* fs,
                                                             const std::string& directory,
                                                             const std::string& name,
                                                             const SegmentInfo& info) {
  LEADLINE_RETURN_IF_ERROR(CheckInfo(info));
  auto writer = std::make_unique<FileSegmentWriter>(fs, directory, name, info);
  LEADLINE_RETURN_IF_ERROR(writer->Start());
  return std::unique_ptr<SegmentWriter>(std::move(writer));
}

}  // namespace leadline::segment
