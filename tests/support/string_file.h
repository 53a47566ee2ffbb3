#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "leadline/core/file_system.h"

namespace leadline::testing {

/// A file whose contents are borrowed bytes, for readers that take an open file. Immutable.
class StringFile final : public RandomAccessFile {
 public:
  explicit StringFile(std::string_view bytes) : bytes_(bytes) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    const std::string_view rest = bytes_.substr(std::min<uint64_t>(offset, bytes_.size()));
    const size_t got = std::min(n, rest.size());
    std::memcpy(scratch, rest.data(), got);
    return std::string_view(scratch, got);
  }

 private:
  const std::string_view bytes_;
};

}  // namespace leadline::testing
