#include "log_scan.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "crc32c.h"
#include "leadline/core/coding.h"

namespace leadline::kv {
namespace {

constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;
constexpr size_t kSectorBytes = 512;
constexpr size_t kBatchHeaderBytes = 12;
/// Fewer zeros than this, where a sector begins or ends, prove nothing by themselves.
constexpr size_t kMinZeroRun = 3;

enum FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

enum class Frame : uint8_t { kSound, kPadding, kShort, kZero, kBad };

struct Fragment {
  Frame frame = Frame::kBad;
  uint8_t type = 0;
  std::string_view payload;
  size_t size = 0;  ///< bytes in the block, header included
};

size_t FragmentBytes(std::string_view header) {
  return kHeaderBytes + (static_cast<unsigned char>(header[4]) |
                         static_cast<size_t>(static_cast<unsigned char>(header[5])) << 8);
}

uint32_t ChecksumOf(std::string_view fragment) {
  return MaskCrc32c(ExtendCrc32c(0, fragment.substr(kHeaderBytes - 1)));
}

bool IsZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

/// Reads the fragment at `at` of `block`. Only the last block of a file is short.
Fragment ParseFragment(std::string_view block, size_t at) {
  Fragment fragment;
  const std::string_view rest = block.substr(at);
  if (rest.size() < kHeaderBytes) {
    fragment.frame = block.size() == kBlockBytes ? Frame::kPadding : Frame::kShort;
    fragment.size = rest.size();
    return fragment;
  }
  const size_t bytes = FragmentBytes(rest);
  fragment.type = static_cast<uint8_t>(rest[6]);
  if (IsZero(rest.substr(0, kHeaderBytes))) {
    fragment.frame = Frame::kZero;
    return fragment;
  }
  if (bytes > rest.size()) {
    fragment.frame = block.size() == kBlockBytes ? Frame::kBad : Frame::kShort;
    return fragment;
  }
  if (fragment.type < kFull || fragment.type > kLast ||
      ChecksumOf(rest.substr(0, bytes)) != DecodeFixed32(rest.data())) {
    return fragment;
  }
  fragment.frame = Frame::kSound;
  fragment.payload = rest.substr(kHeaderBytes, bytes - kHeaderBytes);
  fragment.size = bytes;
  return fragment;
}

/// True where all of a fragment but the first `lost` bytes of its checksum is there.
bool LacksStart(std::string_view rest, size_t lost) {
  if (rest.size() < kHeaderBytes || FragmentBytes(rest) > rest.size() ||
      !IsZero(rest.substr(0, lost))) {
    return false;
  }
  const uint32_t differs =
      ChecksumOf(rest.substr(0, FragmentBytes(rest))) ^ DecodeFixed32(rest.data());
  return differs >> (8 * lost) == 0;
}

/// True where `rest` is a fragment but for its last `lost` bytes: some others make it whole.
bool LacksEnd(std::string_view rest, size_t lost) {
  if (rest.size() < kHeaderBytes + lost || FragmentBytes(rest) != rest.size() ||
      !IsZero(rest.substr(rest.size() - lost))) {
    return false;
  }
  const std::string_view kept = rest.substr(0, rest.size() - lost);
  const uint32_t checksum = ExtendCrc32c(0, kept.substr(kHeaderBytes - 1));
  for (uint32_t end = 0; end < uint32_t{1} << (8 * lost); ++end) {
    const char bytes[] = {static_cast<char>(end), static_cast<char>(end >> 8)};
    static_assert(sizeof(bytes) + 1 == kMinZeroRun);
    if (MaskCrc32c(ExtendCrc32c(checksum, {bytes, lost})) == DecodeFixed32(rest.data())) {
      return true;
    }
  }
  return false;
}

/// Puts fragments together. Keeps no payload, only the head that holds sequence and count.
class RecordAssembly {
 public:
  enum class Step : uint8_t { kComplete, kPartial, kOutOfPlace };

  Step Add(const Fragment& fragment, uint64_t offset) {
    const bool starts = fragment.type == kFull || fragment.type == kFirst;
    if (starts == open_) {
      return Step::kOutOfPlace;
    }
    if (starts) {
      start_ = offset;
      head_.clear();
    }
    if (head_.size() < kBatchHeaderBytes) {
      head_.append(fragment.payload.substr(0, kBatchHeaderBytes - head_.size()));
    }
    open_ = fragment.type == kFirst || fragment.type == kMiddle;
    return open_ ? Step::kPartial : Step::kComplete;
  }

