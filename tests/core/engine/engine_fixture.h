#pragma once

/// What the tests of the engine's write side share: one database, one collection "c".

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/clock.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {

/// A clock that stands still until it is told. Thread-safe.
class ManualClock final : public Clock {
 public:
  int64_t UnixMillis() override { return wall_ms_.load(); }

  int64_t MonotonicNanos() override { return nanos_.load(); }

  void Advance(int64_t ms) {
    wall_ms_.fetch_add(ms);
    nanos_.fetch_add(ms * 1'000'000);
  }

 private:
  std::atomic<int64_t> wall_ms_{1'700'000'000'000};
  std::atomic<int64_t> nanos_{1'000'000'000};
};

class EngineTest : public ::testing::Test {
 protected:
  // Before the members of derived fixtures go, which the database may use.
  void TearDown() override {
    collection_.reset();
    database_.reset();
  }

  void Open() {
    options_.create_if_missing = true;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_));
  }

  void Create(uint32_t dim, IndexKind index = IndexKind::kAuto, Metric metric = Metric::kL2) {
    VectorField field;
    field.dim = dim;
    field.metric = metric;
    field.index = index;
    Create(field);
  }

  void Create(const VectorField& field) {
    CollectionOptions options;
    options.vectors.push_back(field);
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", options));
  }

  void Close() {
    collection_.reset();
    if (database_ != nullptr) {
      ASSERT_OK(database_->Close());
    }
    database_.reset();
  }

  void Reopen() {
    Close();
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  /// Record `i`: id "r<i>", a vector that depends on `i` alone, payload {"n": i}.
  [[nodiscard]] Record MakeRecord(size_t i) const {
    Rng rng(i + 1);
    Record record;
    record.id = "r" + std::to_string(i);
    record.vector.resize(collection_->options().vectors[0].dim);
    for (float& value : record.vector) {
      value = static_cast<float>(rng.Gaussian());
    }
    record.payload = "{\"n\":" + std::to_string(i) + "}";
    return record;
  }

  /// Upserts records [first, end), `batch` at a time.
  void Fill(size_t first, size_t end, size_t batch = 1000) {
    std::vector<Record> records;
    for (size_t i = first; i < end; ++i) {
      records.push_back(MakeRecord(i));
      if (records.size() == batch || i + 1 == end) {
        ASSERT_OK(collection_->Upsert(std::move(records)));
        records.clear();
      }
    }
  }

  /// Ids of an exact search for everything, nearest first.
  [[nodiscard]] std::vector<std::string> Everything() const {
    SearchOptions options;
    options.limit = kMaxTopK;
    options.exact = true;
    const std::vector<float> query(collection_->options().vectors[0].dim, 0.25F);
    Result<SearchResponse> found = collection_->Search(query, options);
    EXPECT_OK(found);
    std::vector<std::string> ids;
    if (found.ok()) {
      for (const Hit& hit : found->hits) {
        ids.push_back(hit.id);
      }
    }
    return ids;
  }

  [[nodiscard]] std::vector<std::string> SegmentFiles() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path() + "/segments")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  /// Polls for up to `timeout_ms`: long, for under a sanitizer on a busy machine what takes a
  /// second takes a minute, and only a test that fails waits for all of it.
  static bool Eventually(const std::function<bool()>& holds, int64_t timeout_ms = 120'000) {
    for (int64_t waited = 0; waited < timeout_ms; waited += 20) {
      if (holds()) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return holds();
  }

  void ExpectSound() {
    ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
    for (const CheckProblem& problem : report.problems) {
      ADD_FAILURE() << problem.invariant << " " << problem.where << ": " << problem.detail;
    }
  }

  [[nodiscard]] std::string path() const { return dir_.file("db"); }

  TempDir dir_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

}  // namespace leadline::testing
