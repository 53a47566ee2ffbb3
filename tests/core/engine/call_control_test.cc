// Deadlines and cancellation of engine calls: every loop looks, nothing partial comes back, one
// call has one deadline however often it starts again. The clock moves with every look at it.

#include "leadline/core/call_control.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/leadline.h"
#include "quiet_engine.h"
#include "status_matchers.h"
#include "test_clock.h"

namespace leadline {
namespace {

using testing::StatusIs;
using testing::TestClock;

constexpr size_t kRows = 600;
constexpr size_t kDim = 4;
constexpr int64_t kForeverMs = 1'000'000'000;

class CallControlTest : public testing::QuietEngineTest {
 protected:
  void SetUp() override {
    options_.clock = &clock_;
    Create(kDim, Metric::kL2, IndexKind::kFlat);
  }

  /// `text_bytes` past the longest indexed keyword makes filters on "text" read the payloads.
  void FillTexts(size_t rows, size_t text_bytes) {
    for (size_t i = 0; i < rows; i += 100) {
      Fill(i, std::min(rows, i + 100), [&](size_t n) {
        Record record;
        record.id = "r" + std::to_string(n);
        record.vector = {static_cast<float>(n), 0, 0, 0};
        record.payload = "{\"n\":" + std::to_string(n) + ",\"text\":\"" +
                         std::string(text_bytes, 'x') + " word\"}";
        return record;
      });
    }
  }

  static SearchOptions Options() {
    SearchOptions options;
    options.limit = kRows;
    options.timeout_ms = kForeverMs;
    return options;
  }

  Status Search(const SearchOptions& options, size_t queries = 1) {
    return collection_->SearchBatch({queries_.data(), queries, kDim}, options).status();
  }

  /// How often `call` looks at the clock.
  int64_t LooksOf(const std::function<Status()>& call) {
    clock_.SetHook([](int64_t) {});
    EXPECT_OK(call());
    return clock_.ClearHook();
  }

  /// Ends `call` at its first look at the clock, then at its second, and so on: each time it must
  /// say so.
  void EndAtEveryLook(const std::function<Status(const CancelToken*)>& call) {
    const int64_t looks = LooksOf([&] { return call(nullptr); });
    EXPECT_GE(looks, 3);
    // The call reads the time once to make its deadline, before it looks at its token.
    for (int64_t at = 1; at <= looks; at += 1 + looks / 50) {
      CancelToken token;
      clock_.SetHook([&](int64_t look) {
        if (look == at) {
          token.Cancel();
        }
      });
      const Status status = call(&token);
      clock_.ClearHook();
      // A check sees a token before the clock, and the last look only tells how long the call took.
      if (at < looks - 1) {
        EXPECT_THAT(status, StatusIs(StatusCode::kCancelled))
            << "at look " << at << " of " << looks;
      } else {
        status.IgnoreError();
      }
    }
    for (int64_t at = 2; at <= looks; at += 1 + looks / 50) {
      clock_.SetHook([&](int64_t look) {
        if (look == at) {
          clock_.monotonic_nanos.fetch_add(2 * kForeverMs * 1'000'000);
        }
      });
      const Status status = call(nullptr);
      clock_.ClearHook();
      EXPECT_TRUE(status.ok() ? at == looks : status.code() == StatusCode::kDeadlineExceeded)
          << "at look " << at << " of " << looks << ": " << status.ToString();
      clock_.monotonic_nanos = 1;
    }
  }

