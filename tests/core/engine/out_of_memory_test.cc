// Memory that runs out anywhere in a call: an error, and everything goes on.

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <limits>
#include <new>

#include <execinfo.h>
#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "fault_injection_file_system.h"

namespace {

/// Allocations of the armed thread of at least so many bytes fail.
thread_local size_t fail_from = std::numeric_limits<size_t>::max();
/// Allocations of all threads until one fails; nothing fails at 0.
std::atomic<int64_t> fail_after{0};
std::atomic<int> failures{0};
/// The chosen allocation was in code of others, and perhaps none failed in its place.
std::atomic<bool> spared{false};

/// True inside code of others that does not survive an exception in its own allocations: libraries,
/// and the destructor of a JSON value.
bool InForeignCode() {
  void* frames[100];
  const int depth = ::backtrace(frames, 100);
  for (int i = 0; i < depth; ++i) {
    Dl_info where{};
    if (::dladdr(frames[i], &where) == 0) {
      continue;
    }
    const auto names = [](const char* name, const char* part) {
      return name != nullptr && std::strstr(name, part) != nullptr;
    };
    if (names(where.dli_fname, "librocksdb") || names(where.dli_fname, "libfaiss") ||
        names(where.dli_fname, "libgomp") || names(where.dli_sname, "json_value7destroy")) {
      return true;
    }
  }
  return false;
}

bool ThisOneFails(size_t size) {
  if (size >= fail_from) {
    return true;
  }
  if (fail_after.load(std::memory_order_relaxed) == 0 || fail_after.fetch_sub(1) != 1) {
    return false;
  }
  if (InForeignCode()) {
    spared = true;
    fail_after = 32;  // looking at the stack takes long: one of the next, then
    return false;
  }
  return true;
}

}  // namespace

