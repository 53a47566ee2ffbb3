// Each level of the kernel that makes the tables of product codes: bit for bit the scalar one, and
// that one against the values it stands for, in double.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guarded.h"
#include "leadline/core/rng.h"
#include "leadline/core/types.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 20261130;
constexpr size_t kEntries = 16;

/// One call's input and output; what a kernel may touch ends in front of a guarded page.
struct TableCall {
  TableCall(size_t query_dim, size_t part_width)
      : dim(query_dim),
        width(part_width),
        parts((dim + width - 1) / width),
        query(dim),
        codewords(parts * width * kEntries),
        values(parts * kEntries),
        table(parts * kEntries) {}

  void Run(const CodeKernels& kernels, float factor) {
    kernels.product_table(query.data(), dim, codewords.data(), width, factor, values.data(),
                          table.data(), &base, &step);
  }

  size_t dim;
  size_t width;
  size_t parts;
  Guarded<float> query;
  Guarded<float> codewords;
  Guarded<float> values;
  Guarded<uint8_t> table;
  float base = 0;
  float step = 0;
};

void Fill(Rng* rng, float scale, TableCall* call) {
  for (float& value : call->query) {
    value = scale * static_cast<float>(2 * rng->UniformDouble() - 1);
  }
  for (float& value : call->codewords) {
    value = static_cast<float>(2 * rng->UniformDouble() - 1);
  }
}

class ProductTableTest : public ::testing::TestWithParam<const Level*> {};

TEST_P(ProductTableTest, EveryLevelGivesTheBitsOfTheScalarOne) {
  const CodeKernels& scalar = AvailableLevels().front()->codes;
  Rng rng(kSeed);
  for (const size_t width : std::initializer_list<size_t>{1, 2, 4, 8}) {
    for (const size_t dim :
         std::initializer_list<size_t>{1, 2, 3, 7, 8, 15, 16, 31, 33, 100, 127, 384, 784}) {
      for (const float scale : {1e-38F, 1e-3F, 1.0F, 1e4F, kMaxComponent}) {
        SCOPED_TRACE("seed " + std::to_string(kSeed) + " width " + std::to_string(width) + " dim " +
                     std::to_string(dim) + " scale " + std::to_string(scale));
        TableCall call(dim, width);
        Fill(&rng, scale, &call);
        const float factor = rng.Uniform(2) == 0 ? -1.0F : -2.0F;
        call.Run(scalar, factor);
        const std::vector<uint8_t> table(call.table.begin(), call.table.end());
        const float base = call.base;
        const float step = call.step;
        call.Run(GetParam()->codes, factor);
        EXPECT_TRUE(std::equal(table.begin(), table.end(), call.table.begin()));
        EXPECT_EQ(std::memcmp(&call.base, &base, sizeof(float)), 0);
        EXPECT_EQ(std::memcmp(&call.step, &step, sizeof(float)), 0);
      }
    }
  }
}

TEST_P(ProductTableTest, EntriesStandForTheirValuesWithinHalfAStep) {
  Rng rng(kSeed + 1);
  for (const size_t width : std::initializer_list<size_t>{1, 2, 4, 8}) {
    for (const size_t dim : std::initializer_list<size_t>{1, 9, 100, 784}) {
      SCOPED_TRACE("seed " + std::to_string(kSeed + 1) + " width " + std::to_string(width) +
                   " dim " + std::to_string(dim));
      TableCall call(dim, width);
      Fill(&rng, 1.0F, &call);
      call.Run(GetParam()->codes, -2.0F);
      double leasts = 0;
      double largest_entry = 0;
      for (size_t part = 0; part < call.parts; ++part) {
        double exact[kEntries] = {};
        for (size_t w = 0; w < std::min(width, dim - part * width); ++w) {
          for (size_t c = 0; c < kEntries; ++c) {
            exact[c] += -2.0 * call.query[part * width + w] *
                        call.codewords[(part * width + w) * kEntries + c];
          }
        }
        const double least = *std::min_element(exact, exact + kEntries);
        leasts += least;
        for (size_t c = 0; c < kEntries; ++c) {
          const uint8_t entry = call.table[part * kEntries + c];
          largest_entry = std::max<double>(largest_entry, entry);
          EXPECT_NEAR(entry * static_cast<double>(call.step), exact[c] - least,
                      0.501 * call.step + 1e-5);
        }
      }
      EXPECT_NEAR(call.base, leasts, 1e-4 * static_cast<double>(dim));
      EXPECT_EQ(largest_entry, 255.0) << "the widest part uses the whole range";
    }
  }
}

