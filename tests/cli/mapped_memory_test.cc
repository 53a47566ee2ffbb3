#include "mapped_memory.h"

#include <memory>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "program_runner.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::cli {
namespace {

using ::leadline::testing::StatusIs;
using ::leadline::testing::TempDir;

TEST(MappedMemory, CountsTouchedPagesOfFilesBelowTheDirectory) {
  constexpr size_t kFileBytes = size_t{1} << 20;
  const TempDir dir;
  const TempDir other;
  testing::WriteFile(dir.file("data"), std::string(kFileBytes, 'x'));
  ASSERT_EQ(::symlink(dir.path().c_str(), other.file("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const uint64_t before, MappedBytesInMemory(dir.path()));
  EXPECT_EQ(before, 0U);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<MappedFile> mapped,
                       FileSystem::Posix()->MapFile(dir.file("data")));
  size_t sum = 0;
  for (size_t i = 0; i < kFileBytes; ++i) {
    sum += mapped->data()[i];
  }
  EXPECT_EQ(sum, kFileBytes * 'x');
  ASSERT_OK_AND_ASSIGN(const uint64_t touched, MappedBytesInMemory(dir.path()));
  EXPECT_EQ(touched, kFileBytes);
  ASSERT_OK_AND_ASSIGN(const uint64_t linked, MappedBytesInMemory(other.file("link")));
  EXPECT_EQ(linked, kFileBytes);
  EXPECT_THAT(MappedBytesInMemory(dir.file("absent")), StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace leadline::cli