// NOLINTBEGIN(misc-definitions-in-headers)
void* operator new(size_t size) {
  if (ThisOneFails(size)) {
    failures.fetch_add(1);
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void* operator new[](size_t size) {
  return operator new(size);
}

// g++ sees that inlined memory comes from malloc, and not that this pair belongs together.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

void operator delete[](void* memory) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

#pragma GCC diagnostic pop

// NOLINTEND(misc-definitions-in-headers)

namespace leadline::testing {
namespace {

class OutOfMemoryTest : public EngineTest {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    options_.search_threads = 2;
    options_.file_system = &fs_;
    fs_.set_skip_sync(true);
  }

  /// A sealed segment with deletions, and a tail.
  void CreateFilled() {
    Open();
    Create(8);
    Fill(0, 600);
    ASSERT_OK(collection_->Optimize());
    Fill(600, 650);
    ASSERT_OK(collection_->Delete({"r3", "r610"}));
    expected_ = Everything();
  }

  /// Runs `call` some 60 times (or once for each of its allocations, where those are fewer), each
  /// time with a later one failing, and at last with none. After each run `check` gets its outcome:
  /// OK, or kResourceExhausted.
  void FailEach(const std::function<Status()>& call,
                const std::function<void(const Status&)>& check) {
    constexpr int64_t kNever = int64_t{1} << 60;
    int64_t step = 1;
    for (int64_t nth = kNever;; nth = nth == kNever ? 1 : nth + step) {
      SCOPED_TRACE("allocation " + std::to_string(nth));
      failures = 0;
      spared = false;
      fail_after = nth;
      const Status status = call();
      const int64_t left = fail_after.exchange(0);
      ASSERT_NO_FATAL_FAILURE(check(status));
      if (nth == kNever) {
        step = 1 + (kNever - left) / 60;
      } else if (failures == 0 && !spared) {
        ASSERT_OK(status);
        break;
      }
      if (!status.ok()) {
        ++refused_;
        ASSERT_THAT(status, StatusIs(StatusCode::kResourceExhausted, "memory"));
      }
    }
  }

  FaultInjectionFileSystem fs_{FileSystem::Posix()};
  std::vector<std::string> expected_;
  size_t refused_ = 0;
};

TEST_F(OutOfMemoryTest, ReadsAnswerWithAnErrorAndTheNextIsRight) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  ASSERT_OK_AND_ASSIGN(const std::optional<Filter> filter, Filter::Parse("n < 620"));
  const std::vector<float> queries(8 * 40, 0.25F);
  const std::vector<std::string> ids = {"r1", "r3", "r640"};
  const std::string name = "c";
  SearchOptions filtered;
  filtered.filter = filter;
  ScrollOptions scroll;
  scroll.filter = filter;
  const std::vector<std::function<Status()>> calls = {
      [&] {
        return collection_->Search({queries.data(), 8}, filtered).status();
      },
      [&] {
        return collection_->SearchBatch({queries.data(), 40, 8}).status();
      },
      [&] { return collection_->SearchId("r7").status(); },
      [&] { return collection_->Get(ids).status(); },
      [&] { return collection_->Count(filter).status(); },
      [&] { return collection_->Scroll(scroll).status(); },
      [&] { return collection_->Stats().status(); },
      [&] { return database_->TakeSnapshot().status(); },
      [&] { return database_->Stats().status(); },
      [&] { return database_->OpenCollection(name).status(); },
      [&] { return database_->Check().status(); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE("call " + std::to_string(i));
    ASSERT_OK(calls[i]());
    FailEach(calls[i], [](const Status& /*status*/) {});
    EXPECT_EQ(Everything(), expected_);
  }
  EXPECT_EQ(collection_->Count(filter).value(), 618U);
  EXPECT_GT(refused_, 200U);
}

TEST_F(OutOfMemoryTest, AWriteIsThereOrIsNot) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  uint64_t live = expected_.size();
  const auto expect_live = [&] { ASSERT_EQ(collection_->Count(std::nullopt).value(), live); };
  std::vector<Record> next = {MakeRecord(1000), MakeRecord(1001)};
  size_t written = 2;
  FailEach([&] { return collection_->Upsert(std::move(next)).status(); },
           [&](const Status& status) {
             live += status.ok() ? 2 : 0;
             expect_live();
             written += 2;
             next = {MakeRecord(1000 + written), MakeRecord(1001 + written)};
           });
  const std::vector<std::string> victim = {"r20"};
  FailEach([&] { return collection_->Delete(victim).status(); },
           [&](const Status& status) {
             live -= status.ok() ? 1 : 0;
             expect_live();
             live += status.ok() ? 1 : 0;
             ASSERT_OK(collection_->Upsert({MakeRecord(20)}));
           });
  WriteBatch patch;
  patch.PatchPayload("r30", R"({"seen":true})");
  ASSERT_OK_AND_ASSIGN(const Filter seen, Filter::Parse("seen = true"));
  uint64_t patched = 0;
  FailEach([&] { return collection_->Write(patch).status(); },
           [&](const Status& status) {
             patched = std::max<uint64_t>(patched, status.ok() ? 1 : 0);
             ASSERT_EQ(collection_->Count(seen).value(), patched);
             expect_live();
           });
  FailEach([&] { return collection_->DeleteWhere(seen).status(); },
           [&](const Status& status) {
             live -= status.ok() ? 1 : 0;
             expect_live();
             live += status.ok() ? 1 : 0;
             ASSERT_OK(collection_->Upsert({MakeRecord(30)}));
             ASSERT_OK(collection_->Write(patch));
           });
  ExpectSound();
  Reopen();
  expect_live();
  ExpectSound();
}

TEST_F(OutOfMemoryTest, MemoryThatFallsBehindTheStoreStopsEveryWriteUntilTheNextOpen) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  const CollectionOptions options = collection_->options();
  size_t behind = 0;
  std::string name = "other";
  for (int64_t nth = 1; failures > 0 || nth == 1; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    failures = 0;
    fail_after = nth;
    const Status status = database_->CreateCollection(name, options).status();
    fail_after = 0;
    if (status.code() == StatusCode::kFailedPrecondition) {
      ++behind;
      EXPECT_THAT(status, StatusIs(StatusCode::kFailedPrecondition, "memory could not follow"));
      EXPECT_THAT(collection_->Upsert({MakeRecord(1)}),
                  StatusIs(StatusCode::kFailedPrecondition, "reopen the database"));
      EXPECT_EQ(Everything(), expected_);
      collection_.reset();
      database_->Close().IgnoreError();
      database_.reset();
      Open();
      ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
      EXPECT_OK(database_->OpenCollection(name));
    } else if (!status.ok()) {
      ASSERT_THAT(status, StatusIs(StatusCode::kResourceExhausted, "memory"));
      EXPECT_THAT(database_->OpenCollection(name), StatusIs(StatusCode::kNotFound));
      continue;
    }
    name = "other" + std::to_string(nth);
  }
  EXPECT_GT(behind, 0U);
}

TEST_F(OutOfMemoryTest, LongWorkIsRefusedAndDoneByTheNextCall) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  const auto expect_same = [&](const Status& /*status*/) { ASSERT_EQ(Everything(), expected_); };
  std::string copy = dir_.file("copy");
  size_t copies = 0;
  FailEach([&] { return database_->Backup(copy); },
           [&](const Status& status) {
             ASSERT_EQ(std::filesystem::exists(copy), status.ok());
             ASSERT_FALSE(std::filesystem::exists(copy + ".partial"));
             copy = dir_.file("copy" + std::to_string(++copies));
           });
  FailEach([&] { return collection_->Optimize(); },
           [&](const Status& status) {
             expect_same(status);
             Fill(640, 645);
           });
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Everything(), expected_);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, OpeningIsRefusedAndTheNextFindsEverything) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  Close();
  const std::string where = path();
  FailEach(
      [&]() -> Status {
        LEADLINE_ASSIGN_OR_RETURN(database_, Database::Open(where, options_));
        return database_->Close();
      },
      [&](const Status& /*status*/) { database_.reset(); });
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(Everything(), expected_);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, ATailThatCannotGrowRefusesTheBatchAndNoLater) {
  Open();
  Create(1024);  // a chunk of the tail takes 4 MiB
  std::vector<Record> records = {MakeRecord(0)};
  fail_from = size_t{3} << 20;
  const Result<WriteResult> refused = collection_->Upsert(records);
  fail_from = std::numeric_limits<size_t>::max();
  EXPECT_GT(failures, 0);
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "memory"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 0U);
  ASSERT_OK(collection_->Upsert(records));
  ASSERT_OK(collection_->Upsert({MakeRecord(1)}));
  EXPECT_EQ(Everything().size(), 2U);
  ExpectSound();
  Reopen();
  EXPECT_EQ(Everything().size(), 2U);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, ABuildThatCannotGetMemoryIsRefusedAndLeavesNoFile) {
  Open();
  Create(1024);
  Fill(0, 1100, 50);
  failures = 0;
  fail_from = size_t{4} << 20;
  const Status refused = collection_->Optimize();
  fail_from = std::numeric_limits<size_t>::max();
  EXPECT_GT(failures, 0);
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "memory"));
  EXPECT_TRUE(SegmentFiles().empty());
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(collection_->Stats()->segments, 1U);
  ExpectSound();
}

}  // namespace
}  // namespace leadline::testing
