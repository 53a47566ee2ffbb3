// Every read sees one moment, also where it has to ask the store while a writer replaces records
// between any two of its steps. The writer acts whenever the read looks at its clock.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quiet_engine.h"
#include "status_matchers.h"
#include "test_clock.h"

namespace leadline {
namespace {

using testing::TestClock;

constexpr size_t kRows = 400;
constexpr int64_t kTimeoutMs = 60'000;  // looks at the clock, which hardly moves

/// Texts beyond the longest indexed keyword: a filter on them asks the stored payloads.
std::string LongText(const std::string& word) {
  return std::string(300, 'x') + " " + word;
}

class ReadConsistencyTest : public testing::QuietEngineTest {
 protected:
  void SetUp() override {
    options_.clock = &clock_;
    Create(2, Metric::kL2, IndexKind::kFlat);
    Fill(0, kRows, [this](size_t i) { return MakeRecord(i); });
    ASSERT_OK(collection_->Optimize());
  }

  /// A record that always matches the filter; writing it again changes its version only.
  Record MakeRecord(size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    record.vector = {static_cast<float>(i), 0};
    record.payload =
        "{\"text\":\"" + LongText("word") + "\",\"version\":" + std::to_string(++version_) + "}";
    return record;
  }

  void Replace(size_t i) { ASSERT_OK(collection_->Upsert({MakeRecord(i)})); }

  /// Runs `read` with one record replaced at its first look at the clock, then at its second, and
  /// so on, in larger steps after the first twenty, until there are no more looks; then with one
  /// replaced at every look.
  void AtEveryLook(const std::function<void()>& read) {
    int64_t looks = 1;
    for (int64_t at = 1; at <= looks && !HasFatalFailure(); at += at < 20 ? 1 : 1 + looks / 20) {
      SCOPED_TRACE("replaced at look " + std::to_string(at));
      clock_.SetHook([&](int64_t look) {
        if (look == at) {
          Replace(static_cast<size_t>(at * 7) % kRows);
        }
      });
      read();
      looks = clock_.ClearHook();
    }
    EXPECT_GE(looks, 2);
    SCOPED_TRACE("replaced at every look");
    clock_.SetHook([&](int64_t look) { Replace(static_cast<size_t>(look * 11) % kRows); });
    read();
    clock_.ClearHook();
  }

  void ExpectEveryRecordFound(const std::optional<Filter>& filter,
                              const std::shared_ptr<const Snapshot>& snapshot = nullptr) {
    SearchOptions options;
    options.filter = filter;
    options.limit = 2 * kRows;
    options.timeout_ms = kTimeoutMs;
    options.with_payload = true;
    options.snapshot = snapshot;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(std::vector<float>{0, 0}, options));
    std::set<std::string> ids;
    for (const Hit& hit : found.hits) {
      EXPECT_TRUE(ids.insert(hit.id).second) << hit.id << " came twice";
    }
    EXPECT_EQ(ids.size(), kRows);
  }

  void ExpectCount(const std::optional<Filter>& filter,
                   const std::shared_ptr<const Snapshot>& snapshot = nullptr) {
    ReadOptions read;
    read.timeout_ms = kTimeoutMs;
    read.snapshot = snapshot;
    ASSERT_OK_AND_ASSIGN(const uint64_t count, collection_->Count(filter, read));
    EXPECT_EQ(count, kRows);
  }

  /// Matches every record, as only the stored payloads can tell. Another filter each time: a
  /// segment remembers the rows of an earlier one and would not ask again.
  Filter FreshFilter() {
    return Filter::Parse("text LIKE '%word' OR version < -" + std::to_string(++filters_)).value();
  }

  TestClock clock_;
  int64_t version_ = 0;
  int64_t filters_ = 0;
};

TEST_F(ReadConsistencyTest, SearchWithUnindexedFilterLosesNoRecordThatIsReplaced) {
  AtEveryLook([&] { ExpectEveryRecordFound(FreshFilter()); });
}

TEST_F(ReadConsistencyTest, CountWithUnindexedFilterLosesNoRecordThatIsReplaced) {
  AtEveryLook([&] { ExpectCount(FreshFilter()); });
}

TEST_F(ReadConsistencyTest, InterruptedFilterLeavesNothingWrongForLaterSnapshots) {
  AtEveryLook([&] {
    const Filter filter = FreshFilter();
    // The snapshot sees the state that the search begins with.
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Snapshot> snapshot, database_->TakeSnapshot());
    ExpectEveryRecordFound(filter);
    ExpectEveryRecordFound(filter, snapshot);
    ExpectCount(filter, snapshot);
    ExpectCount(filter);
  });
}

TEST_F(ReadConsistencyTest, DamagedSegmentLosesNoRecordThatIsReplaced) {
  DamageSegmentsAndReopen();
  AtEveryLook([&] {
    ExpectEveryRecordFound(std::nullopt);
    ExpectCount(std::nullopt);
  });
  AtEveryLook([&] {
    ExpectEveryRecordFound(FreshFilter());
    ExpectCount(FreshFilter());
  });
}

TEST_F(ReadConsistencyTest, GetOfSeveralIdsSeesWholeBatches) {
  const std::vector<std::string> ids = {"a", "b", "c", "d"};
  int64_t round = 0;
  const auto write_all = [&] {
    ++round;
    WriteBatch batch;
    for (const std::string& id : ids) {
      Record record;
      record.id = id;
      record.vector = {static_cast<float>(round), 0};
      record.payload = "{\"round\":" + std::to_string(round) + "}";
      batch.Upsert(std::move(record));
    }
    ASSERT_OK(collection_->Write(batch));
  };
  write_all();
  ReadOptions read;
  read.timeout_ms = kTimeoutMs;
  for (int64_t at = 1; at <= 6; ++at) {
    clock_.SetHook([&](int64_t look) {
      if (look >= at) {
        write_all();
      }
    });
    ASSERT_OK_AND_ASSIGN(const auto records, collection_->Get(ids, read));
    clock_.ClearHook();
    for (const std::optional<Record>& record : records) {
      ASSERT_TRUE(record.has_value());
      EXPECT_EQ(record->payload, records[0]->payload);
      EXPECT_EQ(record->vector, records[0]->vector);
    }
  }
}

TEST_F(ReadConsistencyTest, SearchIdNeverFindsAnOlderVersionOfItself) {
  clock_.SetHook([&](int64_t /*look*/) { Replace(5); });
  SearchOptions options;
  options.limit = kRows;
  options.timeout_ms = kTimeoutMs;
  ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->SearchId("r5", options));
  clock_.ClearHook();
  EXPECT_EQ(found.hits.size(), kRows - 1);
  for (const Hit& hit : found.hits) {
    EXPECT_NE(hit.id, "r5");
  }
}

TEST_F(ReadConsistencyTest, ScrollPageSeesOneMoment) {
  AtEveryLook([&] {
    ScrollOptions options;
    options.filter = FreshFilter();
    options.limit = 2 * kRows;
    options.read.timeout_ms = kTimeoutMs;
    ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection_->Scroll(options));
    std::set<std::string> ids;
    for (const Record& record : page.records) {
      EXPECT_TRUE(ids.insert(record.id).second) << record.id << " came twice";
    }
    EXPECT_EQ(ids.size(), kRows);
  });
}

}  // namespace
}  // namespace leadline
