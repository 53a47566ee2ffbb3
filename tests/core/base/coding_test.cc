#include "leadline/core/coding.h"

#include <gtest/gtest.h>

#include "leadline/core/hash.h"
#include "leadline/core/rng.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

TEST(Coding, BigEndianOrderEqualsNumericOrder) {
  Rng rng(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t a = rng.Next() >> rng.Uniform(60);
    const uint64_t b = rng.Next() >> rng.Uniform(60);
    std::string ea;
    std::string eb;
    PutBigEndian64(&ea, a);
    PutBigEndian64(&eb, b);
    EXPECT_EQ(a < b, ea < eb);
    EXPECT_EQ(DecodeBigEndian64(ea.data()), a);
  }
}

TEST(Decoder, ReadsBackWhatWasPutAndStopsAtEveryTruncation) {
  std::string bytes;
  PutFixed32(&bytes, 7);
  PutString(&bytes, "hello");
  PutFixed64(&bytes, 9);
  auto read_all = [](std::string_view input) -> Status {
    Decoder decoder(input);
    uint32_t a = 0;
    uint64_t b = 0;
    std::string_view s;
    LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&a));
    LEADLINE_RETURN_IF_ERROR(decoder.GetString(&s, 100));
    LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&b));
    EXPECT_EQ(s, "hello");
    return decoder.ExpectEnd();
  };
  EXPECT_OK(read_all(bytes));
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(read_all(std::string_view(bytes).substr(0, n)), StatusIs(StatusCode::kDataLoss));
  }
  EXPECT_THAT(read_all(bytes + "x"), StatusIs(StatusCode::kDataLoss, "extra bytes=1"));
}

TEST(Hash, StreamingEqualsWhole) {
  const std::string text(1000, 'q');
  Hasher hasher;
  hasher.Update(std::string_view(text).substr(0, 10));
  hasher.Update(std::string_view(text).substr(10));
  EXPECT_EQ(hasher.Digest(), Hash64(text));
}

}  // namespace
}  // namespace leadline
