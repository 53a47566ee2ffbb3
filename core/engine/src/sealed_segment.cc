#include "sealed_segment.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>

#include "index_registry.h"
#include "leadline/core/clock.h"
#include "leadline/core/mapped_pages.h"
#include "leadline/core/no_throw.h"
#include "leadline/index/principal_axes.h"

namespace leadline::engine {
namespace {

using segment::SectionType;

/// Pause before a file that could not be read is tried again; doubled each time.
constexpr int64_t kFirstRetryMs = 100;
constexpr int64_t kRetryLimitMs = 10'000;

bool SameSegment(const segment::SegmentInfo& a, const segment::SegmentInfo& b) {
  return a.database == b.database && a.segment_id == b.segment_id &&
         a.collection_id == b.collection_id && a.field_id == b.field_id && a.metric == b.metric &&
         a.kind == b.kind && a.codes == b.codes && a.dim == b.dim && a.rows == b.rows;
}

/// The sum of `measure` over the sections of `file`, by what they are for.
template <typename Measure>
SectionBytes SumSections(const segment::SegmentFile& file, const Measure& measure) {
  SectionBytes sum;
  for (const uint32_t type : file.section_types()) {
    switch (UseOfSection(type)) {
      case SectionUse::kVectors:
        sum.vectors += measure(file.section(type));
        break;
      case SectionUse::kCodes:
        sum.codes += measure(file.section(type));
        break;
      case SectionUse::kLinks:
        sum.links += measure(file.section(type));
        break;
      case SectionUse::kOther:
        break;
    }
  }
  return sum;
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
  if (doomed.load(std::memory_order_acquire)) {
    MutexLock lock(&mutex);
    contents.reset();
    file.reset();
    // A file that stays is garbage, removed by the next open.
    NoThrow([&] { return fs->DeleteFile(path); }).IgnoreError();
  }
}

Status SealedSegment::FileHolder::OpenFile(const FieldSegment& entry) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<segment::SegmentFile> opened,
                            segment::SegmentFile::Open(fs, path, entry.identity));
  if (!SameSegment(opened->info(), entry.info)) {
    return DataLossError("segment file is not the one the manifest names: path=" + path);
  }
  file = std::move(opened);
  MeasureSections();
  const bool may_expire = !file->section(static_cast<uint32_t>(SectionType::kExpiries)).empty();
  min_expiry.store(may_expire ? 0 : std::numeric_limits<int64_t>::max(), std::memory_order_release);
  return {};
}

void SealedSegment::FileHolder::MeasureSections() {
  const SectionBytes bytes =
      SumSections(*file, [](std::string_view section) { return section.size(); });
  vector_bytes.store(bytes.vectors, std::memory_order_relaxed);
  code_bytes.store(bytes.codes, std::memory_order_relaxed);
  link_bytes.store(bytes.links, std::memory_order_relaxed);
}

void SealedSegment::FileHolder::OfferSections() {
  std::vector<std::string_view> sections;
  for (const uint32_t type : file->section_types()) {
    const SectionUse use = UseOfSection(type);
    if (use == SectionUse::kCodes || use == SectionUse::kLinks) {
      sections.push_back(file->section(type));
    }
  }
  kept.Offer(sections);
  if (contents->index->scan_codes() != CodeType::kF32) {
    // No search reads them from end to end: only rows that it compares again.
    ExpectScatteredReads(file->section(static_cast<uint32_t>(SectionType::kVectors)));
  }
}

Status SealedSegment::FileHolder::Load(const FieldSegment& entry, OrdinalRange range) {
  if (file == nullptr) {
    LEADLINE_RETURN_IF_ERROR(OpenFile(entry));
  }
  try {
    LEADLINE_ASSIGN_OR_RETURN(contents, LoadSegmentContents(*file, entry, range));
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError("not enough memory to open a segment: path=" + path);
  }
  min_expiry.store(contents->min_expiry, std::memory_order_release);
  OfferSections();
  return {};
}

bool SealedSegment::FileHolder::WaitsForRetry() const {
  return faulty.load(std::memory_order_acquire) && Clock::System()->MonotonicNanos() < retry_at;
}