  /// Ends `call` at the first thing it tells, then at the second, and so on. What it is told at the
  /// very end comes too late.
  void EndAtEveryReport(const std::function<Status(const CallOptions&)>& call) {
    size_t reports = 0;
    CallOptions options;
    options.progress = [&](std::string_view what, double share) {
      EXPECT_FALSE(what.empty());
      EXPECT_GE(share, 0);
      EXPECT_LE(share, 1);
      ++reports;
    };
    EXPECT_OK(call(options));
    const size_t all = reports;
    EXPECT_GE(all, 4U);
    for (size_t at = 1; at < all; at += 1 + all / 20) {
      CancelToken token;
      options.cancel = &token;
      reports = 0;
      options.progress = [&](std::string_view /*what*/, double /*share*/) {
        if (++reports == at) {
          token.Cancel();
        }
      };
      EXPECT_THAT(call(options), StatusIs(StatusCode::kCancelled)) << at << " of " << all;
      EXPECT_EQ(reports, at) << "it went on";
    }
    CallOptions late;
    late.timeout_ms = 1;
    late.progress = [&](std::string_view /*what*/, double /*share*/) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      clock_.monotonic_nanos.fetch_add(5'000'000);
    };
    EXPECT_THAT(call(late), StatusIs(StatusCode::kDeadlineExceeded));
    late.timeout_ms = -1;
    EXPECT_THAT(call(late), StatusIs(StatusCode::kInvalidArgument, "field=timeout_ms value=-1"));
  }

