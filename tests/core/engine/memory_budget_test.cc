// What a database keeps in memory: codes, links and lists within the budget, vectors left to the
// page cache, and what statistics say of it. Pages are counted, time is not.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <linux/capability.h>

#include "engine_fixture.h"
#include "index_registry.h"
#include "memory_keeper.h"
#include "page_eviction.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
/// 512 dimensions: a row has 2 KiB of vector, 512 bytes of sq8 codes.
constexpr uint32_t kDim = 512;
constexpr size_t kRows = 3000;

VectorField Field(IndexKind kind, CodeType codes) {
  VectorField field;
  field.dim = kDim;
  field.metric = Metric::kL2;
  field.index = kind;
  field.codes = codes;
  field.nlist = kind == IndexKind::kIvf ? 20 : 0;
  return field;
}

class MemoryBudgetTest : public EngineTest {
 protected:
  /// A sealed collection of kRows rows, closed again.
  void Make(IndexKind kind, CodeType codes) {
    options_.background_maintenance = false;
    Open();
    Create(Field(kind, codes));
    Fill(0, kRows);
    ASSERT_OK(collection_->Optimize());
    Close();
    options_.background_maintenance = true;
  }

  void OpenAgain() {
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  /// Takes all segment files out of memory.
  void Evict() const {
    for (const std::string& name : SegmentFiles()) {
      ASSERT_TRUE(EvictFile(path() + "/segments/" + name));
    }
  }

  /// Skips where files never leave memory.
  [[nodiscard]] bool Evicts() {
    Evict();
    return Memory().resident_vector_bytes == 0;
  }

  [[nodiscard]] MemoryStats Memory() const { return database_->Stats()->memory; }

  [[nodiscard]] IndexStats Index() const { return collection_->Stats()->indexes.at(0); }

  void ExpectFindsItself(size_t i) const {
    SearchOptions options;
    options.limit = 3;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(MakeRecord(i).vector, options));
    ASSERT_EQ(found.hits.size(), 3U);
    EXPECT_EQ(found.hits[0].id, "r" + std::to_string(i));
    EXPECT_EQ(found.hits[0].score, 0.0F);
  }

  void ExpectWithinBudget() const {
    const MemoryStats memory = Memory();
    EXPECT_LE(memory.heap_bytes + memory.kept_bytes, memory.budget_bytes);
    EXPECT_LE(memory.locked_bytes, memory.kept_bytes);
  }
};

TEST_F(MemoryBudgetTest, WithoutABudgetCodesAndListsOfUsedSegmentsAreWarmed) {
  Make(IndexKind::kIvf, CodeType::kSq8);
  OpenAgain();
  if (!Evicts()) {
    GTEST_SKIP() << "this file system keeps its files in memory";
  }
  EXPECT_EQ(Memory().kept_bytes, 0U) << "nobody has searched yet";
  ExpectFindsItself(7);
  ASSERT_TRUE(Eventually([&] { return Memory().kept_bytes > 0; }));
  ASSERT_TRUE(Eventually([&] {
    const IndexStats index = Index();
    return index.resident_code_bytes == index.code_bytes &&
           index.resident_link_bytes == index.link_bytes;
  }));
  const MemoryStats memory = Memory();
  const IndexStats index = Index();
  EXPECT_EQ(memory.kept_bytes, index.code_bytes + index.link_bytes);
  EXPECT_EQ(memory.resident_index_bytes, memory.kept_bytes);
  EXPECT_EQ(memory.unkept_bytes, 0U);
  EXPECT_EQ(memory.locked_bytes, 0U);
  EXPECT_EQ(memory.budget_bytes, 0U);
  EXPECT_GE(memory.heap_bytes, collection_->Stats()->resident_bytes);
}

TEST_F(MemoryBudgetTest, WhatTheSystemTakesBackComesAgainAndVectorsDoNot) {
  Make(IndexKind::kHnsw, CodeType::kSq8);
  options_.memory_budget_bytes = 16 * kMiB;
  OpenAgain();
  if (!Evicts()) {
    GTEST_SKIP() << "this file system keeps its files in memory";
  }
  ExpectFindsItself(7);
  const auto warm = [&] {
    const MemoryStats memory = Memory();
    return memory.kept_bytes > 0 && memory.resident_index_bytes == memory.kept_bytes;
  };
  ASSERT_TRUE(Eventually(warm));
  ExpectWithinBudget();
  // Until then a thread reads them, once, to verify them.
  ASSERT_TRUE(Eventually([&] { return Index().resident_vector_bytes == Index().vector_bytes; }));
  Evict();
  ASSERT_TRUE(Eventually(warm));
  EXPECT_EQ(Index().resident_vector_bytes, 0U);
  ExpectFindsItself(8);
  const IndexStats index = Index();
  // Rows compared again; what the system reads ahead beside ids may be more than they are.
  EXPECT_GT(index.resident_vector_bytes, 0U);
  EXPECT_EQ(index.resident_code_bytes, index.code_bytes);
}

