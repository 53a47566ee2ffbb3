#pragma once

/// What the tests of the store share.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fault_injection_file_system.h"
#include "leadline/core/coding.h"
#include "leadline/core/rng.h"
#include "leadline/storage/store.h"
#include "status_matchers.h"

namespace leadline::kv {

using TableContents = std::map<std::string, std::string>;

/// Options of a small store: tiny memtables, so that files appear early.
inline StoreOptions Creating() {
  StoreOptions options;
  options.create_if_missing = true;
  options.sequence_key = "seq";
  options.min_free_bytes = 0;
  options.write_buffer_bytes = 256 << 10;
  return options;
}

/// The system's files without the syncs: quick, and no less true for tests that cut no power.
inline FileSystem* UnsyncedFiles() {
  static auto* const kFiles = [] {
    auto* files = new leadline::testing::FaultInjectionFileSystem(FileSystem::Posix());
    files->set_skip_sync(true);
    return files;
  }();
  return kFiles;
}

inline StoreOptions Reading() {
  StoreOptions options = Creating();
  options.create_if_missing = false;
  options.read_only = true;
  return options;
}

inline std::unique_ptr<Store> OpenOrDie(const std::string& directory, const StoreOptions& options) {
  Result<std::unique_ptr<Store>> store = Store::Open(directory, options);
  EXPECT_OK(store);
  return store.ok() ? std::move(*store) : nullptr;
}

inline std::string Fixed64(uint64_t value) {
  std::string out;
  PutFixed64(&out, value);
  return out;
}

inline std::string RandomBytes(Rng* rng, size_t n) {
  std::string bytes(n, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(rng->Next());
  }
  return bytes;
}

/// Everything in `table` that starts with `prefix`, by iterator; `status` gets its end.
inline TableContents ReadTable(Store* store, Table table, Status* status,
                               const std::string& prefix = "",
                               const StoreSnapshot* snapshot = nullptr) {
  TableContents all;
  const std::unique_ptr<Iterator> it = store->NewIterator(table, prefix, snapshot);
  for (; it->Valid(); it->Next()) {
    all[std::string(it->key())] = std::string(it->value());
  }
  *status = it->status();
  return all;
}

inline TableContents Contents(Store* store, Table table, const std::string& prefix = "",
                              const StoreSnapshot* snapshot = nullptr) {
  Status status;
  TableContents all = ReadTable(store, table, &status, prefix, snapshot);
  EXPECT_OK(status);
  return all;
}

/// Batch number `i` (from 1) of a numbered history: sets "seq" to i, adds one row, rewrites one.
inline void MakeNumberedBatch(uint64_t i, size_t value_bytes, Rng* rng, WriteBatch* batch) {
  batch->Clear();
  batch->Put(Table::kMeta, "seq", Fixed64(i));
  batch->Put(Table::kVectors, "row" + std::to_string(i), RandomBytes(rng, value_bytes));
  batch->Put(Table::kRecords, "latest", std::to_string(i));
}

/// Says whether the store holds exactly batches 1..n of a numbered history, and n.
inline ::testing::AssertionResult HoldsPrefix(Store* store, uint64_t* n) {
  Result<std::optional<std::string>> sequence = store->Get(Table::kMeta, "seq");
  Result<std::optional<std::string>> latest = store->Get(Table::kRecords, "latest");
  if (!sequence.ok() || !latest.ok()) {
    return ::testing::AssertionFailure() << "cannot read the store";
  }
  *n = *sequence ? DecodeFixed64((*sequence)->data()) : 0;
  if (*n > 0 && *latest != std::to_string(*n)) {
    return ::testing::AssertionFailure() << "batch " << *n << " is torn";
  }
  Status status;
  const TableContents rows = ReadTable(store, Table::kVectors, &status);
  if (!status.ok()) {
    return ::testing::AssertionFailure() << status.ToString();
  }
  if (rows.size() != *n) {
    return ::testing::AssertionFailure() << rows.size() << " rows, expected " << *n;
  }
  for (uint64_t i = 1; i <= *n; ++i) {
    if (rows.count("row" + std::to_string(i)) == 0) {
      return ::testing::AssertionFailure() << "row " << i << " is missing";
    }
  }
  return ::testing::AssertionSuccess();
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  // Some file systems flush a file that was truncated and written again.
  std::filesystem::remove(path);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void CopyDirectory(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

/// Paths in `directory` whose name ends with `suffix` or starts with `prefix`, sorted.
inline std::vector<std::string> FilesLike(const std::string& directory, const std::string& suffix,
                                          const std::string& prefix = "") {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const bool ends = name.size() >= suffix.size() &&
                      name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (ends && name.rfind(prefix, 0) == 0) {
      paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace leadline::kv
