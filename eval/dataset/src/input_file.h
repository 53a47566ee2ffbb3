#pragma once

/// Buffered reading of regular files through FileSystem.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"

namespace leadline::eval {

/// kInvalidArgument unless `path` is a regular file: opening a pipe or a device may block for ever.
Status ExpectRegularFile(FileSystem* fs, const std::string& path);

/// A file read front to back through one growing buffer. Thread-compatible.
class InputFile {
 public:
  static Result<std::unique_ptr<InputFile>> Open(FileSystem* fs, const std::string& path);

  /// Makes at least `n` unread bytes visible, fewer only at the end of the file. The view is valid
  /// until the next call.
  Result<std::string_view> Peek(size_t n);
  /// Drops `n` bytes of what Peek returned.
  void Consume(size_t n);

  [[nodiscard]] const std::string& path() const { return path_; }

  [[nodiscard]] uint64_t size() const { return size_; }

  /// Bytes consumed.
  [[nodiscard]] uint64_t position() const { return position_; }

  [[nodiscard]] uint64_t remaining() const { return size_ > position_ ? size_ - position_ : 0; }

 private:
  InputFile(std::string path, uint64_t size, std::unique_ptr<SequentialFile> file)
      : path_(std::move(path)), size_(size), file_(std::move(file)) {}

  const std::string path_;
  const uint64_t size_;  // when opened
  const std::unique_ptr<SequentialFile> file_;
  std::string buffer_;
  size_t begin_ = 0;  // unread bytes are [begin_, end_) of buffer_
  size_t end_ = 0;
  uint64_t position_ = 0;
  bool at_end_ = false;
};

/// Cuts a file into lines. Thread-compatible.
class LineReader {
 public:
  static Result<LineReader> Open(FileSystem* fs, const std::string& path);

  /// Next line without "\n" or "\r\n", valid until the next call; false at the end. A line over
  /// kMaxLineBytes gives kInvalidArgument and is left behind: reading may go on.
  Result<bool> Next(std::string_view* line);

  /// What ended the line that Next returned last: "\n", "\r\n", or less at the end of the file.
  [[nodiscard]] std::string_view line_end() const { return line_end_; }

  /// Number of the line Next returned last, from 1.
  [[nodiscard]] uint64_t line_number() const { return line_number_; }

  [[nodiscard]] const InputFile& file() const { return *file_; }

 private:
  explicit LineReader(std::unique_ptr<InputFile> file) : file_(std::move(file)) {}

  Status SkipLongLine();

  std::unique_ptr<InputFile> file_;
  size_t pending_ = 0;         // bytes of the returned line, consumed by the next call
  std::string_view line_end_;  // a literal
  uint64_t line_number_ = 0;
};

}  // namespace leadline::eval
