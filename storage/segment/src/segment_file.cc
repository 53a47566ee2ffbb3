#include "leadline/storage/segment_file.h"

#include <algorithm>
#include <utility>

#include "leadline/core/hash.h"
#include "segment_frame.h"

namespace leadline::segment {
namespace {

class MappedSegmentFile final : public SegmentFile {
 public:
  MappedSegmentFile(std::unique_ptr<MappedFile> file, Frame frame, std::string path)
      : file_(std::move(file)), frame_(std::move(frame)), path_(std::move(path)) {}

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

  [[nodiscard]] Status VerifySections(const std::vector<uint32_t>& types) const override {
    if (types.empty()) {
      for (const SectionEntry& entry : frame_.sections) {
        LEADLINE_RETURN_IF_ERROR(Verify(entry));
      }
      return {};
    }
    for (const uint32_t type : types) {
      const SectionEntry* entry = Find(type);
      if (entry == nullptr) {
        return DataLossError("segment file lacks a section: section=" + std::to_string(type) +
                             " path=" + path_);
      }
      LEADLINE_RETURN_IF_ERROR(Verify(*entry));
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
    return {reinterpret_cast<const char*>(file_->data()) + offset, size};
  }

  [[nodiscard]] Status Verify(const SectionEntry& entry) const {
    const std::string_view padding = Bytes(entry.offset + entry.size, PaddingAfter(entry.size));
    if (Hash64(Bytes(entry.offset, entry.size)) != entry.hash ||
        std::any_of(padding.begin(), padding.end(), [](char c) { return c != 0; })) {
      return DataLossError(
          "segment section does not match its hash: section=" + std::to_string(entry.type) +
          " offset=" + std::to_string(entry.offset) + " path=" + path_);
    }
    return {};
  }

  const std::unique_ptr<MappedFile> file_;
  const Frame frame_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<SegmentFile>> SegmentFile::Open(
    FileSystem* fs, const std::string& path, const std::optional<FileIdentity>& expected) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, fs->MapFile(path));
  const std::string_view bytes(reinterpret_cast<const char*>(mapped->data()), mapped->size());
  LEADLINE_ASSIGN_OR_RETURN(Frame frame, ParseFrame(bytes, path, expected));
  return std::unique_ptr<SegmentFile>(
      std::make_unique<MappedSegmentFile>(std::move(mapped), std::move(frame), path));
}

}  // namespace leadline::segment