void SealedSegment::FileHolder::Judge(Status error) {
  const StatusCode code = error.code();
  if (code == StatusCode::kOk) {
    faulty.store(false, std::memory_order_release);
  } else if (code == StatusCode::kNotFound || code == StatusCode::kDataLoss) {
    damaged.store(true, std::memory_order_release);
  } else {
    faulty.store(true, std::memory_order_release);
    retry_delay_ms =
        retry_delay_ms == 0 ? kFirstRetryMs : std::min(2 * retry_delay_ms, kRetryLimitMs);
    // What a newer release wrote stays unreadable to this one.
    retry_at = code == StatusCode::kUnimplemented
                   ? std::numeric_limits<int64_t>::max()
                   : Clock::System()->MonotonicNanos() + retry_delay_ms * 1'000'000;
  }
  problem.IgnoreError();
  problem = std::move(error);
  problem.IgnoreError();  // kept for whoever asks; nobody may
}

SealedSegment::SealedSegment(std::shared_ptr<FileHolder> holder, const FieldSegment& entry,
                             OrdinalRange range)
    : file_holder_(std::move(holder)),
      entry_(entry),
      range_(range),
      dead_(std::make_unique<DeadRows>(static_cast<size_t>(entry.info.rows))) {}

std::shared_ptr<SealedSegment> SealedSegment::Open(FileSystem* fs, const std::string& directory,
                                                   const FieldSegment& entry, OrdinalRange range) {
  auto holder = std::make_shared<FileHolder>();
  holder->fs = fs;
  holder->path = JoinPath(directory, SegmentFileName(entry.info.segment_id));
  {
    MutexLock lock(&holder->mutex);
    holder->Judge(holder->OpenFile(entry));
  }
  return std::shared_ptr<SealedSegment>(new SealedSegment(std::move(holder), entry, range));
}

const SegmentContents* SealedSegment::Contents() const {
  FileHolder& holder = *file_holder_;
  if (damaged()) {
    return nullptr;
  }
  const SegmentContents* const ready = LoadedContents();
  if (ready != nullptr && !holder.faulty.load(std::memory_order_acquire)) {
    return ready;
  }
  MutexLock lock(&holder.mutex);
  if (holder.damaged.load(std::memory_order_acquire) || holder.WaitsForRetry()) {
    return nullptr;
  }
  if (holder.contents == nullptr) {
    holder.Judge(holder.Load(entry_, range_));
  }
  if (holder.contents == nullptr) {
    return nullptr;
  }
  const SegmentContents* const loaded = holder.contents.get();
  MutexLock killing(&kill_mutex_);
  if (LoadedContents() == nullptr) {
    for (const auto& [ordinal, sequence] : pending_kills_) {
      const uint64_t* const end = loaded->ordinals + rows();
      const uint64_t* const found = std::lower_bound(loaded->ordinals, end, ordinal);
      if (found != end && *found == ordinal) {
        dead_->Kill(static_cast<size_t>(found - loaded->ordinals), sequence);
      }
    }
    pending_kills_ = {};
    contents_.store(loaded, std::memory_order_release);
  }
  return loaded;
}

Result<const SegmentContents*> SealedSegment::VerifiedContents(const CallControl& control) const {
  const SegmentContents* const contents = Contents();
  if (contents == nullptr || contents->unverified == nullptr || contents->unverified->done()) {
    return contents;
  }
  Status verified = contents->unverified->CheckAll(control);
  if (verified.code() == StatusCode::kCancelled ||
      verified.code() == StatusCode::kDeadlineExceeded) {
    return verified;
  }
  const bool sound = verified.ok();
  NoteVectorError(std::move(verified));
  return sound ? contents : nullptr;
}

void SealedSegment::NoteVectorError(Status error) const {
  MutexLock lock(&file_holder_->mutex);
  file_holder_->Judge(std::move(error));
}

Status SealedSegment::damage() const {
  MutexLock lock(&file_holder_->mutex);
  return file_holder_->problem;
}

index::SearchCurve SealedSegment::ReadCurve() const {
  MutexLock lock(&file_holder_->mutex);
  const segment::SegmentFile* const file = file_holder_->file.get();
  if (file == nullptr || file->section(index::kSearchCurveSection).empty() ||
      !file->VerifySections({index::kSearchCurveSection}).ok()) {
    return {};
  }
  Result<index::SearchCurve> curve = index::DecodeCurve(file->section(index::kSearchCurveSection),
                                                        entry_.info.kind, entry_.info.codes);
  return curve.ok() ? *std::move(curve) : index::SearchCurve();
}

