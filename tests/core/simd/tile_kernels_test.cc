// Each level of kernels on tiles against the formulas of tile_kernels.h, written out here once
// more. Every array ends in front of a page that nobody may touch.

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guarded.h"
#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 20261127;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

enum class Fill { kRandom, kLargestDown, kLargestUp, kOneHot };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLargestDown, Fill::kLargestUp, Fill::kOneHot};

int8_t RandomNumber(Rng* rng, Fill fill) {
  switch (fill) {
    case Fill::kLargestDown:
      return -128;
    case Fill::kLargestUp:
      return 127;
    default:
      return static_cast<int8_t>(static_cast<int>(rng->Uniform(256)) - 128);
  }
}

void FillCodes(Rng* rng, Fill fill, Guarded<uint8_t>* codes) {
  for (uint8_t& code : *codes) {
    code = static_cast<uint8_t>(fill == Fill::kRandom ? rng->Uniform(256) : 255);
  }
  if (fill == Fill::kOneHot && codes->size() > 0) {
    std::fill(codes->begin(), codes->end(), uint8_t{0});
    (*codes)[rng->Uniform(codes->size())] = 255;
  }
}

std::string Trace(std::initializer_list<std::pair<const char*, size_t>> values) {
  std::string text = "seed " + std::to_string(kSeed);
  for (const auto& [name, value] : values) {
    text += std::string(" ") + name + " " + std::to_string(value);
  }
  return text;
}

class TileKernelsTest : public ::testing::TestWithParam<const Level*> {
 protected:
  const TileKernels& tiles() const { return GetParam()->tiles; }

  size_t RandomLength(Rng* rng) const {
    return tiles().step * (1 + rng->Uniform(320 / tiles().step));
  }
};

void CheckPack(TileKernels::PackQueries pack, Rng* rng, size_t count, size_t n, bool listed) {
  SCOPED_TRACE(Trace({{"count", count}, {"n", n}, {"listed", listed ? 1 : 0}}));
  const size_t rows = listed ? 5 : count;
  const size_t stride = n + rng->Uniform(70);
  Guarded<int8_t> queries(rows == 0 ? 0 : (rows - 1) * stride + n);
  Guarded<uint32_t> ids(count);
  const size_t packs = (count + kPackLanes - 1) / kPackLanes;
  Guarded<int8_t> packed(PackedBytes(packs, n));
  std::fill(packed.begin(), packed.end(), int8_t{77});
  for (int8_t& value : queries) {
    value = RandomNumber(rng, Fill::kRandom);
  }
  for (size_t i = 0; i < count; ++i) {
    ids[i] = static_cast<uint32_t>(listed ? rng->Uniform(rows) : i);
  }
  pack(queries.data(), stride, listed ? ids.data() : nullptr, count, n, packed.data());
  for (size_t lane = 0; lane < packs * kPackLanes; ++lane) {
    for (size_t j = 0; j < n; ++j) {
      const int want = lane < count ? queries[ids[lane] * stride + j] : 0;
      const size_t at = lane / kPackLanes * n * kPackLanes + j / 4 * 64 + lane % kPackLanes * 4;
      ASSERT_EQ(packed[at + j % 4], want) << "lane " << lane << " value " << j;
    }
  }
}

TEST_P(TileKernelsTest, QueriesArePackedAsDefined) {
  Rng rng(kSeed);
  for (size_t count = 0; count <= 50; ++count) {
    CheckPack(tiles().pack_queries, &rng, count, RandomLength(&rng), count % 2 == 0);
  }
  CheckPack(tiles().pack_queries, &rng, 17, kMaxPackedLength, false);
}

void CheckSums(TileKernels::PackedSums packed_sums, Rng* rng, Fill fill, size_t rows, size_t packs,
               size_t n, bool listed) {
  SCOPED_TRACE(Trace({{"fill", static_cast<size_t>(fill)},
                      {"rows", rows},
                      {"packs", packs},
                      {"n", n},
                      {"listed", listed ? 1 : 0}}));
  constexpr int32_t kUntouched = -77;
  const size_t table_rows = listed ? 7 : rows;
  const size_t stride = n + rng->Uniform(3) * 20;
  const size_t width = packs * kPackLanes;
  const size_t out_stride = width + 16 * rng->Uniform(3);
  Guarded<uint8_t> codes(table_rows == 0 ? 0 : (table_rows - 1) * stride + n);
  Guarded<uint32_t> ids(rows);
  Guarded<int8_t> packed(PackedBytes(packs, n));
  Guarded<int32_t> out(rows == 0 ? 0 : (rows - 1) * out_stride + width);
  FillCodes(rng, fill, &codes);
  for (int8_t& value : packed) {
    value = RandomNumber(rng, fill);
  }
  for (size_t r = 0; r < rows; ++r) {
    ids[r] = static_cast<uint32_t>(listed ? rng->Uniform(table_rows) : r);
  }
  std::fill(out.begin(), out.end(), kUntouched);
  packed_sums(codes.data(), stride, listed ? ids.data() : nullptr, rows, n, packed.data(), packs,
              out.data(), out_stride);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t row = i / out_stride;
    const size_t lane = i % out_stride;
    if (lane >= width) {
      ASSERT_EQ(out[i], kUntouched) << "row " << row << " lane " << lane;
      continue;
    }
    int64_t sum = 0;
    const int8_t* pack = packed.data() + lane / kPackLanes * n * kPackLanes;
    for (size_t j = 0; j < n; ++j) {
      sum +=
          int64_t{codes[ids[row] * stride + j]} * pack[j / 4 * 64 + lane % kPackLanes * 4 + j % 4];
    }
    ASSERT_EQ(out[i], sum) << "row " << row << " lane " << lane;
  }
}

