// Memory that runs out anywhere in a call: an error, and everything goes on.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <future>
#include <limits>
#include <new>
#include <utility>

#include <execinfo.h>
#include <gtest/gtest.h>

#include "commit_plan.h"
#include "database_handle.h"
#include "database_impl.h"
#include "engine_fixture.h"
#include "fault_injection_file_system.h"
#include "leadline/core/no_throw.h"
#include "publisher.h"

namespace {

/// Allocations of the armed thread of at least so many bytes fail.
thread_local size_t fail_from = std::numeric_limits<size_t>::max();
/// Allocations of this thread until it starves: each from then on fails; never at 0.
thread_local int64_t starve_after = 0;
/// Allocations of all threads until one fails; nothing fails at 0, nor at kLooking, while the
/// chosen one looks whose code it is in.
std::atomic<int64_t> fail_after{0};
constexpr int64_t kLooking = -1;
std::atomic<int> failures{0};
/// The chosen allocation was in code of others, and perhaps none failed in its place.
std::atomic<bool> spared{false};

/// True for an address in code of others that does not survive an exception in its own allocations:
/// libraries, and the destructor of a JSON value.
bool IsForeign(const void* address) {
  Dl_info where{};
  if (::dladdr(address, &where) == 0) {
    return false;
  }
  const auto names = [](const char* name, const char* part) {
    return name != nullptr && std::strstr(name, part) != nullptr;
  };
  return names(where.dli_fname, "librocksdb") || names(where.dli_fname, "libfaiss") ||
         names(where.dli_fname, "libgomp") || names(where.dli_sname, "json_value7destroy");
}

/// True below such code. Remembers addresses, since dladdr takes long.
bool InForeignCode() {
  struct Seen {
    void* address;
    bool foreign;
  };

  thread_local std::array<Seen, 4096> seen{};
  std::array<void*, 100> frames{};
  const int depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  for (int i = 0; i < depth; ++i) {
    void* const address = frames[static_cast<size_t>(i)];
    Seen& place = seen[reinterpret_cast<uintptr_t>(address) % seen.size()];
    if (place.address != address) {
      place = {address, IsForeign(address)};
    }
    if (place.foreign) {
      return true;
    }
  }
  return false;
}

bool ThisOneFails(size_t size) {
  if (size >= fail_from) {
    return true;
  }
  if (starve_after > 1) {
    --starve_after;
  } else if (starve_after == 1) {
    return !InForeignCode();
  }
  int64_t left = fail_after.load(std::memory_order_relaxed);
  do {
    if (left <= 0) {
      return false;
    }
  } while (!fail_after.compare_exchange_weak(left, left == 1 ? kLooking : left - 1));
  if (left != 1) {
    return false;
  }
  const bool foreign = InForeignCode();
  spared = spared || foreign;
  // Looking at the stack takes long: one of the next, then. Unless the call under test has ended.
  int64_t looking = kLooking;
  fail_after.compare_exchange_strong(looking, foreign ? 32 : 0);
  return !foreign;
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

  using Call = std::function<Status()>;
  using Check = std::function<void(const Status&)>;

  /// As FailEach, and once more with every allocation of this thread failing from some point on.
  void FailAndStarve(const Call& call, const Check& check) {
    ASSERT_NO_FATAL_FAILURE(FailEach(call, check));
    ASSERT_NO_FATAL_FAILURE(StarveEach(call, check));
  }

  /// Runs `call` up to 25 times, each time with its thread starving from a later allocation on
  /// until it returns, and at last not at all.
  void StarveEach(const Call& call, const Check& check) {
    constexpr int64_t kNever = int64_t{1} << 60;
    const size_t refused_before = refused_;
    int64_t step = 1;
    int64_t left = kNever;
    for (int64_t nth = kNever; nth == kNever || left <= 1; nth = nth == kNever ? 1 : nth + step) {
      SCOPED_TRACE("starving from allocation " + std::to_string(nth));
      failures = 0;
      starve_after = nth;
      const Status status = call();
      left = std::exchange(starve_after, 0);
      ASSERT_NO_FATAL_FAILURE(check(status));
      step = nth == kNever ? 1 + (kNever - left) / 25 : step;
      left = nth == kNever ? 0 : left;
      if (failures == 0) {
        ASSERT_OK(status);
      } else if (!status.ok()) {
        ++refused_;
        ASSERT_THAT(status, StatusIs(StatusCode::kResourceExhausted, "memory"));
      }
    }
    EXPECT_GT(refused_, refused_before) << "no allocation was refused";
  }

  /// Runs `call` some 60 times (or once for each of its allocations, where those are fewer), each
  /// time with a later one failing, and at last with none. After each run `check` gets its outcome:
  /// OK, or kResourceExhausted. At least one run is refused.
  void FailEach(const Call& call, const Check& check) {
    constexpr int64_t kNever = int64_t{1} << 60;
    const size_t refused_before = refused_;
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
    EXPECT_GT(refused_, refused_before) << "no allocation was refused";
  }

  /// Commits a deletion whose memory side fails.
  static void DeleteInTheStoreAlone(engine::DatabaseHandle* handle, const std::string& id) {
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::DatabaseCore> core, handle->Core());
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::CollectionState> collection,
                         core->FindCollection("c"));
    std::vector<engine::PreparedOp> ops(1);
    ops[0].kind = WriteBatch::Kind::kDelete;
    ops[0].record.id = id;
    WriteResult result;
    MutexLock lock(&core->commit_mutex);
    engine::CommitPlan plan(core->store.get(), core->sequence, core->clock->UnixMillis());
    ASSERT_OK(plan.Add(collection.get(), &ops, &result));
    plan.Finish();
    ASSERT_OK(core->store->Write(plan.batch(), /*sync=*/true));
    try {
      const engine::MemoryFollows follows(core.get());
      throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
      EXPECT_FALSE(core->broken.ok());
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
      [&] { return database_->TakeSnapshot().status(); },
      [&] { return database_->Stats().status(); },
      [&] { return database_->OpenCollection(name).status(); },
      [&] { return database_->Check().status(); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE("call " + std::to_string(i));
    ASSERT_OK(calls[i]());
    FailAndStarve(calls[i], [](const Status& /*status*/) {});
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
  FailAndStarve([&] { return collection_->Upsert(std::move(next)).status(); },
                [&](const Status& status) {
                  live += status.ok() ? 2 : 0;
                  expect_live();
                  written += 2;
                  next = {MakeRecord(1000 + written), MakeRecord(1001 + written)};
                });
  const std::vector<std::string> victim = {"r20"};
  FailAndStarve([&] { return collection_->Delete(victim).status(); },
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
  FailAndStarve([&] { return collection_->Write(patch).status(); },
                [&](const Status& status) {
                  patched = std::max<uint64_t>(patched, status.ok() ? 1 : 0);
                  ASSERT_EQ(collection_->Count(seen).value(), patched);
                  expect_live();
                });
  FailAndStarve([&] { return collection_->DeleteWhere(seen).status(); },
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

TEST_F(OutOfMemoryTest, ACollectionIsThereOrIsNot) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  const CollectionOptions options = collection_->options();
  std::vector<std::string> names = {"c"};
  std::string name = "made0";
  size_t runs = 0;
  FailAndStarve([&] { return database_->CreateCollection(name, options).status(); },
                [&](const Status& status) {
                  ASSERT_EQ(database_->OpenCollection(name).ok(), status.ok());
                  if (status.ok()) {
                    names.push_back(name);
                  }
                  name = "made" + std::to_string(++runs);
                });
  std::sort(names.begin(), names.end());
  EXPECT_EQ(database_->ListCollections().value(), names);
  Reopen();
  EXPECT_EQ(database_->ListCollections().value(), names);
  name = names.back();
  FailAndStarve([&] { return database_->DropCollection(name); },
                [&](const Status& status) {
                  ASSERT_EQ(database_->OpenCollection(name).ok(), !status.ok());
                  if (status.ok()) {
                    ASSERT_OK(database_->CreateCollection(name, options));
                  }
                });
  Reopen();
  EXPECT_EQ(database_->ListCollections().value(), names);
  EXPECT_EQ(Everything(), expected_);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, AWriterBehindOneThatStarvesIsAnswered) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  std::atomic<bool> stop{false};
  std::atomic<size_t> taken{0};
  std::atomic<size_t> refused{0};
  const auto write = [&](size_t first) {
    for (size_t i = first; !stop; i += 10) {
      const Status written = collection_->Upsert({MakeRecord(i)}).status();
      (written.ok() ? taken : refused).fetch_add(1);
      if (!written.ok()) {
        EXPECT_THAT(written, StatusIs(StatusCode::kResourceExhausted, "memory"));
      }
    }
  };
  std::vector<std::future<void>> writers;
  for (const size_t first : {size_t{10'001}, size_t{10'002}, size_t{10'003}}) {
    writers.push_back(std::async(std::launch::async, write, first));
  }
  size_t own = 0;
  std::vector<Record> next = {MakeRecord(10'004)};
  writers.push_back(std::async(std::launch::async, [&] {
    for (int round = 0; round < 100 && (round < 3 || refused == 0); ++round) {
      StarveEach([&] { return collection_->Upsert(std::move(next)).status(); },
                 [&](const Status& status) {
                   own += status.ok() ? 1 : 0;
                   next = {MakeRecord(10'004 + 10 * own)};
                 });
    }
    stop = true;
  }));
  for (std::future<void>& writer : writers) {
    if (writer.wait_for(std::chrono::seconds(120)) != std::future_status::ready) {
      std::fputs("a writer waits for an answer that never comes\n", stderr);
      std::abort();  // a thread that waits for ever cannot be ended otherwise
    }
  }
  EXPECT_GT(refused, 0U) << "no writer was ever in the group of the one that starved";
  EXPECT_EQ(collection_->Count(std::nullopt).value(), expected_.size() + taken + own);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, MemoryThatFallsBehindTheStoreStopsEveryWriteUntilTheNextOpen) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  Close();
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::DatabaseHandle> handle,
                       engine::DatabaseHandle::Open(path(), options_));
  database_ = engine::DatabaseOver(handle);
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ASSERT_NO_FATAL_FAILURE(DeleteInTheStoreAlone(handle.get(), "r5"));

  const auto refused = StatusIs(StatusCode::kFailedPrecondition, "memory could not follow");
  EXPECT_THAT(collection_->Upsert({MakeRecord(1)}), refused);
  EXPECT_THAT(collection_->Delete({"r1"}), refused);
  EXPECT_THAT(collection_->Optimize(), refused);
  EXPECT_THAT(database_->CreateCollection("d", collection_->options()), refused);
  EXPECT_THAT(database_->DropCollection("c"), refused);
  EXPECT_EQ(Everything(), expected_) << "searches go on at what was published";
  ASSERT_OK_AND_ASSIGN(const DatabaseStats stats, database_->Stats());
  EXPECT_TRUE(stats.degraded);
  EXPECT_NE(stats.store_error.find("memory could not follow"), std::string::npos);
  collection_.reset();
  EXPECT_THAT(database_->Close(), refused);
  database_.reset();

  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  std::erase(expected_, "r5");
  EXPECT_EQ(Everything(), expected_) << "what the store holds counts";
  EXPECT_EQ(database_->Stats()->store_error, "");
  ASSERT_OK(collection_->Upsert({MakeRecord(5)}));
  ExpectSound();
}

TEST_F(OutOfMemoryTest, LongWorkIsRefusedAndDoneByTheNextCall) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  std::string copy = dir_.file("copy");
  size_t copies = 0;
  const Call back_up = [&] { return database_->Backup(copy).status(); };
  FailEach(back_up, [&](const Status& status) {
    ASSERT_EQ(std::filesystem::exists(copy), status.ok());
    ASSERT_FALSE(std::filesystem::exists(copy + ".partial"));
    copy = dir_.file("copy" + std::to_string(++copies));
  });
  StarveEach(back_up, [&](const Status& status) {
    ASSERT_EQ(std::filesystem::exists(copy), status.ok());
    // Deleting needs memory too: what is left is replaced by the next backup.
    ASSERT_OK(database_->Backup(copy + (status.ok() ? "-again" : "")));
    copy = dir_.file("copy" + std::to_string(++copies));
  });
  const Call optimize = [&] { return collection_->Optimize(); };
  const auto left_over = [&] { return SegmentFiles().size() - collection_->Stats()->segments; };
  size_t known = 0;
  const auto finish = [&](const Status& status) {
    ASSERT_EQ(Everything(), expected_);
    // A replaced file whose deletion failed is left to the next open, one that nothing names is
    // not.
    ASSERT_LE(left_over(), known + (status.ok() ? 1 : 0));
    known = left_over();
    ASSERT_OK(collection_->Optimize());
    Fill(640, 645);
  };
  FailEach(optimize, finish);
  StarveEach(optimize, [&](const Status& status) {
    known = left_over();
    finish(status);
  });
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Everything(), expected_);
  ExpectSound();
}

TEST_F(OutOfMemoryTest, OpeningIsRefusedAndTheNextFindsEverything) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  Close();
  const std::string where = path();
  FailAndStarve(
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

TEST_F(OutOfMemoryTest, ABuildThatCannotStartFreezesNothing) {
  ASSERT_NO_FATAL_FAILURE(CreateFilled());
  Close();
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::DatabaseHandle> handle,
                       engine::DatabaseHandle::Open(path(), options_));
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::DatabaseCore> core, handle->Core());
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<engine::CollectionState> collection,
                       core->FindCollection("c"));
  const engine::PickBuild pick = engine::PickSeal;
  std::optional<engine::PendingBuild> started;
  const Call start = [&]() -> Status {
    return NoThrow([&]() -> Status {
      LEADLINE_ASSIGN_OR_RETURN(started, engine::StartBuild(core.get(), collection.get(), pick));
      return {};
    });
  };
  FailAndStarve(start, [&](const Status& status) {
    const engine::TailChunk& tail = *collection->Load()->tail->chunks.back();
    ASSERT_EQ(tail.HasRoom(), !status.ok());
    ASSERT_EQ(collection->kill_logs.empty(), !status.ok());
    if (status.ok()) {
      engine::EndBuild(core.get(), collection.get(), *started, /*published=*/false);
      ASSERT_TRUE(tail.HasRoom());
    }
  });
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
