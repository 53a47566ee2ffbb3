// Errors where no memory is left for them, and what exceptions become.

#include "leadline/core/no_throw.h"

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <system_error>

#include <gtest/gtest.h>

#include "status_matchers.h"

namespace {

thread_local bool no_memory = false;

}  // namespace

// NOLINTBEGIN(misc-definitions-in-headers)
void* operator new(size_t size) {
  void* const memory = no_memory ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
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

#pragma GCC diagnostic pop

// NOLINTEND(misc-definitions-in-headers)

namespace leadline {
namespace {

using testing::StatusIs;

/// No allocation of this thread succeeds.
class NoMemory {
 public:
  NoMemory() { no_memory = true; }

  NoMemory(const NoMemory&) = delete;
  NoMemory& operator=(const NoMemory&) = delete;

  ~NoMemory() { no_memory = false; }
};

TEST(OutOfMemoryError, NeedsNoMemoryAndIsAsGoodAsAnother) {
  Status first;
  Status second;
  {
    const NoMemory none;
    first = OutOfMemoryError();
    second = first;
    const Status third = std::move(first);
    first = third;
  }
  EXPECT_THAT(first, StatusIs(StatusCode::kResourceExhausted, "out of memory"));
  EXPECT_TRUE(second.retryable());
  first.WithContext("here").WithField("rows", "10");
  EXPECT_EQ(first.message(), "here: out of memory");
  EXPECT_EQ(second.message(), "out of memory");
  EXPECT_EQ(OutOfMemoryError().field(), "");
}

TEST(OutOfMemoryError, MayBeDroppedUnread) {
  static_cast<void>(OutOfMemoryError());
}

TEST(Status, CopiesWithoutMemoryAndTheCopyIsOnItsOwn) {
  const Status error = FailedPreconditionError("a text that is too long to lie in the string");
  Status copy;
  Status assigned;
  {
    const NoMemory none;
    copy = error;
    Status middle(copy);
    assigned = middle;
  }
  EXPECT_EQ(copy.ToString(), error.ToString());
  copy.WithContext("copy");
  EXPECT_EQ(copy.message(), "copy: " + error.message());
  EXPECT_EQ(assigned.message(), error.message());
}

TEST(NoThrow, AnswersWhereNoMemoryIsLeftAtAll) {
  const auto grow = []() -> Status { return InternalError(std::string(100, 'x')); };
  Status grown;
  Status refused;
  {
    const NoMemory none;
    grown = NoThrow(grow);
  }
  EXPECT_THAT(grown, StatusIs(StatusCode::kResourceExhausted, "out of memory"));
  const std::bad_alloc lack;
  const std::runtime_error other("a reason that is too long to lie in the string");
  {
    const NoMemory none;
    grown = StatusOfException(lack);
    refused = StatusOfException(other);
  }
  EXPECT_THAT(grown, StatusIs(StatusCode::kResourceExhausted, "out of memory"));
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "out of memory"));
}

TEST(NoThrow, TellsAShortageOfTheSystemFromOtherRefusals) {
  const auto outcome = [](std::errc code) {
    return NoThrow(
        [&]() -> Status { throw std::system_error(std::make_error_code(code), "lock"); });
  };
  for (const std::errc code :
       {std::errc::resource_unavailable_try_again, std::errc::not_enough_memory}) {
    EXPECT_THAT(outcome(code),
                StatusIs(StatusCode::kResourceExhausted, "the system refused: lock"));
  }
  for (const std::errc code :
       {std::errc::resource_deadlock_would_occur, std::errc::operation_not_permitted}) {
    EXPECT_THAT(outcome(code), StatusIs(StatusCode::kInternal, "unexpected exception: lock"));
  }
  EXPECT_THAT(NoThrow([]() -> Status { throw std::out_of_range("at 7"); }),
              StatusIs(StatusCode::kInternal, "unexpected exception: at 7"));
  EXPECT_EQ(NoThrow([]() -> Result<int> { return 7; }).value(), 7);
}

}  // namespace
}  // namespace leadline
