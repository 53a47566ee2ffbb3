#include "leadline/core/exact_number.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace leadline {
namespace {

constexpr double kTwo53 = 9007199254740992.0;

TEST(ExactNumber, OrdersIntegersAndDoublesByExactValue) {
  using N = ExactNumber;
  const std::vector<N> ascending = {
      N::FromDouble(-1e308),
      N::FromDouble(-9223372036854777856.0),  // next double below -2^63
      N::FromInt(std::numeric_limits<int64_t>::min()),
      N::FromInt(std::numeric_limits<int64_t>::min() + 1),
      N::FromInt(-2),
      N::FromDouble(-1.5),
      N::FromInt(-1),
      N::FromDouble(-0.5),
      N::FromInt(0),
      N::FromDouble(std::numeric_limits<double>::denorm_min()),
      N::FromDouble(0.5),
      N::FromInt(1),
      N::FromDouble(kTwo53),
      N::FromInt(9007199254740993),
      N::FromDouble(kTwo53 + 2),
      N::FromInt(std::numeric_limits<int64_t>::max()),
      N::FromDouble(9223372036854775808.0),
      N::FromUnsigned(9223372036854775809U),
      N::FromUnsigned(std::numeric_limits<uint64_t>::max()),
      N::FromDouble(18446744073709551616.0),
      N::FromDouble(1e308),
  };
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ascending[i] <=> ascending[j], i <=> j) << i << " " << j;
      EXPECT_EQ(ascending[i] == ascending[j], i == j) << i << " " << j;
    }
  }
}

TEST(ExactNumber, HasOneFormPerValue) {
  EXPECT_EQ(ExactNumber::FromDouble(1.0), ExactNumber::FromInt(1));
  EXPECT_EQ(ExactNumber::FromDouble(-0.0), ExactNumber::FromInt(0));
  EXPECT_EQ(ExactNumber::FromUnsigned(7), ExactNumber::FromInt(7));
  EXPECT_EQ(ExactNumber::FromDouble(9223372036854775808.0),
            ExactNumber::FromUnsigned(uint64_t{1} << 63));
}

TEST(ExactNumber, RefusesBitsThatAreNotCanonical) {
  ExactNumber number;
  EXPECT_TRUE(ExactNumber::FromBits(1, ~uint64_t{0}, &number));
  EXPECT_EQ(number, ExactNumber::FromInt(-1));
  EXPECT_FALSE(ExactNumber::FromBits(0, 0, &number));
  EXPECT_FALSE(ExactNumber::FromBits(4, 0, &number));
  EXPECT_FALSE(ExactNumber::FromBits(2, 5, &number));  // fits int64
  EXPECT_FALSE(ExactNumber::FromBits(3, 0, &number));  // 0.0 is the integer 0
  EXPECT_FALSE(ExactNumber::FromBits(3, 0x7ff0000000000000U, &number));
  EXPECT_FALSE(ExactNumber::FromBits(3, 0x7ff8000000000000U, &number));
  EXPECT_TRUE(ExactNumber::FromBits(3, 0x3fe0000000000000U, &number));
  EXPECT_EQ(number.ToString(), "0.5");
}

}  // namespace
}  // namespace leadline
