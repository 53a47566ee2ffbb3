#include "leadline/core/status.h"

#include <gtest/gtest.h>

#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

TEST(Status, CarriesCodeMessageFieldAndLimit) {
  Status status = InvalidFieldError("value out of range", "k", "20000", "16384");
  EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(status.message(), "value out of range: field=k value=20000 limit=16384");
  EXPECT_EQ(status.field(), "k");
  EXPECT_EQ(status.limit(), "16384");
  EXPECT_FALSE(status.retryable());
  EXPECT_TRUE(UnavailableError("x").retryable());
}

TEST(Status, CopyKeepsEverythingAndMoveLeavesOk) {
  Status status = NotFoundError("no such thing");
  Status copy = status;
  Status moved = std::move(status);
  EXPECT_EQ(copy.message(), moved.message());
  EXPECT_TRUE(status.ok());  // NOLINT(bugprone-use-after-move): moved-from is documented OK
}

TEST(Status, CodesCarryGrpcNumbers) {
  EXPECT_EQ(static_cast<int>(StatusCode::kInvalidArgument), 3);
  EXPECT_EQ(static_cast<int>(StatusCode::kResourceExhausted), 8);
  EXPECT_EQ(static_cast<int>(StatusCode::kDataLoss), 15);
  EXPECT_EQ(StatusCodeName(StatusCode::kUnauthenticated), "UNAUTHENTICATED");
}

TEST(Status, ReturnIfErrorAddsNothingOnOk) {
  auto check = [](bool fail) -> Status {
    LEADLINE_RETURN_IF_ERROR(fail ? AbortedError("gave way") : OkStatus());
    return NotFoundError("reached the end");
  };
  EXPECT_THAT(check(true), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(check(false), StatusIs(StatusCode::kNotFound));
}

TEST(Result, AssignOrReturnMovesValueOrReturnsError) {
  auto half = [](int x) -> Result<int> {
    if (x % 2 != 0) {
      return InvalidArgumentError("odd");
    }
    return x / 2;
  };
  auto quarter = [&](int x) -> Result<int> {
    LEADLINE_ASSIGN_OR_RETURN(const int h, half(x));
    return half(h);
  };
  ASSERT_OK_AND_ASSIGN(const int two, quarter(8));
  EXPECT_EQ(two, 2);
  EXPECT_THAT(quarter(6), StatusIs(StatusCode::kInvalidArgument, "odd"));
}

#ifdef LEADLINE_DEBUG_CHECKS
TEST(StatusDeathTest, UnreadErrorAbortsInDebugBuilds) {
  EXPECT_DEATH({ Status dropped = InternalError("nobody looked"); }, "destroyed unread");
}
#endif

}  // namespace
}  // namespace leadline
