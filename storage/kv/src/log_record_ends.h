#pragma once

/// Where the last whole record ends in a log file that RocksDB is writing: it appends long records
/// in pieces, and a sync may come between two of them. The format is in log_scan.h.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace leadline::kv {

/// Follows the bytes of one file from its start. Externally synchronised.
class LogRecordEnds {
 public:
  void Append(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t taken =
          std::min<uint64_t>(bytes.size(), payload_left_ > 0 ? payload_left_ : HeaderLeft());
      if (payload_left_ > 0) {
        payload_left_ -= taken;
      } else {
        std::copy_n(bytes.data(), taken,
                    header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
        header_size_ += taken;
      }
      at_ += taken;
      bytes.remove_prefix(taken);
      EndFragment();
    }
  }

  /// Bytes up to the end of the last whole record; no record begins or continues before it.
  [[nodiscard]] uint64_t end() const { return end_; }

 private:
  static constexpr uint64_t kBlockBytes = 32768;
  static constexpr uint64_t kHeaderBytes = 7;
  static constexpr unsigned char kFull = 1;
  static constexpr unsigned char kLast = 4;

  /// Bytes missing from the header, or from the padding that ends a block.
  [[nodiscard]] uint64_t HeaderLeft() const {
    return std::min(kHeaderBytes - header_size_, kBlockBytes - at_ % kBlockBytes);
  }

  void EndFragment() {
    if (header_size_ == kHeaderBytes && !in_payload_) {
      in_payload_ = true;
      payload_left_ = Byte(4) | Byte(5) << 8;
    }
    if (in_payload_ && payload_left_ == 0) {
      if (Byte(6) == kFull || Byte(6) == kLast) {
        end_ = at_;
      }
      in_payload_ = false;
      header_size_ = 0;
    } else if (!in_payload_ && at_ % kBlockBytes == 0) {
      header_size_ = 0;  // that was padding
    }
  }

  [[nodiscard]] uint64_t Byte(size_t i) const { return static_cast<unsigned char>(header_[i]); }

  std::array<char, kHeaderBytes> header_{};
  uint64_t header_size_ = 0;
  bool in_payload_ = false;
  uint64_t payload_left_ = 0;
  uint64_t at_ = 0;
  uint64_t end_ = 0;
};

}  // namespace leadline::kv
