#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {

/// A database in a fresh directory with one collection, "c". Nothing is sealed, merged or rebuilt
/// but by Optimize, so a test knows what lies where.
class QuietEngineTest : public ::testing::Test {
 protected:
  QuietEngineTest() {
    options_.create_if_missing = true;
    options_.durability = Durability::kOs;
    options_.background_maintenance = false;
    options_.seal_rows = 1'000'000;
  }

  void Open() { ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_)); }

  void Close() {
    collection_.reset();
    ASSERT_OK(database_->Close());
    database_.reset();
  }

  void Reopen() {
    Close();
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  /// Opens the database unless it is open, and creates "c" with one vector field.
  void Create(uint32_t dim, Metric metric, IndexKind index) {
    CollectionOptions options;
    options.vectors.push_back(Field("vector", dim, metric, index));
    Create(options);
  }

  void Create(const CollectionOptions& options) {
    if (database_ == nullptr) {
      Open();
    }
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", options));
  }

  static VectorField Field(const std::string& name, uint32_t dim, Metric metric, IndexKind index) {
    VectorField field;
    field.name = name;
    field.dim = dim;
    field.metric = metric;
    field.index = index;
    return field;
  }

  /// Upserts make(first), .., make(end - 1) in batches.
  void Fill(size_t first, size_t end, const std::function<Record(size_t)>& make) {
    std::vector<Record> records;
    for (size_t i = first; i < end; ++i) {
      records.push_back(make(i));
      if (records.size() == 1000 || i + 1 == end) {
        ASSERT_OK(collection_->Upsert(std::move(records)));
        records.clear();
      }
    }
  }

  /// Cuts every segment file in half, as damage at rest would.
  void DamageSegmentsAndReopen() {
    Close();
    for (const auto& file : std::filesystem::directory_iterator(path() + "/segments")) {
      std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) / 2);
    }
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  [[nodiscard]] std::string path() const { return dir_.file("db"); }

  TempDir dir_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

}  // namespace leadline::testing