  void Reset() { open_ = false; }

  [[nodiscard]] bool open() const { return open_; }

  [[nodiscard]] uint64_t start() const { return start_; }

  [[nodiscard]] bool has_batch_header() const { return head_.size() == kBatchHeaderBytes; }

  [[nodiscard]] uint64_t sequence() const { return DecodeFixed64(head_.data()); }

  [[nodiscard]] uint32_t count() const { return DecodeFixed32(head_.data() + 8); }

 private:
  bool open_ = false;
  uint64_t start_ = 0;
  std::string head_;
};

class Scanner {
 public:
  Scanner(const RandomAccessFile* file, uint64_t file_bytes, LogKind kind, uint64_t expected)
      : file_(file), kind_(kind) {
    scan_.file_bytes = file_bytes;
    scan_.next_sequence = expected;
  }

  Result<LogScan> Run() {
    std::string buffer(
        static_cast<size_t>(std::min<uint64_t>(kBlocksPerRead * kBlockBytes, scan_.file_bytes)),
        '\0');
    for (uint64_t start = 0; start < scan_.file_bytes; start += buffer.size()) {
      const size_t wanted =
          static_cast<size_t>(std::min<uint64_t>(buffer.size(), scan_.file_bytes - start));
      LEADLINE_ASSIGN_OR_RETURN(const std::string_view got,
                                file_->Read(start, wanted, buffer.data()));
      for (size_t at = 0; at < got.size(); at += kBlockBytes) {
        ReadBlock(got.substr(at, kBlockBytes), start + at);
        if (scan_.record_follows) {
          return std::move(scan_);
        }
      }
      if (got.size() < wanted) {
        break;
      }
    }
    if (!scan_.damaged && assembly_.open()) {
      Damage(assembly_.start(), "file ends inside a record");
      scan_.looks_torn = true;
    }
    return std::move(scan_);
  }

 private:
  static constexpr size_t kBlocksPerRead = 32;

  void ReadBlock(std::string_view block, uint64_t offset) {
    size_t at = 0;
    while (!scan_.damaged && at < block.size()) {
      at = TakeSound(block, at, offset);
    }
    if (!scan_.damaged) {
      return;
    }
    if (!scan_.record_follows) {
      Resynchronise(block, InBlock(search_from_, offset), offset);
    }
    const size_t gap_end = scan_.record_follows && scan_.follower_offset >= offset
                               ? InBlock(scan_.follower_offset, offset)
                               : block.size();
    NoteZeroSectors(block.substr(0, gap_end), InBlock(scan_.damage_offset, offset));
  }

  static size_t InBlock(uint64_t position, uint64_t block_offset) {
    return position > block_offset ? static_cast<size_t>(position - block_offset) : 0;
  }

  /// Reads one fragment of the sound prefix; returns where the next one starts.
  size_t TakeSound(std::string_view block, size_t at, uint64_t offset) {
    const Fragment fragment = ParseFragment(block, at);
    const uint64_t here = offset + at;
    switch (fragment.frame) {
      case Frame::kPadding:
        return block.size();
      case Frame::kShort:
        Damage(here, "file ends inside a record");
        scan_.looks_torn = true;
        return block.size();
      case Frame::kZero:
        Damage(here, "zeros instead of a record");
        return block.size();
      case Frame::kBad:
        Damage(here, "record checksum or header is wrong");
        scan_.looks_torn = LacksFewBytes(block, at);
        return block.size();
      case Frame::kSound:
        break;
    }
    switch (assembly_.Add(fragment, here)) {
      case RecordAssembly::Step::kOutOfPlace:
        if (assembly_.open()) {
          Damage(assembly_.start(), "record has no end");
          search_from_ = here;  // what stands here is whole and may be the record that follows
        } else {
          Damage(here, "record has no start");
        }
        break;
      case RecordAssembly::Step::kPartial:
        break;
      case RecordAssembly::Step::kComplete:
        TakeRecord(here + fragment.size);
        break;
    }
    return at + fragment.size;
  }

