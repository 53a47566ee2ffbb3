#include "sync_mark.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"

namespace leadline::kv {
namespace {

constexpr std::string_view kMagic = "LLSM";
constexpr uint32_t kVersion = 1;
constexpr size_t kHashedBytes = 48;
constexpr size_t kFileBytes = 56;

std::string MarkPath(const std::string& directory) {
  return JoinPath(directory, "SYNCED");
}

std::string Encode(const SyncedState& state) {
  std::string bytes(kMagic);
  PutFixed32(&bytes, kVersion);
  for (const LogPosition& position : {state.files.log, state.files.manifest}) {
    PutFixed64(&bytes, position.number);
    PutFixed64(&bytes, position.bytes);
  }
  PutFixed64(&bytes, state.sequence);
  PutFixed64(&bytes, Hash64(bytes));
  return bytes;
}

}  // namespace

SyncedState SyncMark::Read(FileSystem* fs, const std::string& directory) {
  const Result<std::string> read = ReadFileToString(fs, MarkPath(directory), 4096);
  if (!read.ok() || read->size() < kFileBytes || read->compare(0, kMagic.size(), kMagic) != 0 ||
      DecodeFixed32(read->data() + 4) != kVersion ||
      DecodeFixed64(read->data() + kHashedBytes) != Hash64(read->data(), kHashedBytes)) {
    return {};
  }
  SyncedState state;
  state.files.log = {DecodeFixed64(read->data() + 8), DecodeFixed64(read->data() + 16)};
  state.files.manifest = {DecodeFixed64(read->data() + 24), DecodeFixed64(read->data() + 32)};
  state.sequence = DecodeFixed64(read->data() + 40);
  return state;
}

Result<std::unique_ptr<SyncMark>> SyncMark::Open(FileSystem* fs, const std::string& directory) {
  const std::string path = MarkPath(directory);
  const SyncedState state = Read(fs, directory);
  if (!fs->FileExists(path).ok()) {
    LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs->NewWritableFile(path));
    LEADLINE_RETURN_IF_ERROR(file->Append(Encode(state)));
    LEADLINE_RETURN_IF_ERROR(file->Close());
  }
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<RandomRwFile> file, fs->NewRandomRwFile(path));
  return std::unique_ptr<SyncMark>(new SyncMark(std::move(file), state));
}

SyncMark::SyncMark(std::unique_ptr<RandomRwFile> file, const SyncedState& state)
    : file_(std::move(file)), state_(state) {}

void SyncMark::Advance(const SyncedState& state) {
  MutexLock lock(&mutex_);
  if (!(state_.files.log < state.files.log) && !(state_.files.manifest < state.files.manifest) &&
      state.sequence <= state_.sequence) {
    return;
  }
  state_.files.log = std::max(state_.files.log, state.files.log);
  state_.files.manifest = std::max(state_.files.manifest, state.files.manifest);
  state_.sequence = std::max(state_.sequence, state.sequence);
  file_->Write(0, Encode(state_)).IgnoreError();
}

Status SyncMark::Reset(const SyncedState& state) {
  MutexLock lock(&mutex_);
  state_ = state;
  LEADLINE_RETURN_IF_ERROR(file_->Write(0, Encode(state_)));
  return file_->Sync();
}

Status SyncMark::Sync() {
  MutexLock lock(&mutex_);
  return file_->Sync();
}

}  // namespace leadline::kv
