// Each level of the kernels that make codes of rows: bit for bit the scalar one, and that one
// against what the codes are, in double.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guarded.h"
#include "leadline/core/rng.h"
#include "leadline/core/types.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 20261128;
constexpr std::array<size_t, 12> kDims = {1, 7, 8, 9, 31, 32, 33, 100, 384, 784, 801, 4096};
constexpr std::array<float, 4> kScales = {1e-38F, 1e-3F, 1.0F, kMaxComponent / 2};

/// Two vectors and room for codes, each ending in front of a guarded page.
struct Rows {
  Rows(uint64_t seed, size_t dim_of_rows, float scale)
      : dim(dim_of_rows), row(dim), other(dim), room(dim), codes(dim) {
    Rng rng(seed);
    for (size_t i = 0; i < dim; ++i) {
      row.begin()[i] = i % 5 == 4 ? 0.0F : scale * static_cast<float>(2 * rng.UniformDouble() - 1);
      other.begin()[i] = scale * static_cast<float>(2 * rng.UniformDouble() - 1);
    }
  }

  size_t dim;
  Guarded<float> row;
  Guarded<float> other;
  Guarded<float> room;
  Guarded<uint8_t> codes;
};

std::string Where(size_t dim, float scale) {
  return "seed " + std::to_string(kSeed) + " dim " + std::to_string(dim) + " scale " +
         std::to_string(scale);
}