  void TakeRecord(uint64_t end) {
    if (kind_ == LogKind::kWriteAhead) {
      if (!assembly_.has_batch_header()) {
        Damage(assembly_.start(), "record is shorter than a batch");
        return;
      }
      // A batch without changes carries no sequence of its own.
      if (assembly_.count() > 0) {
        if (scan_.next_sequence != 0 && assembly_.sequence() != scan_.next_sequence) {
          Damage(assembly_.start(), "sequence is " + std::to_string(assembly_.sequence()) +
                                        ", expected " + std::to_string(scan_.next_sequence));
          scan_.record_follows = true;
          scan_.follower_offset = assembly_.start();
          return;
        }
        if (scan_.first_sequence == 0) {
          scan_.first_sequence = assembly_.sequence();
        }
        scan_.next_sequence = assembly_.sequence() + assembly_.count();
      }
    }
    scan_.sound_bytes = end;
    ++scan_.records;
  }

  void Damage(uint64_t offset, std::string what) {
    scan_.damaged = true;
    scan_.damage_offset = offset;
    scan_.damage = std::move(what);
    search_from_ = offset + 1;
    assembly_.Reset();
  }

  /// Looks at every byte for the start of a whole record that could follow the damage.
  void Resynchronise(std::string_view block, size_t at, uint64_t offset) {
    while (at < block.size()) {
      const Fragment fragment = ParseFragment(block, at);
      if (fragment.frame != Frame::kSound) {
        if (fragment.frame == Frame::kPadding) {
          return;
        }
        assembly_.Reset();
        ++at;
        continue;
      }
      RecordAssembly::Step step = assembly_.Add(fragment, offset + at);
      if (step == RecordAssembly::Step::kOutOfPlace) {
        assembly_.Reset();
        step = assembly_.Add(fragment, offset + at);
      }
      if (step == RecordAssembly::Step::kComplete && CouldFollow()) {
        scan_.record_follows = true;
        scan_.follower_offset = assembly_.start();
        return;
      }
      at += fragment.size;
    }
  }

  /// Log bytes may be part of a stored value: only a record of a later batch counts.
  [[nodiscard]] bool CouldFollow() const {
    return kind_ == LogKind::kManifest || (assembly_.has_batch_header() && assembly_.count() > 0 &&
                                           assembly_.sequence() >= scan_.next_sequence);
  }

  /// Too few zeros end the first sector or begin the last one of the fragment at `at` to prove
  /// anything, but its checksum tells that nothing else is wrong.
  static bool LacksFewBytes(std::string_view block, size_t at) {
    const size_t first = kSectorBytes - at % kSectorBytes;
    const size_t last = block.size() % kSectorBytes;
    return (first < kMinZeroRun && LacksStart(block.substr(at), first)) ||
           (last > 0 && last < kMinZeroRun && LacksEnd(block.substr(at), last));
  }

  /// A sector that was never written reads as zeros, from its start or from where older bytes end.
  void NoteZeroSectors(std::string_view block, size_t from) {
    // Blocks start on sector boundaries, so positions in the block tell sectors apart.
    static_assert(kBlockBytes % kSectorBytes == 0);
    for (size_t at = from; at < block.size() && !scan_.looks_torn;) {
      const size_t end = std::min(block.size(), (at / kSectorBytes + 1) * kSectorBytes);
      const std::string_view piece = block.substr(at, end - at);
      scan_.looks_torn = piece.size() >= kMinZeroRun && IsZero(piece);
      at = end;
    }
  }

  const RandomAccessFile* const file_;
  const LogKind kind_;
  RecordAssembly assembly_;
  uint64_t search_from_ = 0;  ///< where the search for a following record starts
  LogScan scan_;
};

}  // namespace

Result<LogScan> ScanLog(FileSystem* fs, const std::string& path, LogKind kind,
                        uint64_t expected_sequence) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                            fs->NewRandomAccessFile(path));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t bytes, fs->FileSize(path));
  return ScanOpenLog(file.get(), bytes, kind, expected_sequence);
}

Result<LogScan> ScanOpenLog(const RandomAccessFile* file, uint64_t bytes, LogKind kind,
                            uint64_t expected_sequence) {
  return Scanner(file, bytes, kind, expected_sequence).Run();
}

}  // namespace leadline::kv
