#include "sealed_segment.h"

#include <algorithm>
#include <bit>

#include "index_registry.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

using segment::SectionType;

constexpr uint32_t kFirstIndexSection = 32;

/// Typed view of a section of exactly `count` items.
template <typename T>
Result<const T*> Column(const segment::SegmentFile& file, SectionType type, uint64_t count) {
  const std::string_view bytes = file.section(static_cast<uint32_t>(type));
  if (bytes.size() != count * sizeof(T)) {
    return DataLossError("section has the wrong size: path=" + file.path() +
                         " section=" + std::to_string(static_cast<uint32_t>(type)) +
                         " bytes=" + std::to_string(bytes.size()) +
                         " expected=" + std::to_string(count * sizeof(T)));
  }
  return reinterpret_cast<const T*>(bytes.data());
}

Status CheckAscending(const segment::SegmentFile& file, const uint64_t* values, size_t n,
                      std::string_view what, bool strictly) {
  for (size_t i = 1; i < n; ++i) {
    if (values[i] < values[i - 1] || (strictly && values[i] == values[i - 1])) {
      return DataLossError("section is not ascending: path=" + file.path() +
                           " section=" + std::string(what) + " row=" + std::to_string(i));
    }
  }
  return {};
}

bool SameSegment(const segment::SegmentInfo& a, const segment::SegmentInfo& b) {
  return a.database == b.database && a.segment_id == b.segment_id &&
         a.collection_id == b.collection_id && a.field_id == b.field_id && a.metric == b.metric &&
         a.kind == b.kind && a.dim == b.dim && a.rows == b.rows;
}

}  // namespace

std::vector<uint64_t> AllRows(size_t rows) {
  std::vector<uint64_t> words((rows + 63) / 64, ~uint64_t{0});
  if (rows % 64 != 0) {
    words.back() = (uint64_t{1} << (rows % 64)) - 1;
  }
  return words;
}

uint64_t CountBits(const std::vector<uint64_t>& words) {
  uint64_t count = 0;
  for (const uint64_t word : words) {
    count += static_cast<uint64_t>(std::popcount(word));
  }
  return count;
}

SealedSegment::FileHolder::~FileHolder() {
  damage.IgnoreError();
  if (doomed.load(std::memory_order_acquire)) {
    file.reset();
    // A file that stays is garbage, removed by the next open.
    fs->DeleteFile(path).IgnoreError();
  }
}

SealedSegment::SealedSegment(std::shared_ptr<FileHolder> holder, const FieldSegment& entry)
    : file_holder_(std::move(holder)),
      entry_(entry),
      dead_(std::make_unique<DeadRows>(static_cast<size_t>(entry.info.rows))) {}

std::shared_ptr<SealedSegment> SealedSegment::Open(FileSystem* fs, const std::string& directory,
                                                   const FieldSegment& entry) {
  auto holder = std::make_shared<FileHolder>();
  holder->fs = fs;
  holder->path = JoinPath(directory, SegmentFileName(entry.info.segment_id));
  Result<std::unique_ptr<segment::SegmentFile>> file =
      segment::SegmentFile::Open(fs, holder->path, entry.identity);
  Status damage;
  if (!file.ok()) {
    damage = file.status();
  } else if (!SameSegment((*file)->info(), entry.info)) {
    damage = DataLossError("segment file is not the one the manifest names: path=" + holder->path);
  } else {
    holder->file = std::move(file).value();
  }
  const bool damaged = !damage.ok();
  {
    MutexLock lock(&holder->mutex);
    holder->damage = std::move(damage);
  }
  std::shared_ptr<SealedSegment> segment(new SealedSegment(std::move(holder), entry));
  segment->damaged_.store(damaged, std::memory_order_release);
  return segment;
}

