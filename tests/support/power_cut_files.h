#pragma once

/// Private to power_cut_file_system.cc: nodes of the in-memory disk and open files on them.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "power_cut_file_system.h"

namespace leadline::testing {

/// A file or directory. Guarded by the mutex of its file system.
struct PowerCutFileSystem::Node {
  bool is_directory = false;
  std::string bytes;             ///< as programs see them
  std::string synced;            ///< as the disk has them for sure
  size_t dirty_from = SIZE_MAX;  ///< first byte that changed since the last sync
  uint64_t modified = 0;

  void Write(uint64_t offset, std::string_view data) {
    const auto at = static_cast<size_t>(offset);
    dirty_from = std::min({dirty_from, at, bytes.size()});
    if (bytes.size() < at + data.size()) {
      bytes.resize(at + data.size());
    }
    std::memcpy(bytes.data() + at, data.data(), data.size());
  }

  void Resize(uint64_t size) {
    dirty_from = std::min({dirty_from, static_cast<size_t>(size), bytes.size()});
    bytes.resize(static_cast<size_t>(size));
  }

  void Sync() {
    if (dirty_from != SIZE_MAX) {
      synced.resize(std::min(dirty_from, bytes.size()));
      synced.append(bytes, synced.size(), std::string::npos);
      dirty_from = SIZE_MAX;
    }
  }
};

/// What every kind of open file shares: a node of a disk.
class PowerCutHandle {
 public:
  PowerCutHandle(PowerCutFileSystem* fs, std::shared_ptr<PowerCutFileSystem::Node> node)
      : fs_(fs), node_(std::move(node)) {}

  std::string_view Read(uint64_t offset, size_t n, char* scratch) const {
    MutexLock lock(&fs_->mutex_);
    const std::string& bytes = node_->bytes;
    if (offset >= bytes.size()) {
      return {scratch, 0};
    }
    const size_t got = std::min(n, bytes.size() - static_cast<size_t>(offset));
    std::memcpy(scratch, bytes.data() + offset, got);
    return {scratch, got};
  }

  void Write(uint64_t offset, std::string_view data) {
    MutexLock lock(&fs_->mutex_);
    node_->Write(offset, data);
    node_->modified = ++fs_->changes_;
  }

  void Resize(uint64_t size) {
    MutexLock lock(&fs_->mutex_);
    node_->Resize(size);
    node_->modified = ++fs_->changes_;
  }

  Status Sync() { return fs_->SyncFile(node_); }

  Status SyncDirectory(const std::string& path) { return fs_->SyncDirectory(path); }

  void Unlock(const std::string& path) {
    MutexLock lock(&fs_->mutex_);
    fs_->locks_.erase(path);
  }

 private:
  PowerCutFileSystem* const fs_;
  const std::shared_ptr<PowerCutFileSystem::Node> node_;
};

class MemorySequentialFile final : public SequentialFile {
 public:
  explicit MemorySequentialFile(PowerCutHandle handle) : handle_(std::move(handle)) {}

  Result<std::string_view> Read(size_t n, char* scratch) override {
    const std::string_view got = handle_.Read(position_, n, scratch);
    position_ += got.size();
    return got;
  }

  Status Skip(uint64_t n) override {
    position_ += n;
    return {};
  }

 private:
  const PowerCutHandle handle_;
  uint64_t position_ = 0;
};

class MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  explicit MemoryRandomAccessFile(PowerCutHandle handle) : handle_(std::move(handle)) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    return handle_.Read(offset, n, scratch);
  }

 private:
  const PowerCutHandle handle_;
};

class MemoryWritableFile final : public WritableFile {
 public:
  MemoryWritableFile(PowerCutHandle handle, uint64_t size)
      : handle_(std::move(handle)), size_(size) {}

  Status Append(std::string_view data) override {
    handle_.Write(size_, data);
    size_ += data.size();
    return {};
  }

  Status PositionedAppend(std::string_view data, uint64_t offset) override {
    handle_.Write(offset, data);
    size_ = std::max(size_, offset + data.size());
    return {};
  }

  Status Truncate(uint64_t size) override {
    handle_.Resize(size);
    size_ = size;
    return {};
  }

  Status Sync() override { return handle_.Sync(); }

  Status Close() override { return {}; }

  [[nodiscard]] uint64_t size() const override { return size_; }

 private:
  PowerCutHandle handle_;
  uint64_t size_;
};

class MemoryRandomRwFile final : public RandomRwFile {
 public:
  explicit MemoryRandomRwFile(PowerCutHandle handle) : handle_(std::move(handle)) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    return handle_.Read(offset, n, scratch);
  }

  Status Write(uint64_t offset, std::string_view data) override {
    handle_.Write(offset, data);
    return {};
  }

  Status Sync() override { return handle_.Sync(); }

  Status Close() override { return {}; }

 private:
  PowerCutHandle handle_;
};

class MemoryDirectory final : public Directory {
 public:
  MemoryDirectory(PowerCutHandle handle, std::string path)
      : handle_(std::move(handle)), path_(std::move(path)) {}

  Status Sync() override { return handle_.SyncDirectory(path_); }

 private:
  PowerCutHandle handle_;
  const std::string path_;
};

class MemoryMappedFile final : public MappedFile {
 public:
  explicit MemoryMappedFile(std::string bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] const uint8_t* data() const override {
    return reinterpret_cast<const uint8_t*>(bytes_.data());
  }

  [[nodiscard]] size_t size() const override { return bytes_.size(); }

 private:
  const std::string bytes_;
};

class MemoryFileLock final : public FileLock {
 public:
  MemoryFileLock(PowerCutHandle handle, std::string path)
      : handle_(std::move(handle)), path_(std::move(path)) {}

  MemoryFileLock(const MemoryFileLock&) = delete;
  MemoryFileLock& operator=(const MemoryFileLock&) = delete;

  ~MemoryFileLock() override { handle_.Unlock(path_); }

 private:
  PowerCutHandle handle_;
  const std::string path_;
};

}  // namespace leadline::testing
