// Which pages of a mapped file are in memory, and bringing and keeping them there.

#include "leadline/core/mapped_pages.h"

#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "page_eviction.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

constexpr size_t kBytes = size_t{3} << 20;

class MappedPagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(path(), std::ios::binary) << std::string(kBytes, 'x');
    ASSERT_OK_AND_ASSIGN(mapped_, FileSystem::Posix()->MapFile(path()));
    if (!EvictFile(path()) || ResidentBytes(All()) != 0) {
      GTEST_SKIP() << "this file system keeps its files in memory";
    }
  }

  [[nodiscard]] std::string path() const { return dir_.file("mapped"); }

  [[nodiscard]] std::string_view All() const {
    return {reinterpret_cast<const char*>(mapped_->data()), mapped_->size()};
  }

  TempDir dir_;
  std::unique_ptr<MappedFile> mapped_;
};

TEST_F(MappedPagesTest, WarmingBringsTheWholeRange) {
  ExpectScatteredReads(All());  // else the system reads ahead, by megabytes on some disks
  const std::string_view middle = All().substr((size_t{1} << 20) + 100, 300'000);
  ASSERT_OK(WarmPages(middle, {}));
  EXPECT_EQ(ResidentBytes(middle), middle.size());
  EXPECT_LT(ResidentBytes(All()), middle.size() + 8192);
  ASSERT_OK(WarmPages(All(), {}));
  EXPECT_EQ(ResidentBytes(All()), kBytes);
}

TEST_F(MappedPagesTest, PartsOfPagesCountByTheirBytes) {
  ASSERT_OK(WarmPages(All(), {}));
  uint64_t sum = 0;
  for (size_t at = 0; at < kBytes; at += 1000) {
    const std::string_view part = All().substr(at, 1000);
    EXPECT_EQ(ResidentBytes(part), part.size());
    sum += ResidentBytes(part);
  }
  EXPECT_EQ(sum, kBytes);
  EXPECT_EQ(ResidentBytes({}), 0U);
}

TEST_F(MappedPagesTest, WarmingStopsWhenTold) {
  CancelToken cancel;
  cancel.Cancel();
  CallControl control;
  control.cancel = &cancel;
  EXPECT_THAT(WarmPages(All(), control), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(ResidentBytes(All()), 0U);
}

TEST_F(MappedPagesTest, AFileThatWasCutIsAnErrorAndNoSignal) {
  ASSERT_EQ(::truncate(path().c_str(), 4096), 0);
  EXPECT_THAT(WarmPages(All(), {}), StatusIs(StatusCode::kUnavailable, "bytes="));
}

TEST_F(MappedPagesTest, LockedPagesStay) {
  if (testing::kSanitized) {
    GTEST_SKIP() << "sanitizers turn locking into nothing";
  }
  const std::string_view part = All().substr(0, 40'000);
  ASSERT_OK(LockPages(part));
  ASSERT_OK(WarmPages(All(), {}));
  ASSERT_TRUE(EvictFile(path()));
  EXPECT_EQ(ResidentBytes(part), part.size());
  UnlockPages(part);
  ASSERT_TRUE(EvictFile(path()));
  EXPECT_EQ(ResidentBytes(part), 0U);
}

TEST_F(MappedPagesTest, ScatteredReadsBringWhatTheyTouch) {
  ExpectScatteredReads(All());
  const volatile uint8_t* const bytes = mapped_->data();
  EXPECT_EQ(bytes[kBytes / 2], 'x');
  EXPECT_LE(ResidentBytes(All()), size_t{16} << 10);
}

}  // namespace
}  // namespace leadline::testing
