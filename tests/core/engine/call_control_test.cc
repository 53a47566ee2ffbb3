// Deadlines and cancellation of engine calls: every loop looks, nothing partial comes back, one
// call has one deadline however often it starts again. The clock moves with every look at it.

#include "leadline/core/call_control.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
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

}  // namespace
}  // namespace leadline