template <class Sums>
bool SameBits(const Sums& a, const Sums& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

class EncodeTest : public ::testing::TestWithParam<const Level*> {
 protected:
  const CodeKernels& scalar_ = AvailableLevels().front()->codes;
  const CodeKernels& tested_ = GetParam()->codes;
};

TEST_P(EncodeTest, BytesAreTheNearestAndEqualAtEveryLevel) {
  for (const size_t dim : kDims) {
    for (const float scale : kScales) {
      SCOPED_TRACE(Where(dim, scale));
      Rows expected(kSeed, dim, scale);
      Rows found(kSeed, dim, scale);
      const ByteSums sums = scalar_.byte_codes(expected.row.data(), expected.other.data(), dim,
                                               expected.room.data(), expected.codes.data());
      const ByteSums same = tested_.byte_codes(found.row.data(), found.other.data(), dim,
                                               found.room.data(), found.codes.data());
      EXPECT_EQ(sums.scale, same.scale);
      EXPECT_EQ(sums.squares, same.squares);
      EXPECT_EQ(sums.error, same.error);
      ASSERT_TRUE(std::equal(expected.codes.begin(), expected.codes.end(), found.codes.begin()));
      double error = 0;
      int64_t squares = 0;
      for (size_t i = 0; i < dim && sums.scale > 0; ++i) {
        const int number = found.codes.begin()[i] - 128;
        const double lost =
            double{found.row.begin()[i]} - found.other.begin()[i] - double{sums.scale} * number;
        EXPECT_LE(std::fabs(lost), 0.5001 * sums.scale) << i;
        error += lost * lost;
        squares += int64_t{number} * number;
      }
      EXPECT_NEAR(sums.error, error, 1e-9 * error);
      EXPECT_EQ(sums.squares, squares);
    }
  }
}

TEST_P(EncodeTest, RowThatIsTheMeanHasNoScale) {
  Rows rows(kSeed, 100, 1);
  std::copy(rows.row.begin(), rows.row.end(), rows.other.begin());
  const ByteSums sums = tested_.byte_codes(rows.row.data(), rows.other.data(), rows.dim,
                                           rows.room.data(), rows.codes.data());
  EXPECT_EQ(sums.scale, 0);
  EXPECT_EQ(sums.squares, 0);
  EXPECT_EQ(sums.error, 0);
  EXPECT_TRUE(
      std::all_of(rows.codes.begin(), rows.codes.end(), [](uint8_t c) { return c == 128; }));
}

TEST_P(EncodeTest, RowsAmongEachOtherAreEqualAtEveryLevel) {
  for (const size_t dim : kDims) {
    for (const float scale : kScales) {
      SCOPED_TRACE(Where(dim, scale));
      Rows expected(kSeed, dim, scale);
      Rows found(kSeed, dim, scale);
      const RowSums sums = scalar_.byte_row(expected.row.data(), expected.other.data(), dim,
                                            expected.room.data(), expected.codes.data());
      EXPECT_TRUE(SameBits(sums, tested_.byte_row(found.row.data(), found.other.data(), dim,
                                                  found.room.data(), found.codes.data())));
      ASSERT_TRUE(std::equal(expected.codes.begin(), expected.codes.end(), found.codes.begin()));
      const float distance =
          scalar_.squared_distance(expected.row.data(), expected.other.data(), dim);
      EXPECT_EQ(distance, tested_.squared_distance(found.row.data(), found.other.data(), dim));
      EXPECT_EQ(distance, sums.norm);
      double norm = 0;
      double error = 0;
      for (size_t i = 0; i < dim; ++i) {
        const double away = double{found.row.begin()[i]} - found.other.begin()[i];
        const double lost = away - double{sums.scale} * (found.codes.begin()[i] - 128);
        EXPECT_LE(std::fabs(lost), 0.5001 * sums.scale + 1e-30) << i;
        norm += away * away;
        error += lost * lost;
      }
      EXPECT_NEAR(sums.norm, norm, 1e-5 * norm + 1e-37);
      EXPECT_NEAR(sums.error, error, 1e-3 * error + 1e-12 * norm + 1e-37);
    }
  }
}

TEST_P(EncodeTest, SignsAndTheirSumsAreEqualAtEveryLevel) {
  for (const size_t dim : std::array<size_t, 6>{32, 64, 96, 384, 800, 4096}) {
    for (const float scale : kScales) {
      SCOPED_TRACE(Where(dim, scale));
      Rows expected(kSeed, dim, scale);
      Rows found(kSeed, dim, scale);
      const SignSums sums = scalar_.sign_codes(expected.row.data(), expected.other.data(), dim,
                                               expected.codes.data());
      EXPECT_TRUE(SameBits(
          sums, tested_.sign_codes(found.row.data(), found.other.data(), dim, found.codes.data())));
      SignSums exact;
      for (size_t i = 0; i < dim; ++i) {
        const double value = found.row.begin()[i];
        exact.square += value * value;
        exact.magnitudes += std::fabs(value);
        exact.along +=
            value >= 0 ? double{found.other.begin()[i]} : -double{found.other.begin()[i]};
        const unsigned bit = found.codes.begin()[i % (dim / 4)] >> (i / (dim / 4)) & 1U;
        EXPECT_EQ(bit, value >= 0 ? 1U : 0U) << i;
      }
      EXPECT_NEAR(sums.square, exact.square, 1e-12 * exact.square);
      EXPECT_NEAR(sums.magnitudes, exact.magnitudes, 1e-12 * exact.magnitudes);
      EXPECT_NEAR(sums.along, exact.along, 1e-12 * static_cast<double>(dim) * scale);
    }
  }
}

TEST_P(EncodeTest, ProjectionsAreEqualAtEveryLevel) {
  for (const size_t dim : kDims) {
    for (const float scale : kScales) {
      SCOPED_TRACE(Where(dim, scale));
      Rows rows(kSeed, dim, scale);
      const double sum = scalar_.projection(rows.row.data(), rows.other.data(), dim);
      EXPECT_EQ(sum, tested_.projection(rows.row.data(), rows.other.data(), dim));
      double exact = 0;
      for (size_t i = 0; i < dim; ++i) {
        exact += double{rows.other.begin()[i]} *
                 (double{rows.row.begin()[i]} - double{rows.other.begin()[i]});
      }
      EXPECT_NEAR(sum, exact, 1e-12 * static_cast<double>(dim) * scale * scale);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, EncodeTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& level) { return std::string(level.param->name); });

}  // namespace
}  // namespace leadline::simd
