#pragma once

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "leadline/eval/record_reader.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::eval {

/// Writes `contents` to a file of a folder that lives as long as this object.
class DatasetFiles {
 public:
  std::string Write(const std::string& name, const std::string& contents) {
    const std::string path = dir_.file(name);
    // Some file systems write a truncated file through on closing it; a new one they do not.
    FileSystem::Posix()->DeleteFile(path).IgnoreError();
    Result<std::unique_ptr<WritableFile>> file = FileSystem::Posix()->NewWritableFile(path);
    EXPECT_OK(file);
    EXPECT_OK((*file)->Append(contents));
    return path;
  }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_.file(name); }

  [[nodiscard]] const std::string& folder() const { return dir_.path(); }

 private:
  testing::TempDir dir_;
};

template <typename T>
void AppendBytes(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// fvecs, ivecs or bvecs, by T.
template <typename T>
std::string MakeVecs(const std::vector<std::vector<T>>& rows) {
  std::string bytes;
  for (const std::vector<T>& row : rows) {
    AppendBytes(static_cast<int32_t>(row.size()), &bytes);
    for (const T value : row) {
      AppendBytes(value, &bytes);
    }
  }
  return bytes;
}

/// An npy file of version 1.0 with the given header fields and data bytes.
inline std::string MakeNpy(const std::string& dictionary, const std::string& data) {
  std::string header = dictionary;
  while ((10 + header.size() + 1) % 64 != 0) {
    header += ' ';
  }
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  AppendBytes(static_cast<uint16_t>(header.size()), &bytes);
  return bytes + header + data;
}

/// What a reader made of a file: records until the end, bad rows, and the error that ended it.
struct ReadOutcome {
  std::vector<InputRecord> records;
  std::vector<Status> bad_rows;
  Status fatal;
};

/// Reads everything, skipping bad rows.
inline ReadOutcome ReadAll(const std::string& path, FileFormat format = FileFormat::kAuto,
                           RecordReaderOptions options = {}) {
  ReadOutcome outcome;
  // Copies count as unread errors of their own.
  options.on_error = [&](const Status& status) {
    outcome.bad_rows.push_back(status);
    outcome.bad_rows.back().IgnoreError();
  };
  Result<std::unique_ptr<RecordReader>> reader =
      OpenRecords(FileSystem::Posix(), path, format, options);
  if (!reader.ok()) {
    outcome.fatal = reader.status();
    outcome.fatal.IgnoreError();
    return outcome;
  }
  while (true) {
    InputRecord record;
    Result<bool> more = (*reader)->Next(&record);
    if (!more.ok()) {
      outcome.fatal = more.status();
      outcome.fatal.IgnoreError();
      EXPECT_FALSE((*reader)->can_continue());
      return outcome;
    }
    if (!*more) {
      EXPECT_EQ((*reader)->skipped(), outcome.bad_rows.size());
      return outcome;
    }
    outcome.records.push_back(std::move(record));
  }
}

/// Every prefix and every flipped bit of `contents` (or a sample of `stride`) gives records or
/// errors of invalid input, and nothing else. Prints the first position that does not.
template <typename Check>
void ExpectSurvivesDamage(const std::string& contents, size_t stride, const Check& check) {
  for (size_t length = 0; length < contents.size(); length += stride) {
    SCOPED_TRACE("truncated to " + std::to_string(length));
    check(contents.substr(0, length));
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
  for (size_t bit = 0; bit < contents.size() * 8; bit += stride) {
    SCOPED_TRACE("flipped bit " + std::to_string(bit));
    std::string damaged = contents;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    check(damaged);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

}  // namespace leadline::eval
