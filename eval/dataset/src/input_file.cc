#include "input_file.h"

#include <algorithm>
#include <cstring>

#include "leadline/eval/file_format.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;

}  // namespace

Status ExpectRegularFile(FileSystem* fs, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const bool regular, fs->IsRegularFile(path));
  if (!regular) {
    return InvalidFieldError("not a regular file", "path", path, "a regular file");
  }
  return {};
}

Result<std::unique_ptr<InputFile>> InputFile::Open(FileSystem* fs, const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(ExpectRegularFile(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<SequentialFile> file, fs->NewSequentialFile(path));
  return std::unique_ptr<InputFile>(new InputFile(path, size, std::move(file)));
}

Result<std::string_view> InputFile::Peek(size_t n) {
  while (end_ - begin_ < n && !at_end_) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    // Grows with bytes that are there, never with a size read from the file.
    if (end_ == buffer_.size()) {
      const auto first = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, size_ + 1));
      buffer_.resize(std::max(first, buffer_.size() * 2));
    }
    const size_t room = buffer_.size() - end_;
    LEADLINE_ASSIGN_OR_RETURN(const std::string_view got, file_->Read(room, buffer_.data() + end_));
    if (got.data() != buffer_.data() + end_ && !got.empty()) {
      std::memmove(buffer_.data() + end_, got.data(), got.size());
    }
    end_ += got.size();
    at_end_ = got.empty();  // a short read is no promise
  }
  return std::string_view(buffer_.data() + begin_, end_ - begin_);
}

void InputFile::Consume(size_t n) {
  const size_t taken = std::min(n, end_ - begin_);
  begin_ += taken;
  position_ += taken;
}

Result<LineReader> LineReader::Open(FileSystem* fs, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<InputFile> file, InputFile::Open(fs, path));
  return LineReader(std::move(file));
}

Result<bool> LineReader::Next(std::string_view* line) {
  file_->Consume(pending_);
  pending_ = 0;
  size_t searched = 0;
  size_t wanted = 1;
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const std::string_view seen, file_->Peek(wanted));
    if (seen.empty()) {
      return false;
    }
    const void* newline = std::memchr(seen.data() + searched, '\n', seen.size() - searched);
    const bool last = newline == nullptr && seen.size() < wanted;
    const size_t length =
        newline == nullptr ? seen.size()
                           : static_cast<size_t>(static_cast<const char*>(newline) - seen.data());
    if (length > kMaxLineBytes) {
      ++line_number_;
      LEADLINE_RETURN_IF_ERROR(SkipLongLine());
      return RowError({"line too long", "", "", std::to_string(kMaxLineBytes) + " bytes"},
                      file_->path(), "line", line_number_);
    }
    if (newline != nullptr || last) {
      ++line_number_;
      *line = seen.substr(0, length);
      pending_ = length + (newline != nullptr ? 1 : 0);
      const bool carriage_return = line->ends_with('\r');
      line->remove_suffix(carriage_return ? 1 : 0);
      line_end_ = std::string_view("\r\n").substr(carriage_return ? 0 : 1, pending_ - line->size());
      return true;
    }
    searched = seen.size();
    wanted = seen.size() + 1;
  }
}

Status LineReader::SkipLongLine() {
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const std::string_view seen, file_->Peek(1));
    if (seen.empty()) {
      return {};
    }
    const size_t newline = seen.find('\n');
    if (newline != std::string_view::npos) {
      file_->Consume(newline + 1);
      return {};
    }
    file_->Consume(seen.size());
  }
}

}  // namespace leadline::eval