TEST_P(TileKernelsTest, EveryLengthOfAWholeLineIsTaken) {
  EXPECT_TRUE(tiles().step == kLineValues || tiles().step == kPackedStep) << tiles().step;
  Rng rng(kSeed);
  for (size_t n = tiles().step; n <= 3 * kPackedStep; n += tiles().step) {
    ASSERT_EQ(tiles().LengthOf(n), n);
    ASSERT_EQ(tiles().LengthOf(n - 1), n);
    CheckPack(tiles().pack_queries, &rng, 19, n, false);
    CheckSums(tiles().packed_sums, &rng, Fill::kRandom, 37, 3, n, n % 8 == 0);
  }
}

TEST_P(TileKernelsTest, SumsEqualTheirDefinition) {
  Rng rng(kSeed);
  for (size_t rows = 0; rows <= 40; ++rows) {
    for (size_t packs = 0; packs <= 7; ++packs) {
      CheckSums(tiles().packed_sums, &rng, Fill::kRandom, rows, packs, RandomLength(&rng),
                rng.Uniform(2) == 1);
    }
  }
  for (const Fill fill : kFills) {
    for (size_t n = 64; n <= kMaxPackedLength; n = n < 512 ? n + 64 : n * 2) {
      CheckSums(tiles().packed_sums, &rng, fill, 1 + rng.Uniform(5), 1 + rng.Uniform(2), n, false);
    }
  }
  for (const bool listed : {false, true}) {
    CheckSums(tiles().packed_sums, &rng, Fill::kRandom, 333, 5, 128, listed);
  }
}

/// A tile of random sums and all that turns them into distances.
struct RandomTile {
  RandomTile(Rng* rng, size_t rows, size_t packs, bool listed)
      : width(packs * kPackLanes),
        sum_stride(width + rng->Uniform(20)),
        table_rows(listed ? rows + 3 : rows),
        sums(rows == 0 ? 0 : (rows - 1) * sum_stride + width),
        terms(table_rows * kTermsStride / sizeof(float)),
        ids(rows),
        multiplier(width),
        offset(width),
        add(width) {
    for (int32_t& sum : sums) {
      sum = static_cast<int32_t>(rng->Next());
    }
    for (float& term : terms) {
      term = Number(rng);
    }
    for (size_t r = 0; r < rows; ++r) {
      ids[r] = static_cast<uint32_t>(listed ? rng->Uniform(table_rows) : r);
    }
    for (size_t l = 0; l < width; ++l) {
      multiplier[l] = Number(rng);
      offset[l] = static_cast<int32_t>(rng->Next());
      add[l] = Number(rng);
    }
    tile = {sums.data(),
            sum_stride,
            rows,
            packs,
            reinterpret_cast<const uint8_t*>(terms.data()),
            kTermsStride,
            listed ? ids.data() : nullptr};
    lanes = {multiplier.data(), offset.data(), add.data()};
  }

  static float Number(Rng* rng) {
    return static_cast<float>(static_cast<int64_t>(rng->Uniform(2'000'001)) - 1'000'000) * 1e-4F;
  }

  float Distance(size_t row, size_t lane) {
    const float* term = terms.data() + ids[row] * kTermsStride / sizeof(float);
    const auto twice = static_cast<uint32_t>(sums[row * sum_stride + lane]) * 2U;
    const auto centred =
        static_cast<float>(static_cast<int32_t>(twice - static_cast<uint32_t>(offset[lane])));
    // Stored one by one, so that no compiler joins two of them.
    volatile float factor = term[1] * multiplier[lane];
    volatile float product = factor * centred;
    volatile float constant = term[0] + add[lane];
    return constant - product;
  }

  static constexpr size_t kTermsStride = 20;
  size_t width;
  size_t sum_stride;
  size_t table_rows;
  Guarded<int32_t> sums;
  Guarded<float> terms;
  Guarded<uint32_t> ids;
  Guarded<float> multiplier;
  Guarded<int32_t> offset;
  Guarded<float> add;
  SumTile tile;
  TileLanes lanes;
};

