#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/hnsw.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::MappedSections;
using testing::Matrix;

constexpr uint64_t kSeed = 555;
constexpr size_t kRows = 40;

/// A small graph with upper layers and duplicates in it, so that every part of the section is
/// there.
class HnswHostileTest : public ::testing::Test {
 protected:
  HnswHostileTest() : base_(testing::GaussianMatrix(kSeed, kRows, 4)) {
    std::copy_n(base_.values.begin() + 12, 4, base_.values.begin() + 80);
    std::copy_n(base_.values.begin() + 12, 4, base_.values.begin() + 100);
    std::copy_n(base_.values.begin() + 4, 4, base_.values.begin() + 120);
    BuildOptions options;
    options.m = 2;
    options.ef_construction = 10;
    Result<std::vector<Section>> built = HnswIndexFactory().Build(base_.view(), options);
    EXPECT_OK(built);
    bytes_ = (*built)[0].bytes;
    uint32_t upper_layers = 0;
    std::memcpy(&upper_layers, bytes_.data() + 20, sizeof upper_layers);
    EXPECT_GE(upper_layers, 2U);
  }

  /// Opens `bytes`; where that succeeds, searches with and without a filter and checks that the
  /// answers are rows of the segment. Returns the status of Open.
  Status OpenAndUse(std::string_view bytes) {
    MappedSections mapped({});
    mapped.Add(kHnswGraphSection, bytes);
    Result<std::unique_ptr<SegmentIndex>> index =
        HnswIndexFactory().Open(mapped.views(), base_.view(), Metric::kL2);
    if (!index.ok()) {
      return index.status();
    }
    std::vector<SearchOutcome> out(kRows);
    SearchParams params;
    // More candidates than a scan would cost are never walked: keep ef and k at the minimum.
    params.k = 1;
    params.ef_search = 1;
    EXPECT_OK((*index)->Search(base_.view(), params, out));
    const std::vector<uint64_t> allowed = {0xFFFFFFFFFFFFFFF5};
    params.allowed = allowed.data();
    std::vector<SearchOutcome> filtered(kRows);
    EXPECT_OK((*index)->Search(base_.view(), params, filtered));
    for (size_t q = 0; q < kRows; ++q) {
      EXPECT_EQ(out[q].neighbors.size(), 1U);
      EXPECT_LT(out[q].neighbors[0].row, kRows);
      EXPECT_EQ(filtered[q].neighbors.size(), 1U);
      EXPECT_TRUE(IsAllowed(allowed.data(), filtered[q].neighbors[0].row));
    }
    return {};
  }

  Status OpenWithWord(size_t offset, uint32_t value) {
    std::string changed = bytes_;
    std::memcpy(changed.data() + offset, &value, sizeof value);
    return OpenAndUse(changed);
  }

  Matrix base_;
  std::string bytes_;
};

TEST_F(HnswHostileTest, AcceptsWhatItWrote) {
  EXPECT_OK(OpenAndUse(bytes_));
}

