// Each level of the kernel that turns vectors in space: bit for bit the scalar one, and that one
// against the transform as storage/FORMAT.md defines it, in double.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
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

constexpr uint64_t kSeed = 20261127;

/// One call's input and output; what a kernel may touch ends in front of a guarded page.
struct RotationCall {
  RotationCall(Rng* rng, size_t dim_of_call, size_t rounds_of_call, float scale)
      : dim(dim_of_call), rounds(rounds_of_call), signs(rounds * dim), values(dim), room(dim) {
    for (float& sign : signs) {
      sign = rng->Uniform(2) == 0 ? 1.0F : -1.0F;
    }
    for (float& value : values) {
      value = scale * static_cast<float>(2 * rng->UniformDouble() - 1);
    }
  }

  void Run(const CodeKernels& kernels) {
    kernels.rotate(signs.data(), dim, rounds, values.data(), room.data());
  }

  size_t dim;
  size_t rounds;
  Guarded<float> signs;
  Guarded<float> values;
  Guarded<float> room;
};

/// Output j is the sum of all values with the signs of the parity of i AND j's bits turned right by
/// four.
std::vector<double> Hadamard(const std::vector<double>& in) {
  const size_t n = in.size();
  const auto bits = static_cast<size_t>(std::countr_zero(n));
  std::vector<double> out(n);
  for (size_t j = 0; j < n; ++j) {
    const size_t turned = j >> 4 | (j & 15) << (bits - 4);
    for (size_t i = 0; i < n; ++i) {
      out[j] += std::popcount(i & turned) % 2 == 0 ? in[i] : -in[i];
    }
    out[j] /= std::sqrt(static_cast<double>(n));
  }
  return out;
}

std::vector<double> Definition(RotationCall* of) {
  RotationCall& call = *of;
  std::vector<double> values(call.values.begin(), call.values.end());
  const size_t width = std::bit_floor(call.dim);
  for (size_t round = 0; round < call.rounds; ++round) {
    for (size_t i = 0; i < call.dim; ++i) {
      values[i] *= call.signs.begin()[round * call.dim + i];
    }
    for (size_t i = 0; i < call.dim / 2 && width < call.dim; ++i) {
      const double first = values[i];
      const double second = values[i + call.dim / 2];
      values[i] = (first + second) / std::sqrt(2.0);
      values[i + call.dim / 2] = (first - second) / std::sqrt(2.0);
    }
    const auto from =
        values.begin() + static_cast<std::ptrdiff_t>(round % 2 == 0 ? 0 : call.dim - width);
    const std::vector<double> part(from, from + static_cast<std::ptrdiff_t>(width));
    const std::vector<double> transformed = Hadamard(part);
    std::copy(transformed.begin(), transformed.end(), from);
  }
  return values;
}

class RotationTest : public ::testing::TestWithParam<const Level*> {};

TEST_P(RotationTest, EveryLevelGivesTheBitsOfTheScalarOne) {
  const CodeKernels& scalar = AvailableLevels().front()->codes;
  for (const size_t dim :
       std::array<size_t, 13>{32, 64, 96, 128, 160, 384, 512, 544, 800, 992, 1024, 1536, 65536}) {
    for (const float scale : {1e-38F, 1e-3F, 1.0F, kMaxComponent}) {
      SCOPED_TRACE("seed " + std::to_string(kSeed) + " dim " + std::to_string(dim) + " scale " +
                   std::to_string(scale));
      Rng rng(kSeed);
      RotationCall expected(&rng, dim, 4, scale);
      rng = Rng(kSeed);
      RotationCall found(&rng, dim, 4, scale);
      expected.Run(scalar);
      found.Run(GetParam()->codes);
      EXPECT_EQ(std::memcmp(expected.values.begin(), found.values.begin(), dim * sizeof(float)), 0);
    }
  }
}

TEST_P(RotationTest, FollowsItsDefinition) {
  Rng rng(kSeed + 1);
  for (const size_t dim : std::array<size_t, 8>{32, 64, 96, 128, 416, 512, 800, 1024}) {
    for (const size_t rounds : std::array<size_t, 4>{1, 2, 3, 4}) {
      SCOPED_TRACE("seed " + std::to_string(kSeed + 1) + " dim " + std::to_string(dim) +
                   " rounds " + std::to_string(rounds));
      RotationCall call(&rng, dim, rounds, 1.0F);
      const std::vector<double> expected = Definition(&call);
      call.Run(GetParam()->codes);
      for (size_t i = 0; i < dim; ++i) {
        EXPECT_NEAR(call.values.begin()[i], expected[i], 2e-5) << i;
      }
    }
  }
}

TEST_P(RotationTest, SpreadsOneValueOverAll) {
  Rng rng(kSeed + 2);
  for (const size_t dim : std::array<size_t, 7>{128, 416, 512, 800, 992, 1024, 1536}) {
    for (const size_t at : {size_t{0}, dim / 3, dim - 1}) {
      RotationCall call(&rng, dim, 4, 0.0F);
      call.values.begin()[at] = 1;
      call.Run(GetParam()->codes);
      double square = 0;
      double largest = 0;
      for (const float value : call.values) {
        square += double{value} * value;
        largest = std::max(largest, std::fabs(double{value}));
      }
      EXPECT_NEAR(square, 1, 1e-5);
      EXPECT_LE(largest, 10 / std::sqrt(static_cast<double>(dim))) << dim << " " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, RotationTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& of) { return std::string(of.param->name); });

}  // namespace
}  // namespace leadline::simd