TEST_P(ProductTableTest, AQueryThatTellsNothingApartGivesAnEmptyTable) {
  for (const float value : {0.0F, std::numeric_limits<float>::denorm_min()}) {
    TableCall call(20, 4);
    std::fill(call.query.begin(), call.query.end(), value);
    std::fill(call.codewords.begin(), call.codewords.end(), 0.5F);
    call.Run(GetParam()->codes, -2.0F);
    EXPECT_EQ(call.step, 0.0F);
    EXPECT_TRUE(std::all_of(call.table.begin(), call.table.end(),
                            [](uint8_t entry) { return entry == 0; }));
  }
}

/// The table of signs of one call; what a kernel may touch ends in front of a guarded page.
struct SignCall {
  SignCall(Rng* rng, size_t size, float scale)
      : dim(size), values(dim), room(dim + dim / 4), table(dim / 4 * kEntries) {
    for (float& value : values) {
      value = scale * static_cast<float>(2 * rng->UniformDouble() - 1);
    }
  }

  void Run(const CodeKernels& kernels) {
    kernels.sign_table(values.begin(), dim, room.begin(), table.begin(), &base, &step);
  }

  size_t dim;
  Guarded<float> values;
  Guarded<float> room;
  Guarded<uint8_t> table;
  float base = 0;
  float step = 0;
};

TEST_P(ProductTableTest, TablesOfSignsHaveTheBitsOfTheScalarLevel) {
  for (const size_t dim : std::initializer_list<size_t>{32, 64, 96, 128, 416, 800, 1024}) {
    for (const float scale : {0.0F, 1e-38F, 1e-3F, 1.0F, 16 * kMaxComponent}) {
      SCOPED_TRACE("seed " + std::to_string(kSeed) + " dim " + std::to_string(dim) + " scale " +
                   std::to_string(scale));
      Rng rng(kSeed);
      SignCall expected(&rng, dim, scale);
      rng = Rng(kSeed);
      SignCall found(&rng, dim, scale);
      expected.Run(AvailableLevels().front()->codes);
      found.Run(GetParam()->codes);
      EXPECT_TRUE(std::equal(expected.table.begin(), expected.table.end(), found.table.begin()));
      EXPECT_EQ(std::memcmp(&expected.base, &found.base, sizeof(float)), 0);
      EXPECT_EQ(std::memcmp(&expected.step, &found.step, sizeof(float)), 0);
      EXPECT_EQ(found.step == 0, scale < 1e-30F);
    }
  }
}

TEST_P(ProductTableTest, EntriesOfSignsStandForSumsAndDifferences) {
  Rng rng(kSeed + 2);
  for (const size_t dim : std::initializer_list<size_t>{32, 96, 800}) {
    SignCall call(&rng, dim, 3.0F);
    call.Run(GetParam()->codes);
    double least = 0;
    for (size_t part = 0; part < dim / 4; ++part) {
      double lowest = 0;
      for (size_t bit = 0; bit < 4; ++bit) {
        lowest -= std::fabs(call.values.begin()[part + bit * dim / 4]);
      }
      least += lowest;
      for (size_t c = 0; c < kEntries; ++c) {
        double exact = 0;
        for (size_t bit = 0; bit < 4; ++bit) {
          const double value = call.values.begin()[part + bit * dim / 4];
          exact += ((c >> bit) & 1) != 0 ? value : -value;
        }
        EXPECT_NEAR(call.table.begin()[part * kEntries + c] * double{call.step}, exact - lowest,
                    0.501 * call.step)
            << "seed " << kSeed + 2 << " dim " << dim << " part " << part << " entry " << c;
      }
    }
    EXPECT_NEAR(call.base, least, 1e-5 * static_cast<double>(dim));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ProductTableTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& of) { return std::string(of.param->name); });

}  // namespace
}  // namespace leadline::simd
