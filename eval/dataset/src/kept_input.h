#pragma once

#include <cstdint>
#include <string>

#include "leadline/core/status.h"
#include "leadline/eval/file_format.h"

namespace leadline::eval {

/// Counts what a reader keeps of one file. Thread-compatible.
class KeptInput {
 public:
  KeptInput(std::string path, const ReadLimits& limits) : path_(std::move(path)), limits_(limits) {}

  /// Counts one row of about `bytes` of memory. kInvalidArgument names the file and the cap that is
  /// passed.
  Status AddRow(uint64_t bytes);

 private:
  const std::string path_;
  const ReadLimits limits_;
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace leadline::eval
