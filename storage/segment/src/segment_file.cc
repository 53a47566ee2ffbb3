#include "leadline/storage/segment_file.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "leadline/core/hash.h"
#include "leadline/core/mutex.h"
#include "segment_frame.h"

namespace leadline::segment {
namespace {

class MappedSegmentFile final : public SegmentFile {
 public:
  using SegmentFile::VerifySections;

  MappedSegmentFile(FileSystem* fs, std::unique_ptr<MappedFile> mapped,
                    std::shared_ptr<const RandomAccessFile> file, Frame frame, std::string path)
      : fs_(fs),
        mapped_(std::move(mapped)),
        frame_(std::move(frame)),
        path_(std::move(path)),
        file_(std::move(file)),
        unverified_(section_types()) {}

  [[nodiscard]] const SegmentInfo& info() const override { return frame_.info; }

  [[nodiscard]] FileIdentity identity() const override { return frame_.identity; }

  [[nodiscard]] std::vector<uint32_t> section_types() const override {
    std::vector<uint32_t> types;
    types.reserve(frame_.sections.size());
    for (const SectionEntry& entry : frame_.sections) {
      types.push_back(entry.type);
    }
    return types;
  }

  [[nodiscard]] std::string_view section(uint32_t type) const override {
    const SectionEntry* entry = Find(type);
    return entry == nullptr ? std::string_view() : Bytes(entry->offset, entry->size);
  }

  [[nodiscard]] std::string_view bytes() const override { return Bytes(0, mapped_->size()); }

  [[nodiscard]] Status VerifySections(const std::vector<uint32_t>& types,
                                      const CallControl& control) const override {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const RandomAccessFile> file, File());
    std::string buffer(kReadBytes, '\0');
    for (const uint32_t type : types.empty() ? section_types() : types) {
      LEADLINE_RETURN_IF_ERROR(Verify(*file, type, nullptr, control, &buffer));
    }
    return {};
  }

  [[nodiscard]] Status VerifySection(uint32_t type, const SectionVisitor& visit,
                                     const CallControl& control) const override {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const RandomAccessFile> file, File());
    std::string buffer(kReadBytes, '\0');
    return Verify(*file, type, visit, control, &buffer);
  }

  [[nodiscard]] Status ReadSection(uint32_t type, uint64_t offset, size_t size,
                                   char* out) const override {
    const SectionEntry& entry = *Find(type);
    std::shared_ptr<const RandomAccessFile> file;
    {
      MutexLock lock(&mutex_);
      file = file_;
    }
    if (file == nullptr) {
      std::memcpy(out, mapped_->data() + entry.offset + offset, size);
      return {};
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::string_view got,
                              file->Read(entry.offset + offset, size, out));
    if (got.size() != size) {
      return DataLossError("segment file was cut: section=" + std::to_string(type) +
                           " path=" + path_);
    }
    if (got.data() != out) {
      std::memcpy(out, got.data(), size);
    }
    return {};
  }

  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  [[nodiscard]] const SectionEntry* Find(uint32_t type) const {
    for (const SectionEntry& entry : frame_.sections) {
      if (entry.type == type) {
        return &entry;
      }
    }
    return nullptr;
  }

  [[nodiscard]] std::string_view Bytes(uint64_t offset, uint64_t size) const {
    return {reinterpret_cast<const char*>(mapped_->data()) + offset, size};
  }

  [[nodiscard]] Result<std::shared_ptr<const RandomAccessFile>> File() const {
    MutexLock lock(&mutex_);
    if (file_ != nullptr) {
      return file_;
    }
    LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<RandomAccessFile> opened,
                              fs_->NewRandomAccessFile(path_));
    return std::shared_ptr<const RandomAccessFile>(std::move(opened));
  }

  /// `visit` may be null.
  [[nodiscard]] Status Verify(const RandomAccessFile& file, uint32_t type,
                              const SectionVisitor& visit, const CallControl& control,
                              std::string* buffer) const {
    const SectionEntry* entry = Find(type);
    if (entry == nullptr) {
      return DataLossError("segment file lacks a section: section=" + std::to_string(type) +
                           " path=" + path_);
    }
    LEADLINE_RETURN_IF_ERROR(CompareHash(file, *entry, visit, control, buffer));
    MutexLock lock(&mutex_);
    unverified_.erase(std::remove(unverified_.begin(), unverified_.end(), type), unverified_.end());
    if (unverified_.empty()) {
      file_.reset();  // the mapping is enough; a descriptor a segment would add up
    }
    return {};
  }

  /// Reads instead of touching the mapping: a bad sector or a file that was cut is an error here
  /// and a signal there.
  [[nodiscard]] Status CompareHash(const RandomAccessFile& file, const SectionEntry& entry,
                                   const SectionVisitor& visit, const CallControl& control,
                                   std::string* buffer) const {
    Hasher hasher;
    const uint64_t end = entry.size + PaddingAfter(entry.size);
    bool sound = true;
    for (uint64_t at = 0; at < end && sound;) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer->size(), end - at));
      LEADLINE_ASSIGN_OR_RETURN(const std::string_view got,
                                file.Read(entry.offset + at, wanted, buffer->data()));
      const std::string_view body =
          got.substr(0, static_cast<size_t>(
                            std::min<uint64_t>(got.size(), entry.size > at ? entry.size - at : 0)));
      const std::string_view padding = got.substr(body.size());
      hasher.Update(body);
      if (visit != nullptr) {
        LEADLINE_RETURN_IF_ERROR(visit(body));
      }
      sound = got.size() == wanted &&
              std::all_of(padding.begin(), padding.end(), [](char c) { return c == 0; });
      at += wanted;
    }
    if (!sound || hasher.Digest() != entry.hash) {
      return DataLossError(
          "segment section does not match its hash: section=" + std::to_string(entry.type) +
          " offset=" + std::to_string(entry.offset) + " path=" + path_);
    }
    return {};
  }

  static constexpr size_t kReadBytes = size_t{1} << 20;

  FileSystem* const fs_;
  const std::unique_ptr<MappedFile> mapped_;
  const Frame frame_;
  const std::string path_;
  mutable Mutex mutex_;
  /// Open until every section was verified, so that a file whose name went away can be.
  mutable std::shared_ptr<const RandomAccessFile> file_ LEADLINE_GUARDED_BY(mutex_);
  mutable std::vector<uint32_t> unverified_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<SegmentFile>> SegmentFile::Open(
    FileSystem* fs, const std::string& path, const std::optional<FileIdentity>& expected) {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const RandomAccessFile> file,
                            fs->NewRandomAccessFile(path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, fs->MapFile(path));
  LEADLINE_ASSIGN_OR_RETURN(Frame frame, ReadFrame(*file, mapped->size(), path, expected));
  return std::unique_ptr<SegmentFile>(std::make_unique<MappedSegmentFile>(
      fs, std::move(mapped), std::move(file), std::move(frame), path));
}

}  // namespace leadline::segment
