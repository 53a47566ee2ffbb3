// Memory that runs out in the middle of a commit: an error, and everything goes on.

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include <gtest/gtest.h>

#include "engine_fixture.h"

namespace {

/// Allocations of the armed thread of at least so many bytes fail.
thread_local size_t fail_from = std::numeric_limits<size_t>::max();
std::atomic<int> failures{0};

}  // namespace

// NOLINTBEGIN(misc-definitions-in-headers)
void* operator new(size_t size) {
  if (size >= fail_from) {
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

class CommitMemoryTest : public EngineTest {};

TEST_F(CommitMemoryTest, ATailThatCannotGrowRefusesTheBatchAndNoLater) {
  options_.background_maintenance = false;
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

TEST_F(CommitMemoryTest, ABuildThatCannotGetMemoryIsRefusedAndLeavesNoFile) {
  options_.background_maintenance = false;
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