TEST_F(HnswHostileTest, RefusesEveryTruncationAndAnyExtension) {
  for (size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_THAT(OpenAndUse(std::string_view(bytes_).substr(0, size)),
                StatusIs(StatusCode::kDataLoss))
        << size;
  }
  EXPECT_THAT(OpenAndUse(bytes_ + '\0'), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(OpenAndUse(bytes_ + std::string(4096, '\xFF')), StatusIs(StatusCode::kDataLoss));
}

TEST_F(HnswHostileTest, SurvivesEveryFlippedBit) {
  size_t refused = 0;
  for (size_t bit = 0; bit < bytes_.size() * 8; ++bit) {
    std::string changed = bytes_;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const Status status = OpenAndUse(changed);
    if (!status.ok()) {
      ++refused;
      EXPECT_TRUE(status.code() == StatusCode::kDataLoss ||
                  status.code() == StatusCode::kUnimplemented)
          << bit << " " << status.ToString();
    }
  }
  EXPECT_GT(refused, bytes_.size() * 4) << "most flips break a rule";
}

TEST_F(HnswHostileTest, RefusesHugeAndInconsistentCounts) {
  constexpr uint32_t kMax = std::numeric_limits<uint32_t>::max();
  for (const size_t offset : {4U, 8U, 12U, 16U, 20U, 28U, 32U, 36U, 40U, 92U, 96U, 124U}) {
    for (const uint32_t value : {kMax, kMax - 1, 0x80000000U, 0x7FFFFFFFU, 0x10000U, 1000U, 257U}) {
      EXPECT_THAT(OpenWithWord(offset, value), StatusIs(StatusCode::kDataLoss))
          << offset << " " << value;
    }
  }
  EXPECT_THAT(OpenWithWord(0, 3), StatusIs(StatusCode::kUnimplemented));
  EXPECT_THAT(OpenWithWord(0, 2), StatusIs(StatusCode::kDataLoss)) << "names no codes";
  EXPECT_THAT(OpenWithWord(0, 0), StatusIs(StatusCode::kDataLoss));
}

TEST_F(HnswHostileTest, RefusesTheFirstNumberOutOfRangeInEveryLinkAndRow) {
  const auto word = [this](size_t offset) {
    uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  };
  const uint32_t upper_layers = word(20);
  size_t offset = 128;
  const auto refuse_words = [&](size_t count, uint32_t value) {
    for (size_t i = 0; i < count; ++i, offset += 4) {
      EXPECT_THAT(OpenWithWord(offset, value), StatusIs(StatusCode::kDataLoss)) << offset;
    }
  };
  refuse_words(kRows * 2 * 2, kRows);
  refuse_words(word(32), kRows);
  for (uint32_t layer = 0; layer < upper_layers; ++layer) {
    refuse_words(word(32 + 4 * layer) * 2, word(32 + 4 * layer));
  }
  EXPECT_EQ(word(28), 3U);
  refuse_words(3, kRows);
  refuse_words(3, kRows);
  EXPECT_EQ(offset, bytes_.size());
}

TEST_F(HnswHostileTest, RefusesDuplicatesThatAreNone) {
  const auto word = [this](size_t offset) {
    uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  };
  const size_t rows_at = bytes_.size() - 6 * 4;
  const size_t nodes_at = bytes_.size() - 3 * 4;
  ASSERT_EQ(word(nodes_at), 1U);
  ASSERT_EQ(word(rows_at), 30U);
  for (uint32_t row = 0; row < kRows; ++row) {
    if (row != 30) {
      EXPECT_THAT(OpenWithWord(rows_at, row), StatusIs(StatusCode::kDataLoss)) << row;
    }
    if (row != 1) {
      EXPECT_THAT(OpenWithWord(nodes_at, row), StatusIs(StatusCode::kDataLoss)) << row;
    }
  }
  // Equal in all but one bit of the vectors, which another segment might hold.
  base_.values[30 * 4 + 3] += 1e-6F;
  EXPECT_THAT(OpenAndUse(bytes_), StatusIs(StatusCode::kDataLoss, "equal their node"));
}

TEST_F(HnswHostileTest, RefusesLinksFromAndToDuplicates) {
  constexpr size_t kLayer0 = 128;
  constexpr size_t kListBytes = 2 * 2 * 4;
  for (const uint32_t duplicate : {20U, 25U, 30U}) {
    EXPECT_THAT(OpenWithWord(kLayer0 + duplicate * kListBytes, 5),
                StatusIs(StatusCode::kDataLoss, "no links"));
    for (const uint32_t row : {0U, 1U, 3U, 39U}) {
      EXPECT_THAT(OpenWithWord(kLayer0 + row * kListBytes, duplicate),
                  StatusIs(StatusCode::kDataLoss, "no links to duplicates"));
    }
  }
}

TEST_F(HnswHostileTest, SurvivesRandomDamage) {
  Rng rng(kSeed);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes_;
    for (size_t i = 0; i <= rng.Uniform(4); ++i) {
      // Small words in place of links and counts pass the range checks most often.
      const auto value = static_cast<uint32_t>(rng.Uniform(kRows + 2));
      std::memcpy(changed.data() + 4 * rng.Uniform(changed.size() / 4), &value, sizeof value);
    }
    OpenAndUse(changed).IgnoreError();
  }
}

TEST_F(HnswHostileTest, RefusesForeignSectionsAndOtherRowCounts) {
  EXPECT_THAT(HnswIndexFactory().Open({}, base_.view(), Metric::kL2),
              StatusIs(StatusCode::kDataLoss, "section"));
  MappedSections mapped({});
  mapped.Add(kHnswGraphSection, bytes_);
  EXPECT_THAT(HnswIndexFactory().Open(mapped.views(), base_.view(0, kRows - 1), Metric::kL2),
              StatusIs(StatusCode::kDataLoss, "rows"));
}

}  // namespace
}  // namespace leadline::index
