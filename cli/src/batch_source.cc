#include "batch_source.h"

#include <algorithm>
#include <utility>

#include "exit_code.h"
#include "leadline/core/no_throw.h"

namespace leadline::cli {
namespace {

// Read before rows are prepared, many threads at a time; a chunked row grows when it is.
constexpr size_t kSliceBytes = size_t{1} << 20;

size_t BytesOf(const eval::InputRecord& record) {
  size_t bytes = record.id.size() + record.payload_json.size();
  bytes += record.vector.size() * sizeof(float);
  for (const auto& [name, values] : record.named_vectors) {
    bytes += name.size() + values.size() * sizeof(float);
  }
  return bytes;
}

void IgnoreErrors(const PreparedRow& row) {
  row.error.IgnoreError();
}

}  // namespace

BatchSource::BatchSource(const RecordPreparer& preparer, BatchSourceOptions options)
    : preparer_(preparer), options_(std::move(options)), id_offset_(options_.id_offset) {
  if (options_.threads > 1) {
    pool_ = NewThreadPool(options_.threads);
  }
}

BatchSource::~BatchSource() {
  if (producing_) {
    MutexLock lock(&mutex_);
    while (produced_ == nullptr) {
      ready_.Wait(&mutex_);
    }
    produced_->fatal.IgnoreError();
    std::for_each(produced_->rows.begin(), produced_->rows.end(), IgnoreErrors);
  }
  std::for_each(pending_.begin(), pending_.end(), IgnoreErrors);
  end_error_.IgnoreError();
}

PreparedBatch BatchSource::Next() {
  if (pool_ == nullptr) {
    return Produce();
  }
  if (!producing_) {
    StartProducing();
  }
  std::unique_ptr<PreparedBatch> batch;
  {
    MutexLock lock(&mutex_);
    while (produced_ == nullptr) {
      ready_.Wait(&mutex_);
    }
    batch = std::move(produced_);
  }
  producing_ = false;
  if (!batch->last) {
    StartProducing();
  }
  return std::move(*batch);
}

void BatchSource::StartProducing() {
  next_ = std::make_unique<PreparedBatch>();
  pool_->Schedule([this] {
    Status thrown = NoThrow([this] {
      *next_ = Produce();
      return OkStatus();
    });
    if (!thrown.ok()) {
      next_->fatal = std::move(thrown);
      next_->last = true;
    }
    MutexLock lock(&mutex_);
    produced_ = std::move(next_);
    ready_.NotifyAll();
  });
  producing_ = true;
}

PreparedBatch BatchSource::Produce() {
  PreparedBatch batch;
  batch.fatal = ReadRows(&batch);
  batch.last = batch.last || !batch.fatal.ok();
  batch.share = ShareRead();
  return batch;
}

Status BatchSource::ReadRows(PreparedBatch* batch) {
  size_t bytes = 0;
  while (batch->rows.size() < options_.batch_rows) {
    if (pending_.empty()) {
      if (ended_) {
        batch->last = true;
        return std::exchange(end_error_, OkStatus());
      }
      Status filled = FillPending();
      if (!filled.ok()) {
        ended_ = true;
        end_error_ = std::move(filled);  // told behind the rows that were read before it
      }
      continue;
    }
    const size_t row_bytes = pending_.front().bytes();
    if (!batch->rows.empty() && bytes + row_bytes > options_.batch_bytes) {
      return OkStatus();
    }
    bytes += row_bytes;
    batch->rows.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return OkStatus();
}

Status BatchSource::FillPending() {
  if (reader_ == nullptr) {
    if (next_path_ == options_.paths.size()) {
      ended_ = true;
      return OkStatus();
    }
    LEADLINE_RETURN_IF_ERROR(OpenNextFile());
  }
  LEADLINE_ASSIGN_OR_RETURN(const bool more, ReadSlice());
  if (!more) {
    reader_.reset();
    id_offset_ += rows_in_file_;
  }
  return OkStatus();
}

Status BatchSource::OpenNextFile() {
  eval::RecordReaderOptions reading;
  reading.id_offset = id_offset_;
  rows_in_file_ = 0;
  auto opened =
      eval::OpenRecords(FileSystem::Posix(), options_.paths[next_path_], options_.format, reading);
  if (!opened.ok()) {
    return AsInputError(opened.status());
  }
  reader_ = *std::move(opened);
  ++next_path_;
  return OkStatus();
}

Result<bool> BatchSource::ReadSlice() {
  const std::string place = reader_->path() + " " + std::string(reader_->row_unit());
  std::vector<eval::InputRecord> records;
  size_t bytes = 0;
  bool more = true;
  Status bad;
  while (records.size() < options_.batch_rows && bytes < kSliceBytes) {
    eval::InputRecord record;
    const Result<bool> read = reader_->Next(&record);
    if (!read.ok()) {
      bad = AsInputError(read.status());
      ++rows_in_file_;
      break;
    }
    more = *read;
    if (!more) {
      break;
    }
    ++rows_in_file_;
    bytes += BytesOf(record);
    records.push_back(std::move(record));
  }
  Executor* const executor = pool_ == nullptr ? Executor::Inline() : pool_.get();
  for (PreparedRow& row : preparer_.Prepare(place, std::move(records), executor)) {
    pending_.push_back(std::move(row));
  }
  if (bad.ok()) {
    return more;
  }
  if (!reader_->can_continue()) {
    return bad;
  }
  PreparedRow& row = pending_.emplace_back();
  row.where = reader_->path();
  row.error = std::move(bad);
  return true;
}

double BatchSource::ShareRead() const {
  if (options_.paths.empty()) {
    return 1;
  }
  double in_file = 0;
  if (reader_ != nullptr && reader_->bytes_total() > 0) {
    in_file =
        static_cast<double>(reader_->bytes_read()) / static_cast<double>(reader_->bytes_total());
  }
  const double files_done = static_cast<double>(next_path_) - (reader_ == nullptr ? 0.0 : 1.0);
  return std::clamp((files_done + in_file) / static_cast<double>(options_.paths.size()), 0.0, 1.0);
}

}  // namespace leadline::cli