TEST_F(MemoryBudgetTest, WhatFitsIsKeptAndTheRestIsLeftToThePageCache) {
  options_.background_maintenance = false;
  Open();
  VectorField field = Field(IndexKind::kIvf, CodeType::kPq4);
  Create(field);
  // Sixteen MiB of budget leave twelve for sections.
  Fill(0, 26'000);
  ASSERT_OK(collection_->Optimize());
  Close();
  options_.background_maintenance = true;
  options_.memory_budget_bytes = kMinMemoryBudgetBytes;
  OpenAgain();
  if (!Evicts()) {
    GTEST_SKIP() << "this file system keeps its files in memory";
  }
  ExpectFindsItself(7);
  Evict();
  ASSERT_TRUE(Eventually([&] {
    const MemoryStats memory = Memory();
    return memory.kept_bytes > 0 && memory.resident_index_bytes >= memory.kept_bytes;
  }));
  const MemoryStats memory = Memory();
  const IndexStats index = Index();
  ExpectWithinBudget();
  EXPECT_EQ(index.resident_link_bytes, index.link_bytes) << "lists serve all rows for few bytes";
  EXPECT_GT(index.resident_code_bytes, 0U) << "so do product codes";
  EXPECT_EQ(memory.kept_bytes + memory.unkept_bytes, index.code_bytes + index.link_bytes);
  EXPECT_GE(memory.unkept_bytes, 26'000U * kDim) << "8-bit codes do not fit";
  ExpectFindsItself(9);
}

TEST_F(MemoryBudgetTest, SearchesAnswerWhenNothingIsInMemory) {
  for (const auto& [kind, codes] : {std::pair(IndexKind::kIvf, CodeType::kRabitq),
                                    std::pair(IndexKind::kFlat, CodeType::kSq8)}) {
    Make(kind, codes);
    options_.background_maintenance = false;
    OpenAgain();
    for (size_t i = 0; i < 50; i += 7) {
      Evict();
      ExpectFindsItself(i);
    }
    ASSERT_OK(database_->DropCollection("c"));
    Close();
  }
}

TEST_F(MemoryBudgetTest, LockedSectionsStayInMemory) {
  if (testing::kSanitized) {
    GTEST_SKIP() << "sanitizers turn locking into nothing";
  }
  Make(IndexKind::kIvf, CodeType::kSq4);
  options_.lock_memory = true;
  OpenAgain();
  if (!Evicts()) {
    GTEST_SKIP() << "this file system keeps its files in memory";
  }
  ExpectFindsItself(7);
  ASSERT_TRUE(Eventually([&] {
    const MemoryStats memory = Memory();
    const bool all = memory.locked_bytes > 0 && memory.locked_bytes == memory.kept_bytes;
    return all || !memory.lock_error.empty();
  }));
  if (!Memory().lock_error.empty()) {
    GTEST_SKIP() << "this machine locks no such memory: " << Memory().lock_error;
  }
  Evict();
  EXPECT_EQ(Memory().resident_index_bytes, Memory().locked_bytes);
}

/// Takes the right to lock memory from this process. False where that fails.
bool GiveUpLocking() {
  const struct rlimit none = {0, 0};
  // The administrator's right goes past the limit.
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights[2] = {};
  if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::syscall(SYS_capget, &header, rights) != 0) {
    return false;
  }
  rights[CAP_IPC_LOCK / 32].effective &= ~(1U << (CAP_IPC_LOCK % 32));
  return ::syscall(SYS_capset, &header, rights) == 0;
}

/// Runs in a process of its own.
TEST_F(MemoryBudgetTest, LocksThatTheSystemRefusesAreToldAndStopNothing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto search_without_locks = [this] {
    if (!GiveUpLocking()) {
      return;
    }
    Make(IndexKind::kIvf, CodeType::kSq8);
    options_.lock_memory = true;
    OpenAgain();
    ExpectFindsItself(7);
    EXPECT_TRUE(Eventually([&] { return !Memory().lock_error.empty(); }));
    const MemoryStats memory = Memory();
    EXPECT_NE(memory.lock_error.find("RESOURCE_EXHAUSTED"), std::string::npos) << memory.lock_error;
    EXPECT_EQ(memory.locked_bytes, 0U);
    EXPECT_GT(memory.kept_bytes, 0U);
    EXPECT_EQ(memory.resident_index_bytes, memory.kept_bytes) << "warm all the same";
    ExpectFindsItself(8);
    Close();
  };
  EXPECT_EXIT(
      {
        search_without_locks();
        std::filesystem::remove_all(path());
        ::_exit(HasFailure() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(MemoryBudgetTest, WritersWaitForSealingInsteadOfGrowingBeyondTheBudget) {
  options_.memory_budget_bytes = kMinMemoryBudgetBytes;
  options_.seal_rows = 1'000'000;
  options_.durability = Durability::kOs;
  Open();
  Create(Field(IndexKind::kFlat, CodeType::kAuto));
  std::atomic<bool> writing{true};
  uint64_t most = 0;
  std::thread watcher([&] {
    while (writing) {
      most = std::max(most, Memory().heap_bytes);
    }
  });
  Fill(0, 21'000, 3000);  // 42 MiB of vectors, faster than they are sealed
  writing = false;
  watcher.join();
  EXPECT_LE(most, kMinMemoryBudgetBytes);
  EXPECT_GT(collection_->Stats()->segments, 0U);
  ExpectWithinBudget();
  ExpectFindsItself(1);
  ExpectFindsItself(20'999);
}

TEST_F(MemoryBudgetTest, RowsThatFindNoRoomAreRefusedAndDeletesAreTaken) {
  options_.background_maintenance = false;  // nobody seals
  options_.memory_budget_bytes = kMinMemoryBudgetBytes;
  options_.seal_rows = 1'000'000;
  Open();
  Create(Field(IndexKind::kFlat, CodeType::kAuto));
  size_t rows = 0;
  Status refused;
  for (; refused.ok() && rows < 20'000; rows += refused.ok() ? 100 : 0) {
    std::vector<Record> records;
    for (size_t i = rows; i < rows + 100; ++i) {
      records.push_back(MakeRecord(i));
    }
    refused = collection_->Upsert(std::move(records)).status();
  }
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "field=memory_budget_bytes"));
  EXPECT_EQ(refused.field(), "memory_budget_bytes");
  EXPECT_EQ(refused.limit(), std::to_string(kMinMemoryBudgetBytes));
  EXPECT_GE(rows, 3000U) << "a third of the budget at least was used";
  EXPECT_EQ(collection_->Count(std::nullopt).value(), rows) << "a batch is refused as a whole";
  ExpectWithinBudget();
  EXPECT_OK(collection_->Delete({"r0"}));
  ASSERT_OK(collection_->Optimize());
  EXPECT_OK(collection_->Upsert({MakeRecord(0)})) << "sealing made room";
  ExpectFindsItself(0);
}

TEST_F(MemoryBudgetTest, AutomaticCodesAreShorterWhereTheUsualOnesWouldNotFit) {
  constexpr size_t kMany = 24'000;
  options_.memory_budget_bytes = kMinMemoryBudgetBytes;
  options_.durability = Durability::kOs;
  Open();
  Create(Field(IndexKind::kAuto, CodeType::kAuto));
  Fill(0, kMany);
  ASSERT_OK(collection_->Optimize());
  ASSERT_EQ(collection_->Stats()->segments, 1U);
  EXPECT_EQ(Index().kind, IndexKind::kIvf);
  EXPECT_EQ(Index().codes, CodeType::kSq4);
  ExpectFindsItself(7);
  ASSERT_TRUE(Eventually([&] { return Memory().kept_bytes > 0; }));
  EXPECT_EQ(Memory().unkept_bytes, 0U) << "all of it fits";
  ExpectWithinBudget();
  // Whoever opens it without that budget builds nothing anew.
  options_.memory_budget_bytes = 0;
  Reopen();
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Index().codes, CodeType::kSq4);
}

TEST_F(MemoryBudgetTest, WhatASegmentKeepsIsKnownBeforeItIsBuilt) {
  for (const auto& [kind, codes] :
       {std::pair(IndexKind::kIvf, CodeType::kSq8), std::pair(IndexKind::kIvf, CodeType::kSq4),
        std::pair(IndexKind::kIvf, CodeType::kPq4), std::pair(IndexKind::kIvf, CodeType::kRabitq),
        std::pair(IndexKind::kIvf, CodeType::kBf16), std::pair(IndexKind::kHnsw, CodeType::kSq8)}) {
    Make(kind, codes);
    OpenAgain();
    const IndexStats index = Index();
    const uint64_t guessed = engine::KeptBytes(Field(kind, codes), {kind, codes}, kRows);
    EXPECT_NEAR(static_cast<double>(guessed),
                static_cast<double>(index.code_bytes + index.link_bytes),
                .1 * static_cast<double>(guessed))
        << IndexKindName(kind) << " " << CodeTypeName(codes);
    ASSERT_OK(database_->DropCollection("c"));
    Close();
  }
}

TEST(AutomaticCodes, FollowFromRowsAndRoom) {
  using engine::ChooseIndexWithin;
  using engine::IndexChoice;
  VectorField field = Field(IndexKind::kAuto, CodeType::kAuto);
  const IndexChoice usual = engine::ChooseIndex(field, 100'000);
  const IndexChoice shorter{IndexKind::kIvf, CodeType::kSq4};
  const uint64_t bytes = engine::KeptBytes(field, usual, 100'000);
  EXPECT_EQ(ChooseIndexWithin(field, 100'000, bytes), usual);
  EXPECT_EQ(ChooseIndexWithin(field, 100'000, bytes - 1), shorter);
  EXPECT_LT(engine::KeptBytes(field, shorter, 100'000), bytes);
  EXPECT_EQ(ChooseIndexWithin(field, 5000, 0), engine::ChooseIndex(field, 5000)) << "flat";
  EXPECT_TRUE(engine::IsChoiceOf(field, 100'000, bytes, shorter)) << "of a smaller budget";
  EXPECT_FALSE(engine::IsChoiceOf(field, 100'000, bytes - 1, usual));
  field.codes = usual.codes;
  EXPECT_EQ(ChooseIndexWithin(field, 100'000, 0).codes, usual.codes) << "asked for by name";
  EXPECT_FALSE(engine::IsChoiceOf(field, 100'000, 0, shorter));
  field = Field(IndexKind::kHnsw, CodeType::kAuto);
  EXPECT_EQ(ChooseIndexWithin(field, 100'000, 0), (IndexChoice{IndexKind::kHnsw, CodeType::kSq4}));
}

TEST_F(MemoryBudgetTest, ABatchThatCanNeverFitIsRefusedAtOnce) {
  options_.memory_budget_bytes = kMinMemoryBudgetBytes;
  Open();
  Create(Field(IndexKind::kFlat, CodeType::kAuto));
  std::vector<Record> records;
  for (size_t i = 0; i < 8000; ++i) {
    records.push_back(MakeRecord(i));
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(collection_->Upsert(std::move(records)),
              StatusIs(StatusCode::kResourceExhausted, "memory_budget_bytes"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(25)) << "no waiting";
  EXPECT_OK(collection_->Upsert({MakeRecord(1)}));
}

TEST_F(MemoryBudgetTest, ABudgetOutOfRangeIsRefused) {
  for (const uint64_t bytes :
       {uint64_t{1}, kMinMemoryBudgetBytes - 1, kMaxMemoryBudgetBytes + 1, UINT64_MAX}) {
    options_.create_if_missing = true;
    options_.memory_budget_bytes = bytes;
    const Status refused = Database::Open(path(), options_).status();
    EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument, "memory_budget_bytes"));
    EXPECT_NE(refused.message().find(std::to_string(bytes)), std::string::npos)
        << refused.ToString();
    EXPECT_NE(refused.message().find(std::to_string(kMinMemoryBudgetBytes)), std::string::npos);
  }
}

TEST(MemoryPlan, ServesTheMostRowsForTheBytesThereAre) {
  using engine::KeepOffer;
  using engine::PlanKept;
  const std::vector<KeepOffer> offers = {{.bytes = 1000, .rows = 10},
                                         {.bytes = 400, .rows = 100},
                                         {.bytes = 50, .rows = 10},
                                         {.bytes = 0, .rows = 0},
                                         {.bytes = 90, .rows = 1}};
  EXPECT_EQ(PlanKept(offers, UINT64_MAX), (std::vector<bool>{true, true, true, true, true}));
  EXPECT_EQ(PlanKept(offers, 0), (std::vector<bool>{false, false, false, true, false}));
  EXPECT_EQ(PlanKept(offers, 399), (std::vector<bool>{false, false, true, true, true}));
  EXPECT_EQ(PlanKept(offers, 450), (std::vector<bool>{false, true, true, true, false}));
  EXPECT_EQ(PlanKept(offers, 1449), (std::vector<bool>{false, true, true, true, true}));
  EXPECT_EQ(PlanKept({}, 5), std::vector<bool>());
}

TEST(MemoryPlan, LeavesRoomForTheHeap) {
  for (const uint64_t budget : {uint64_t{16}, uint64_t{1000}, kMaxMemoryBudgetBytes}) {
    for (uint64_t heap = 0; heap <= 2 * budget; heap += budget / 16) {
      const uint64_t room = engine::RoomForSections(budget, heap);
      EXPECT_LE(room, budget - budget / 4);
      EXPECT_LE(room + std::min(heap, budget), budget);
    }
  }
  EXPECT_EQ(engine::RoomForSections(0, 1 << 20), UINT64_MAX);
}

}  // namespace
}  // namespace leadline::testing