  const std::vector<float> queries_ = std::vector<float>(64 * kDim, 0.0F);
  const Filter unindexed_ = Filter::Parse("text LIKE '%word'").value();
  TestClock clock_;
};

TEST_F(CallControlTest, LargestTimeoutIsNoTimeout) {
  FillTexts(10, 10);
  for (const int64_t timeout :
       {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max() / 1'000'000}) {
    clock_.monotonic_nanos = 1'000'000'000'000;
    SearchOptions options;
    options.timeout_ms = timeout;
    EXPECT_OK(Search(options));
    EXPECT_OK(collection_->SearchId("r1", options));
    ScrollOptions scroll;
    scroll.read.timeout_ms = timeout;
    EXPECT_OK(collection_->Scroll(scroll));
    EXPECT_OK(collection_->Get({"r1"}, scroll.read));
    EXPECT_OK(collection_->Count(std::nullopt, scroll.read));
  }
}

TEST_F(CallControlTest, NegativeTimeoutIsRefused) {
  SearchOptions options;
  options.timeout_ms = -1;
  EXPECT_THAT(Search(options), StatusIs(StatusCode::kInvalidArgument, "field=timeout_ms value=-1"));
  EXPECT_THAT(collection_->SearchId("r1", options), StatusIs(StatusCode::kInvalidArgument));
  ScrollOptions scroll;
  scroll.read.timeout_ms = -1;
  EXPECT_THAT(collection_->Scroll(scroll), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(collection_->Get({"r1"}, scroll.read), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(collection_->Count(std::nullopt, scroll.read),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(CallControlTest, RepeatedSearchKeepsItsDeadline) {
  FillTexts(kRows, 10);
  ASSERT_OK(collection_->Optimize());
  SearchOptions options = Options();
  options.with_payload = true;
  const int64_t looks = LooksOf([&] { return Search(options); });
  ASSERT_GE(looks, static_cast<int64_t>(kRows)) << "one a hit";
  // The last hit is replaced just before its payload is read, so the search starts again. Each look
  // takes a millisecond: there is time for one and a half searches.
  clock_.nanos_per_look = 1'000'000;
  options.timeout_ms = looks * 3 / 2;
  clock_.SetHook([&](int64_t look) {
    if (look == looks - 1) {
      Record record;
      record.id = "r" + std::to_string(kRows - 1);
      record.vector = {1, 1, 1, 1};
      EXPECT_OK(collection_->Upsert({record}));
    }
  });
  EXPECT_THAT(Search(options), StatusIs(StatusCode::kDeadlineExceeded));
  clock_.ClearHook();
}

TEST_F(CallControlTest, CallsEndAtWhateverLookTheyAreToldTo) {
  FillTexts(kRows, 300);
  ASSERT_OK(collection_->Optimize());
  FillTexts(10, 300);
  SearchOptions options = Options();
  options.with_payload = true;
  const auto search = [&](const CancelToken* token) {
    options.cancel = token;
    return Search(options, 2);
  };
  EndAtEveryLook(search);
  options.group_by = "n";
  EndAtEveryLook(search);
  ReadOptions read;
  read.timeout_ms = kForeverMs;
  EndAtEveryLook([&](const CancelToken* token) {
    read.cancel = token;
    return collection_->Get({"r1", "r2", "r3"}, read).status();
  });
  int64_t salt = 0;
  EndAtEveryLook([&](const CancelToken* token) {
    read.cancel = token;
    // Another filter each time: the rows of an earlier one are remembered.
    const Filter fresh =
        Filter::Parse("text LIKE '%word' OR n < -" + std::to_string(++salt)).value();
    return collection_->Count(fresh, read).status();
  });
  ScrollOptions scroll;
  scroll.filter = unindexed_;
  scroll.read.timeout_ms = kForeverMs;
  EndAtEveryLook([&](const CancelToken* token) {
    scroll.read.cancel = token;
    return collection_->Scroll(scroll).status();
  });
}

TEST_F(CallControlTest, LooksOnceACandidateAndOnceAHit) {
  FillTexts(kRows, 10);
  SearchOptions options = Options();
  const int64_t plain = LooksOf([&] { return Search(options); });
  EXPECT_GE(plain, static_cast<int64_t>(kRows));
  options.limit = 1;
  options.group_by = "absent";
  EXPECT_GE(LooksOf([&] { return Search(options); }), static_cast<int64_t>(kRows));
}

TEST_F(CallControlTest, ParsingThePayloadsOfAFullTailChunkCanBeEnded) {
  FillTexts(1024, 20'000);  // 20 MB
  SearchOptions options = Options();
  options.filter = Filter::Parse("n < 5").value();
  CancelToken token;
  options.cancel = &token;
  clock_.SetHook([&](int64_t look) {
    if (look == 10) {
      token.Cancel();
    }
  });
  EXPECT_THAT(Search(options), StatusIs(StatusCode::kCancelled));
  clock_.ClearHook();
  options.cancel = nullptr;
  EXPECT_GE(LooksOf([&] { return Search(options); }), 20) << "once a megabyte";
  EXPECT_LT(LooksOf([&] { return Search(options); }), 20) << "parsed once only";
}

TEST_F(CallControlTest, LooksOnceAMegabyteOfPayload) {
  constexpr size_t kTextBytes = 200'000;
  FillTexts(60, kTextBytes);  // 12 MB
  SearchOptions options = Options();
  options.limit = 1;
  options.filter = unindexed_;
  ReadOptions read;
  read.timeout_ms = kForeverMs;
  EXPECT_GE(LooksOf([&] { return Search(options); }), 10) << "tail";
  ScrollOptions scroll;
  scroll.filter = Filter::Parse("text LIKE 'nobody%'").value();
  scroll.read.timeout_ms = kForeverMs;
  EXPECT_GE(LooksOf([&] { return collection_->Scroll(scroll).status(); }), 10) << "store";
  ASSERT_OK(collection_->Optimize());
  EXPECT_GE(LooksOf([&] { return Search(options); }), 10) << "segment";
}

TEST_F(CallControlTest, ScanOfADamagedSegmentLooksByDistances) {
  FillTexts(kRows, 10);
  ASSERT_OK(collection_->Optimize());
  DamageSegmentsAndReopen();
  SearchOptions options = Options();
  options.limit = 1;
  const int64_t one = LooksOf([&] { return Search(options, 1); });
  const int64_t many = LooksOf([&] { return Search(options, 32); });
  EXPECT_GE(many - one, static_cast<int64_t>(kRows * 32 / CallControl::kCheckInterval) - 1);
  EndAtEveryLook([&](const CancelToken* token) {
    options.cancel = token;
    return Search(options, 32);
  });
}

TEST_F(CallControlTest, ChecksEndAtWhateverTheyTell) {
  FillTexts(kRows, 300);
  ASSERT_OK(collection_->Optimize());
  FillTexts(10, 300);
  EndAtEveryReport([&](const CallOptions& options) { return database_->Check(options).status(); });
  EndAtEveryLook([&](const CancelToken* token) {
    CallOptions options;
    options.timeout_ms = kForeverMs;
    options.cancel = token;
    return database_->Check(options).status();
  });
}

TEST_F(CallControlTest, BackupsAndRestoresEndAtWhateverTheyTellAndLeaveNothing) {
  FillTexts(kRows, 3000);
  ASSERT_OK(collection_->Optimize());
  FillTexts(10, 300);
  int copies = 0;
  const auto copy = [&](const std::function<Status(const std::string& to)>& make) {
    const std::string to = dir_.file("copy" + std::to_string(++copies));
    Status made = make(to);
    EXPECT_EQ(std::filesystem::exists(to), made.ok());
    EXPECT_FALSE(std::filesystem::exists(to + ".partial"));
    return made;
  };
  EndAtEveryReport([&](const CallOptions& options) {
    return copy([&](const std::string& to) { return database_->Backup(to, options).status(); });
  });
  const std::string backup = dir_.file("backup");
  ASSERT_OK(database_->Backup(backup));
  EndAtEveryReport([&](const CallOptions& options) {
    return copy(
        [&](const std::string& to) { return Database::Restore(backup, to, options).status(); });
  });
  Close();
  options_.create_if_missing = false;
  for (const char* whole : {"db", "backup", "copy1"}) {
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(dir_.file(whole), options_));
    ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
    EXPECT_TRUE(report.ok()) << whole;
    EXPECT_EQ(report.rows, kRows) << whole;
  }
}

TEST_F(CallControlTest, OptimizeEndsAtItsDeadlineAndCountsAsNoFailedBuild) {
  FillTexts(kRows, 10);
  CallOptions options;
  options.timeout_ms = 1000;
  options.progress = [&](std::string_view /*what*/, double /*share*/) {
    clock_.monotonic_nanos.fetch_add(2'000'000'000);
  };
  EXPECT_THAT(collection_->Optimize(options), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(collection_->Stats()->last_build_error, "");
  EXPECT_OK(collection_->Optimize());
}

TEST_F(CallControlTest, DeletingByFilterEndsBetweenBatchesAndTellsHowFarItCame) {
  constexpr uint64_t kMany = 2500;
  FillTexts(kMany, 10);
  const Filter all = Filter::Parse("n >= 0").value();
  CancelToken token;
  uint64_t told = 0;
  DeleteOptions options;
  options.cancel = &token;
  options.progress = [&](const WriteResult& so_far) {
    EXPECT_GT(so_far.deleted, told);
    told = so_far.deleted;
    token.Cancel();
  };
  EXPECT_THAT(collection_->DeleteWhere(all, options), StatusIs(StatusCode::kCancelled));
  EXPECT_GT(told, 0U);
  EXPECT_LT(told, kMany / 2);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), kMany - told);
  const uint64_t first = told;
  EXPECT_THAT(collection_->DeleteWhere(all, options), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(told, first) << "it had been told before it began";
  options.cancel = nullptr;
  options.timeout_ms = 1000;
  told = 0;
  options.progress = [&](const WriteResult& so_far) {
    told = so_far.deleted;
    clock_.monotonic_nanos.fetch_add(2'000'000'000);
  };
  EXPECT_THAT(collection_->DeleteWhere(all, options), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_GT(told, 0U);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), kMany - first - told);
  options.timeout_ms = -1;
  EXPECT_THAT(collection_->DeleteWhere(all, options), StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const WriteResult rest, collection_->DeleteWhere(all));
  EXPECT_EQ(rest.deleted, kMany - first - told);
}

TEST_F(CallControlTest, DeletingByFilterEndsWhileItLooksForMatches) {
  FillTexts(60, 100'000);  // 6 MB
  const Filter none = Filter::Parse("text LIKE 'nobody%'").value();
  EndAtEveryLook([&](const CancelToken* token) {
    DeleteOptions options;
    options.timeout_ms = kForeverMs;
    options.cancel = token;
    return collection_->DeleteWhere(none, options).status();
  });
}

}  // namespace
}  // namespace leadline