size_t SealedSegment::ReadAxes() const {
  MutexLock lock(&file_holder_->mutex);
  const segment::SegmentFile* const file = file_holder_->file.get();
  if (file == nullptr || file->section(index::kPrincipalAxesSection).empty() ||
      !file->VerifySections({index::kPrincipalAxesSection}).ok()) {
    return 0;
  }
  const Result<index::PrincipalAxes> axes =
      index::PrincipalAxes::Open(file->section(index::kPrincipalAxesSection), entry_.info.dim);
  return axes.ok() ? axes->kept() : 0;
}

SectionBytes SealedSegment::section_bytes() const {
  return {file_holder_->vector_bytes.load(std::memory_order_relaxed),
          file_holder_->code_bytes.load(std::memory_order_relaxed),
          file_holder_->link_bytes.load(std::memory_order_relaxed)};
}

SectionBytes SealedSegment::ResidentSections() const {
  const segment::SegmentFile* file = nullptr;
  {
    MutexLock lock(&file_holder_->mutex);
    file = file_holder_->file.get();  // stays as long as the holder
  }
  return file == nullptr ? SectionBytes() : SumSections(*file, ResidentBytes);
}

uint64_t SealedSegment::heap_bytes() const {
  const SegmentContents* const contents = LoadedContents();
  uint64_t bytes = sizeof(*this) + dead_->heap_bytes();
  if (contents != nullptr) {
    bytes += contents->index->resident_bytes();
  }
  MutexLock lock(&mask_mutex_);
  bytes += live_ == nullptr ? 0 : live_->words.capacity() * sizeof(uint64_t);
  for (const auto& [text, mask] : filters_) {
    const index::PreparedFilter* prepared = mask->prepared.get();
    bytes += text.capacity() + mask->words.capacity() * sizeof(uint64_t) +
             (prepared == nullptr ? 0 : prepared->resident_bytes());
  }
  return bytes;
}

std::string_view SealedSegment::FileBytes() const {
  MutexLock lock(&file_holder_->mutex);
  return file_holder_->file->bytes();
}

void SealedSegment::Kill(uint64_t ordinal, uint64_t sequence) {
  MutexLock lock(&kill_mutex_);
  if (LoadedContents() == nullptr) {
    // A damaged segment is answered from the store, where the row is gone already.
    if (!damaged()) {
      pending_kills_.emplace_back(ordinal, sequence);
    }
    return;
  }
  const size_t row = FindRow(ordinal);
  if (row < rows()) {
    dead_->Kill(row, sequence);
  }
}

void SealedSegment::ReserveKill(uint64_t ordinal) {
  MutexLock lock(&kill_mutex_);
  if (LoadedContents() == nullptr) {
    if (damaged()) {
      return;
    }
    reserved_kills_ = std::max(reserved_kills_, pending_kills_.size()) + 1;
    if (reserved_kills_ > pending_kills_.capacity()) {
      pending_kills_.reserve(2 * reserved_kills_);
    }
    return;
  }
  const size_t row = FindRow(ordinal);
  if (row < rows()) {
    dead_->Reserve(row);
  }
}

size_t SealedSegment::dead_count() const {
  MutexLock lock(&kill_mutex_);
  return dead_->count() + pending_kills_.size();
}

void SealedSegment::CollectExpired(int64_t now_ms, size_t limit, std::vector<Expired>* out) const {
  if (!MayHoldExpired(now_ms) || next_expiry_.load(std::memory_order_relaxed) > now_ms) {
    return;
  }
  const SegmentContents* const contents = Contents();
  if (contents == nullptr || contents->expiries == nullptr) {
    return;
  }
  int64_t next = std::numeric_limits<int64_t>::max();
  for (size_t row = 0; row < rows(); ++row) {
    const int64_t expiry = contents->expiries[row];
    if (expiry == 0 || dead_->KilledAt(row) != DeadRows::kAlive) {
      continue;
    }
    next = std::min(next, expiry);
    if (expiry <= now_ms) {
      if (out->size() >= limit) {
        break;
      }
      out->push_back({contents->ordinals[row], std::string(contents->id(row))});
    }
  }
  next_expiry_.store(next, std::memory_order_relaxed);
}

size_t SealedSegment::FindRow(uint64_t ordinal) const {
  const SegmentContents* contents = LoadedContents();
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
  std::shared_ptr<SealedSegment> copy(new SealedSegment(file_holder_, entry_, range_));
  copy->contents_.store(LoadedContents(), std::memory_order_release);
  return copy;
}

}  // namespace leadline::engine
