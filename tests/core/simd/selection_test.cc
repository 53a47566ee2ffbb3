// Each level of the kernels that pick the smallest of many, against loops over plain vectors.

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "guarded.h"
#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 20261129;
constexpr size_t kRoomBeyond = 16;  // what ListAtMost may write behind its last position

class SelectionTest : public ::testing::TestWithParam<const Level*> {
 protected:
  const SelectionKernels& kernels() const { return GetParam()->selection; }

  /// Calls `check` with values of many lengths and kinds, and bounds on both sides of each kind.
  template <class Check>
  void ForValues(Check check) const {
    Rng rng(kSeed);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (size_t n = 0; n <= 150; ++n) {
      std::vector<float> values(n);
      for (float& value : values) {
        value = static_cast<float>(rng.Uniform(20)) - 10.0F;  // many ties
      }
      for (const float bound : {-kInfinity, -10.5F, -10.0F, -3.0F, 0.0F, 9.0F, kInfinity}) {
        SCOPED_TRACE("seed " + std::to_string(kSeed) + " n " + std::to_string(n) + " bound " +
                     std::to_string(bound));
        check(values, bound);
      }
      if (n > 2) {
        values[rng.Uniform(n)] = kInfinity;
        values[rng.Uniform(n)] = -kInfinity;
        values[rng.Uniform(n)] = -0.0F;
        values[rng.Uniform(n)] = std::numeric_limits<float>::denorm_min();
        SCOPED_TRACE("seed " + std::to_string(kSeed) + " special, n " + std::to_string(n));
        check(values, 0.0F);
        check(values, -kInfinity);
      }
    }
  }
};

TEST_P(SelectionTest, CountsThoseAtOrBelowTheBound) {
  ForValues([&](const std::vector<float>& values, float bound) {
    Guarded<float> guarded(values.size());
    std::copy(values.begin(), values.end(), guarded.begin());
    const auto expected = static_cast<size_t>(
        std::count_if(values.begin(), values.end(), [&](float v) { return v <= bound; }));
    EXPECT_EQ(kernels().count_at_most(guarded.data(), values.size(), bound), expected);
  });
}

TEST_P(SelectionTest, KeepsValuesAndTagsInOrderWithinTheirArrays) {
  ForValues([&](const std::vector<float>& values, float bound) {
    Guarded<float> kept(values.size());
    Guarded<uint32_t> tags(values.size());
    std::vector<std::pair<float, uint32_t>> expected;
    for (size_t i = 0; i < values.size(); ++i) {
      kept[i] = values[i];
      tags[i] = static_cast<uint32_t>(7 * i);
      if (values[i] <= bound) {
        expected.emplace_back(values[i], tags[i]);
      }
    }
    ASSERT_EQ(kernels().keep_at_most(kept.data(), tags.data(), values.size(), bound),
              expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(std::memcmp(&kept[i], &expected[i].first, sizeof(float)), 0) << i;
      EXPECT_EQ(tags[i], expected[i].second) << i;
    }
  });
}

TEST_P(SelectionTest, ListsPositionsFromTheFirstOn) {
  ForValues([&](const std::vector<float>& values, float bound) {
    Guarded<float> guarded(values.size());
    std::copy(values.begin(), values.end(), guarded.begin());
    Guarded<uint32_t> positions(values.size() + kRoomBeyond);
    constexpr uint32_t kFirst = 4'000'000'000;
    std::vector<uint32_t> expected;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] <= bound) {
        expected.push_back(kFirst + static_cast<uint32_t>(i));
      }
    }
    const size_t listed =
        kernels().list_at_most(guarded.data(), values.size(), bound, kFirst, positions.data());
    EXPECT_EQ(std::vector<uint32_t>(positions.begin(), positions.begin() + listed), expected);
  });
}

TEST_P(SelectionTest, FindsTheEndsOfTheRange) {
  ForValues([&](const std::vector<float>& values, float /*bound*/) {
    if (values.empty()) {
      return;
    }
    Guarded<float> guarded(values.size());
    std::copy(values.begin(), values.end(), guarded.begin());
    float least = 0;
    float most = 0;
    kernels().min_max(guarded.data(), values.size(), &least, &most);
    EXPECT_EQ(least, *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(most, *std::max_element(values.begin(), values.end()));
  });
}

INSTANTIATE_TEST_SUITE_P(Levels, SelectionTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& of) { return std::string(of.param->name); });

}  // namespace
}  // namespace leadline::simd
