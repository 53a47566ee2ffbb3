#include "hdf5_source.h"

#include <functional>
#include <vector>

#include "hdf5_file.h"
#include "input_file.h"
#include "leadline/core/coding.h"
#include "leadline/core/types.h"
#include "worker_process.h"

namespace leadline::eval {
namespace {

// The child writes answers: one for the file, then one for each block of rows.
//   u32 bytes of the status | status: u32 code, three strings | nothing more where that is an error
// What follows an OK has a length that the parent knows.

constexpr uint32_t kMaxStatusBytes = 64 << 10;
constexpr size_t kShapeBytes = 3 * sizeof(uint64_t);

std::string EncodeAnswer(const Status& status) {
  std::string body;
  PutFixed32(&body, static_cast<uint32_t>(status.code()));
  PutString(&body, status.message());
  PutString(&body, status.field());
  PutString(&body, status.limit());
  std::string answer;
  PutString(&answer, body);
  return answer;
}

/// The error of an answer from a child whose memory may be corrupt.
Status DecodeAnswer(std::string_view body, Status* answered) {
  Decoder decoder(body);
  uint32_t code = 0;
  std::string_view message;
  std::string_view field;
  std::string_view limit;
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&code));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&message, kMaxStatusBytes));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&field, kMaxStatusBytes));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&limit, kMaxStatusBytes));
  if (code > static_cast<uint32_t>(StatusCode::kUnauthenticated)) {
    return DataLossError("unknown code");
  }
  *answered = Status(static_cast<StatusCode>(code), std::string(message));
  answered->WithField(std::string(field), std::string(limit));
  return {};
}

Status Nonsense(const std::string& path) {
  return InvalidFieldError("HDF5 library does not survive the file: file=" + path, "answer",
                           "damaged", "an answer");
}

/// Reads the status of an answer.
Status ReadAnswer(WorkerProcess* worker, const std::string& path) {
  char length[sizeof(uint32_t)];
  LEADLINE_RETURN_IF_ERROR(worker->Read(length, sizeof length));
  std::string body(std::min(DecodeFixed32(length), kMaxStatusBytes), '\0');
  LEADLINE_RETURN_IF_ERROR(worker->Read(body.data(), body.size()));
  Status answered;
  return DecodeAnswer(body, &answered).ok() ? answered : Nonsense(path);
}

/// Starts `work`, under the name that its errors carry.
Result<std::unique_ptr<WorkerProcess>> StartReading(
    const std::string& path, const std::function<void(const WorkerOutput&)>& work) {
  return WorkerProcess::Start("HDF5 library does not survive the file: file=" + path, work);
}

void SendRows(const WorkerOutput& out, const std::string& path, const std::string& dataset,
              uint64_t file_size) {
  Hdf5Dataset source(path);
  const Status opened = source.Open(dataset, file_size);
  std::string answer = EncodeAnswer(opened);
  const Hdf5Shape& shape = source.shape();
  if (opened.ok()) {
    PutFixed64(&answer, static_cast<uint64_t>(shape.type));
    PutFixed64(&answer, shape.rows);
    PutFixed64(&answer, shape.dim);
  }
  out.Write(answer);
  uint64_t sent = 0;
  while (opened.ok() && sent < shape.rows) {
    sent += shape.BlockRows(sent);
    const Result<std::string_view> block = source.ReadBlock();
    out.Write(EncodeAnswer(block.status()));
    if (!block.ok()) {
      return;
    }
    out.Write(*block);
  }
}

void SendWhetherThere(const WorkerOutput& out, const std::string& path,
                      const std::string& dataset) {
  const Result<bool> found = Hdf5FileHas(path, dataset);
  std::string answer = EncodeAnswer(found.status());
  if (found.ok()) {
    answer.push_back(*found ? '\1' : '\0');
  }
  out.Write(answer);
}

class Hdf5Source final : public VectorSource {
 public:
  Hdf5Source(std::string path, std::unique_ptr<WorkerProcess> worker)
      : path_(std::move(path)), worker_(std::move(worker)) {}

  Status ReadShape() {
    LEADLINE_RETURN_IF_ERROR(ReadAnswer(worker_.get(), path_));
    char bytes[kShapeBytes];
    LEADLINE_RETURN_IF_ERROR(worker_->Read(bytes, sizeof bytes));
    const uint64_t type = DecodeFixed64(bytes);
    shape_.rows = DecodeFixed64(bytes + 8);
    shape_.dim = DecodeFixed64(bytes + 16);
    if (type > static_cast<uint64_t>(ElementType::kI64) || shape_.dim < 1 || shape_.dim > kMaxDim) {
      return Nonsense(path_);
    }
    shape_.type = static_cast<ElementType>(type);
    return {};
  }

  Result<bool> Next(RawRow* row) override {
    if (number_ == shape_.rows) {
      return false;
    }
    if (number_ == block_end_) {
      LEADLINE_RETURN_IF_ERROR(ReadBlock());
    }
    const size_t at = static_cast<size_t>(number_ - block_begin_) * shape_.row_bytes();
    ++number_;
    *row = {shape_.type, static_cast<size_t>(shape_.dim), block_.data() + at, number_};
    return true;
  }

  [[nodiscard]] const std::string& path() const override { return path_; }

  [[nodiscard]] uint64_t bytes_read() const override { return number_ * shape_.row_bytes(); }

  [[nodiscard]] uint64_t bytes_total() const override { return shape_.rows * shape_.row_bytes(); }

 private:
  Status ReadBlock() {
    LEADLINE_RETURN_IF_ERROR(ReadAnswer(worker_.get(), path_));
    const uint64_t count = shape_.BlockRows(number_);
    block_.resize(static_cast<size_t>(count) * shape_.row_bytes());
    LEADLINE_RETURN_IF_ERROR(worker_->Read(block_.data(), block_.size()));
    block_begin_ = number_;
    block_end_ = number_ + count;
    return {};
  }

  const std::string path_;
  const std::unique_ptr<WorkerProcess> worker_;
  Hdf5Shape shape_;
  std::vector<char> block_;  // rows [block_begin_, block_end_)
  uint64_t block_begin_ = 0;
  uint64_t block_end_ = 0;
  uint64_t number_ = 0;
};

}  // namespace

Result<std::unique_ptr<VectorSource>> OpenHdf5(FileSystem* fs, const std::string& path,
                                               const std::string& dataset) {
  LEADLINE_RETURN_IF_ERROR(ExpectRegularFile(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(path));
  LEADLINE_ASSIGN_OR_RETURN(auto worker, StartReading(path, [&](const WorkerOutput& out) {
                              SendRows(out, path, dataset, size);
                            }));
  auto source = std::make_unique<Hdf5Source>(path, std::move(worker));
  LEADLINE_RETURN_IF_ERROR(source->ReadShape());
  return std::unique_ptr<VectorSource>(std::move(source));
}

Result<bool> HasHdf5Dataset(FileSystem* fs, const std::string& path, const std::string& dataset) {
  LEADLINE_RETURN_IF_ERROR(ExpectRegularFile(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(const auto worker, StartReading(path, [&](const WorkerOutput& out) {
                              SendWhetherThere(out, path, dataset);
                            }));
  LEADLINE_RETURN_IF_ERROR(ReadAnswer(worker.get(), path));
  char found = '\0';
  LEADLINE_RETURN_IF_ERROR(worker->Read(&found, 1));
  return found != '\0';
}

}  // namespace leadline::eval