Result<std::unique_ptr<SegmentContents>> SealedSegment::Load(const segment::SegmentFile& file,
                                                             const FieldSegment& entry) {
  if (!DefectPlanted(Defect::kIgnoreChecksum)) {
    LEADLINE_RETURN_IF_ERROR(file.VerifySections({}));
  }
  auto contents = std::make_unique<SegmentContents>();
  const uint64_t rows = entry.info.rows;
  LEADLINE_ASSIGN_OR_RETURN(contents->ordinals,
                            Column<uint64_t>(file, SectionType::kOrdinals, rows));
  LEADLINE_ASSIGN_OR_RETURN(contents->sequences,
                            Column<uint64_t>(file, SectionType::kSequences, rows));
  LEADLINE_ASSIGN_OR_RETURN(contents->id_offsets,
                            Column<uint64_t>(file, SectionType::kIdOffsets, rows + 1));
  if (!file.section(static_cast<uint32_t>(SectionType::kExpiries)).empty()) {
    LEADLINE_ASSIGN_OR_RETURN(contents->expiries,
                              Column<int64_t>(file, SectionType::kExpiries, rows));
  }
  LEADLINE_ASSIGN_OR_RETURN(const float* vectors,
                            Column<float>(file, SectionType::kVectors, rows * entry.info.dim));
  contents->vectors = {vectors, static_cast<size_t>(rows), entry.info.dim};
  contents->id_bytes = file.section(static_cast<uint32_t>(SectionType::kIdBytes));
  LEADLINE_RETURN_IF_ERROR(CheckAscending(file, contents->ordinals, rows, "ordinals", true));
  LEADLINE_RETURN_IF_ERROR(CheckAscending(file, contents->id_offsets, rows + 1, "ids", false));
  if (contents->id_offsets[rows] > contents->id_bytes.size()) {
    return DataLossError("id offsets leave their section: path=" + file.path());
  }
  const std::string_view columns = file.section(static_cast<uint32_t>(SectionType::kPayloadIndex));
  LEADLINE_ASSIGN_OR_RETURN(contents->columns,
                            PayloadColumns::Open(columns, static_cast<size_t>(rows)));
  std::vector<index::SectionView> sections;
  for (const uint32_t type : file.section_types()) {
    if (type >= kFirstIndexSection) {
      sections.push_back({type, file.section(type)});
    }
  }
  const index::IndexFactory* factory = FindIndexFactory(entry.info.kind);
  LEADLINE_ASSIGN_OR_RETURN(contents->index,
                            factory->Open(sections, contents->vectors, entry.info.metric));
  return contents;
}

const SegmentContents* SealedSegment::Contents() const {
  if (const SegmentContents* ready = LoadedContents()) {
    return ready;
  }
  if (damaged()) {
    return nullptr;
  }
  MutexLock lock(&file_holder_->mutex);
  if (file_holder_->contents == nullptr && file_holder_->damage.ok()) {
    Result<std::unique_ptr<SegmentContents>> loaded = Load(*file_holder_->file, entry_);
    if (loaded.ok()) {
      file_holder_->contents = std::move(loaded).value();
    } else {
      file_holder_->damage = loaded.status();
    }
  }
  if (file_holder_->contents == nullptr) {
    damaged_.store(true, std::memory_order_release);
    return nullptr;
  }
  contents_.store(file_holder_->contents.get(), std::memory_order_release);
  return file_holder_->contents.get();
}

Status SealedSegment::damage() const {
  MutexLock lock(&file_holder_->mutex);
  return file_holder_->damage;
}

size_t SealedSegment::FindRow(uint64_t ordinal) const {
  const SegmentContents* contents = Contents();
  const uint64_t* begin = contents->ordinals;
  const uint64_t* end = begin + rows();
  const uint64_t* found = std::lower_bound(begin, end, ordinal);
  return found != end && *found == ordinal ? static_cast<size_t>(found - begin) : rows();
}

std::shared_ptr<const RowMask> SealedSegment::LiveMask(uint64_t sequence) const {
  const size_t dead_count = dead_->count();
  if (dead_count == 0) {
    return nullptr;
  }
  const bool newest = sequence >= dead_->last_kill();
  MutexLock lock(&mask_mutex_);
  if (newest && live_ != nullptr && live_dead_count_ == dead_count) {
    return live_;
  }
  auto mask = std::make_shared<RowMask>();
  mask->words = AllRows(rows());
  dead_->ClearDead(sequence, mask->words.data());
  mask->count = CountBits(mask->words);
  if (newest && dead_->count() == dead_count) {
    live_ = mask;
    live_dead_count_ = dead_count;
  }
  return mask;
}

std::shared_ptr<const RowMask> SealedSegment::CachedFilter(const std::string& filter) const {
  MutexLock lock(&mask_mutex_);
  for (const auto& [text, mask] : filters_) {
    if (text == filter) {
      return mask;
    }
  }
  return nullptr;
}

void SealedSegment::CacheFilter(const std::string& filter,
                                std::shared_ptr<const RowMask> mask) const {
  MutexLock lock(&mask_mutex_);
  filters_.emplace_front(filter, std::move(mask));
  if (filters_.size() > kMaxCachedFilters) {
    filters_.pop_back();
  }
}

std::shared_ptr<SealedSegment> SealedSegment::WithFreshDeletes() const {
  std::shared_ptr<SealedSegment> copy(new SealedSegment(file_holder_, entry_));
  copy->damaged_.store(damaged(), std::memory_order_release);
  copy->contents_.store(LoadedContents(), std::memory_order_release);
  return copy;
}

}  // namespace leadline::engine