TEST_P(TileKernelsTest, DistancesAreRoundedStepByStep) {
  Rng rng(kSeed);
  for (size_t rows = 0; rows <= 20; ++rows) {
    for (size_t packs = 0; packs <= 5; ++packs) {
      SCOPED_TRACE(Trace({{"rows", rows}, {"packs", packs}}));
      RandomTile random(&rng, rows, packs, rows % 2 == 1);
      Guarded<float> out(rows * random.width);
      tiles().tile_distances(random.tile, random.lanes, out.data());
      for (size_t i = 0; i < out.size(); ++i) {
        const float want = random.Distance(i / random.width, i % random.width);
        ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(want)) << i;
      }
    }
  }
}

/// Thresholds under which about one distance in `rare` falls, the threshold itself among them.
void FillThresholds(Rng* rng, size_t rare, RandomTile* random, Guarded<float>* thresholds) {
  for (size_t l = 0; l < thresholds->size(); ++l) {
    const bool none = random->tile.rows == 0 || rng->Uniform(4 * rare) > random->tile.rows;
    (*thresholds)[l] = none ? -kInfinity : random->Distance(rng->Uniform(random->tile.rows), l);
  }
}

TEST_P(TileKernelsTest, HitsAreThoseWithinTheThresholdInOrder) {
  Rng rng(kSeed);
  size_t total = 0;
  for (size_t rows = 0; rows <= 30; ++rows) {
    for (size_t packs = 0; packs <= 5; ++packs) {
      SCOPED_TRACE(Trace({{"rows", rows}, {"packs", packs}}));
      RandomTile random(&rng, rows, packs, rows % 2 == 1);
      Guarded<float> thresholds(random.width);
      FillThresholds(&rng, 1 + rng.Uniform(60), &random, &thresholds);
      if (rows % 7 == 0) {
        std::fill(thresholds.begin(), thresholds.end(), kInfinity);  // everything hits
      }
      std::vector<TileHit> want;
      for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t l = 0; l < random.width; ++l) {
          if (random.Distance(r, l) <= thresholds[l]) {
            want.push_back(
                {random.Distance(r, l), static_cast<uint16_t>(r), static_cast<uint16_t>(l)});
          }
        }
      }
      Guarded<TileHit> hits(HitRoom(rows, packs));
      ASSERT_EQ(tiles().tile_hits(random.tile, random.lanes, thresholds.data(), hits.data()),
                want.size());
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(std::memcmp(&hits[i], &want[i], sizeof(TileHit)), 0) << "hit " << i;
      }
      total += want.size();
    }
  }
  EXPECT_GT(total, 1'000U);
}

/// Lanes 7, 20 and so on repeat earlier ones, so that distances tie within and across registers.
void RepeatLanes(RandomTile* random) {
  for (size_t l = 7; l < random->width; l += 13) {
    const size_t from = l / 2;
    random->multiplier[l] = random->multiplier[from];
    random->offset[l] = random->offset[from];
    random->add[l] = random->add[from];
    for (size_t r = 0; r < random->tile.rows; ++r) {
      random->sums[r * random->sum_stride + l] = random->sums[r * random->sum_stride + from];
    }
  }
}

TEST_P(TileKernelsTest, NearestLaneIsTheLowestOfTheNearest) {
  Rng rng(kSeed);
  for (size_t rows = 0; rows <= 40; ++rows) {
    for (size_t packs = 0; packs <= 6; ++packs) {
      SCOPED_TRACE(Trace({{"rows", rows}, {"packs", packs}}));
      RandomTile random(&rng, rows, packs, rows % 2 == 1);
      RepeatLanes(&random);
      if (random.width > 3) {
        random.add[random.width - 1] = kInfinity;  // a lane without a query
      }
      Guarded<float> best(rows);
      Guarded<uint32_t> best_lane(rows);
      std::vector<float> want_best(rows);
      std::vector<uint32_t> want_lane(rows);
      for (size_t r = 0; r < rows; ++r) {
        const float start = rng.Uniform(4) == 0 ? RandomTile::Number(&rng) * 1e6F : kInfinity;
        best[r] = start;
        if (random.width > 0 && rng.Uniform(4) == 0) {
          best[r] = random.Distance(r, rng.Uniform(random.width));  // equal: must stay
        }
        best_lane[r] = 9;
        want_best[r] = best[r];
        want_lane[r] = 9;
        for (size_t l = 0; l < random.width; ++l) {
          if (random.Distance(r, l) < want_best[r]) {
            want_best[r] = random.Distance(r, l);
            want_lane[r] = static_cast<uint32_t>(1000 + l);
          }
        }
      }
      tiles().tile_nearest(random.tile, random.lanes, 1000, best.data(), best_lane.data());
      for (size_t r = 0; r < rows; ++r) {
        ASSERT_EQ(best[r], want_best[r]) << "row " << r;
        ASSERT_EQ(best_lane[r], want_lane[r]) << "row " << r;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, TileKernelsTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& level) { return std::string(level.param->name); });

}  // namespace
}  // namespace leadline::simd
