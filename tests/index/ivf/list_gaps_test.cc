// Which lists a query visits: how far away the chooser says that they are, and how many it takes
// where some queries need fewer than others; and the codes of a filter's matches, set apart.

#include "list_gaps.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "ivf_layout.h"
#include "ivf_parts.h"
#include "leadline/index/ivf.h"
#include "list_chooser.h"
#include "list_masks.h"
#include "match_blocks.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using testing::Matrix;

constexpr uint64_t kSeed = 20261127;

class ListChooserTest : public ::testing::TestWithParam<Metric> {};

TEST_P(ListChooserTest, TellsHowFarCentresAre) {
  for (const size_t dim : {size_t{7}, size_t{100}, size_t{384}}) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " dim " + std::to_string(dim));
    const Matrix centres = testing::ClusteredMatrix(kSeed, 90, dim, 9);
    Matrix queries = testing::ClusteredMatrix(kSeed + 1, 12, dim, 9);
    if (GetParam() == Metric::kCosine) {
      testing::NormalizeRows(&queries);  // as calls are; centres are means, of any length
    }
    ListChooser chooser(centres.view(), GetParam());
    ListChooser::Scratch scratch;
    for (size_t q = 0; q < queries.rows(); ++q) {
      ASSERT_OK(chooser.Compare(queries.row(q), {}, &scratch));
      const float norm = chooser.SquaredNorm(queries.row(q));
      const std::vector<float> origin(dim);
      for (size_t l = 0; l < centres.rows(); ++l) {
        const auto length = [&](const float* vector) {
          return std::sqrt(testing::BruteDistance(vector, origin.data(), dim, Metric::kL2));
        };
        const double most = std::max(length(queries.row(q)), length(centres.row(l)));
        EXPECT_NEAR(chooser.DistanceTo(l, scratch.distances[l], norm),
                    testing::BruteDistance(queries.row(q), centres.row(l), dim, GetParam()),
                    0.02 * most * most);
      }
    }
    chooser.PutLast(3);
    ChosenLists chosen;
    ASSERT_OK(chooser.Choose(queries.view(), 89, nullptr, {}, &scratch, &chosen));
    for (size_t q = 0; q < queries.rows(); ++q) {
      EXPECT_EQ(std::count(chosen.of(q).begin(), chosen.of(q).end(), 3U), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, ListChooserTest,
                         ::testing::Values(Metric::kL2, Metric::kInnerProduct, Metric::kCosine),
                         [](const auto& tested) { return std::string(MetricName(tested.param)); });

/// An index over rows, and its parts beside it.
class Opened {
 public:
  Opened(const Matrix& rows, CodeType codes, size_t nlist) : mapped_(Build(rows, codes, nlist)) {
    for (const SectionView& section : mapped_.views()) {
      if (section.type == kIvfSection) {
        auto lists = DecodeIvf(section.bytes, rows.rows(), rows.dim);
        EXPECT_OK(lists);
        parts.lists = std::move(lists).value();
      }
    }
    for (const SectionView& section : mapped_.views()) {
      if (section.type == kRowCodesSection) {
        auto opened = RowCodes::Open(section.bytes, rows.rows(), rows.dim, Metric::kL2);
        EXPECT_OK(opened);
        parts.codes = std::move(opened).value();
      } else if (section.type == kIvfBitsSection) {
        auto opened = BitLists::Open(section.bytes, parts.lists, Metric::kL2);
        EXPECT_OK(opened);
        parts.bits = std::move(opened).value();
      } else if (section.type == kIvfProductsSection) {
        auto opened = ProductLists::Open(section.bytes, parts.lists, Metric::kL2);
        EXPECT_OK(opened);
        parts.products = std::move(opened).value();
      }
    }
    parts.vectors = rows.view();
    parts.metric = Metric::kL2;
    parts.MakeChooser();
  }

  IvfParts parts;

 private:
  static std::vector<Section> Build(const Matrix& rows, CodeType codes, size_t nlist) {
    BuildOptions options;
    options.metric = Metric::kL2;
    options.codes = codes;
    options.nlist = static_cast<uint32_t>(nlist);
    auto built = IvfIndexFactory().Build(rows.view(), options);
    EXPECT_OK(built);
    return std::move(built).value();
  }

  testing::MappedSections mapped_;
};

TEST(ListGaps, AreWhatItTakesOnAverageAndMoreBetweenLists) {
  const Matrix rows = testing::ClusteredMatrix(kSeed, 8000, 24, 40);
  const Opened opened(rows, CodeType::kRabitq, 120);
  const auto gaps = ListGaps::Measure(opened.parts, {});
  ASSERT_OK(gaps);
  ListChooser::Scratch scratch;
  const auto lists_for = [&](const float* query, size_t nprobe) {
    EXPECT_OK(opened.parts.chooser.Compare(query, {}, &scratch));
    return (*gaps)->ListsFor(scratch.distances.data(), opened.parts.chooser.SquaredNorm(query),
                             nprobe);
  };
  for (const size_t nprobe : {size_t{4}, size_t{12}, size_t{40}}) {
    double mean = 0;
    size_t least = 120;
    size_t most = 0;
    for (size_t r = 0; r < 400; ++r) {
      const size_t lists = lists_for(rows.row(r * 20), nprobe);
      mean += static_cast<double>(lists) / 400;
      least = std::min(least, lists);
      most = std::max(most, lists);
    }
    std::printf("[ lists ] nprobe %zu: %.1f, from %zu to %zu\n", nprobe, mean, least, most);
    EXPECT_GE(mean, 0.6 * static_cast<double>(nprobe));
    EXPECT_LE(mean, 1.3 * static_cast<double>(nprobe));
    EXPECT_LT(least, most);
    EXPECT_LE(most, 4 * nprobe);
  }
  EXPECT_EQ(lists_for(rows.row(0), 120), 120U);
  EXPECT_GE(lists_for(rows.row(0), 1), 1U);
  // At the mean of all rows every list is about as far away.
  std::vector<float> middle(24, 0.0F);
  for (size_t i = 0; i < rows.rows(); ++i) {
    for (size_t d = 0; d < 24; ++d) {
      middle[d] += rows.row(i)[d] / static_cast<float>(rows.rows());
    }
  }
  EXPECT_GT(lists_for(middle.data(), 12), 18U);
}

/// Lists and rows that are read for the ten nearest of each query.
struct Read {
  double found = 0;  ///< share of the ten
  double rows = 0;
};

TEST(ListGaps, FindAsMuchInFewerRowsOfRealLists) {
  testing::RealVectors words = testing::ShippedWords();
  ASSERT_GT(words.queries.rows(), 0U);
  words.PrepareFor(Metric::kCosine);
  const Opened opened(words.base, CodeType::kRabitq, 175);
  const IvfView& lists = opened.parts.lists;
  const auto gaps = ListGaps::Measure(opened.parts, {});
  ASSERT_OK(gaps);
  std::vector<uint32_t> list_of(words.base.rows());
  for (uint32_t l = 0; l < 175; ++l) {
    for (uint32_t i = lists.offsets[l]; i < lists.offsets[l + 1]; ++i) {
      list_of[lists.row_ids[i]] = l;
    }
  }
  const auto truth = testing::TrueNeighbors(words, Metric::kL2);
  ListChooser::Scratch scratch;
  const auto read = [&](size_t nprobe, const ListGaps* by) {
    ChosenLists chosen;
    EXPECT_OK(opened.parts.chooser.Choose(words.queries.view(), nprobe, by, {}, &scratch, &chosen));
    Read sum;
    const auto queries = static_cast<double>(words.queries.rows());
    for (size_t q = 0; q < words.queries.rows(); ++q) {
      const auto own = chosen.of(q);
      for (const uint32_t list : own) {
        sum.rows += (lists.offsets[list + 1] - lists.offsets[list]) / queries;
      }
      for (const Neighbor& neighbor : truth[q]) {
        sum.found +=
            (std::find(own.begin(), own.end(), list_of[neighbor.row]) != own.end() ? 1 : 0) /
            (queries * static_cast<double>(truth[q].size()));
      }
    }
    return sum;
  };
  for (const size_t nprobe : {size_t{15}, size_t{30}, size_t{50}}) {
    const Read adaptive = read(nprobe, gaps->get());
    size_t alike = 1;
    while (alike < 175 && read(alike, nullptr).found < adaptive.found) {
      ++alike;
    }
    const Read fixed = read(alike, nullptr);
    std::printf("[ rows ] found %.4f: %.0f, with as many lists for every query %.0f\n",
                adaptive.found, adaptive.rows, fixed.rows);
    EXPECT_LE(adaptive.rows, 0.95 * fixed.rows) << nprobe;
  }
}

class MatchBlocksTest : public ::testing::TestWithParam<CodeType> {};

TEST_P(MatchBlocksTest, HoldTheCodesOfMatchesAndNoMoreThanTheyMay) {
  const Matrix rows = testing::ClusteredMatrix(kSeed, 6000, 40, 30);
  const Opened opened(rows, GetParam(), 60);
  const ListBlocks& all = *opened.parts.blocks();
  for (const double share : {0.02, 0.1, 0.4}) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " share " + std::to_string(share));
    const std::vector<uint64_t> words = testing::RandomBitmap(kSeed, 6000, share);
    const ListMasks masks(opened.parts.lists, words.data());
    const MatchBlocks matches(opened.parts, masks);
    EXPECT_LE(matches.resident_bytes(), 6000 * MatchBlocks::kBytesPerRow + 2048);
    size_t apart = 0;
    for (uint32_t l = 0; l < 60; ++l) {
      const MatchBlocks::List list = matches.of(l);
      if (list.rows == 0) {
        continue;
      }
      ++apart;
      ASSERT_EQ(list.rows, masks.CountOf(l));
      for (size_t i = 0; i < list.rows; ++i) {
        const uint32_t position = list.positions[i];
        ASSERT_GE(position, opened.parts.lists.offsets[l]);
        ASSERT_LT(position, opened.parts.lists.offsets[l + 1]);
        ASSERT_TRUE(IsAllowed(words.data(), opened.parts.lists.row_ids[position]));
        const size_t source =
            all.first_block[l] * simd::kBlockRows + position - opened.parts.lists.offsets[l];
        if (all.scales != nullptr) {
          ASSERT_EQ(list.scales[i], all.scales[source]);
        }
        ASSERT_EQ(list.adds[i], all.adds[source]);
        for (size_t b = 0; b < all.block_bytes(); ++b) {
          if (b % simd::kCodeBytes / 4 == i % simd::kBlockRows) {
            const size_t from = b + 4 * (source % simd::kBlockRows) - 4 * (i % simd::kBlockRows);
            ASSERT_EQ(list.codes[i / simd::kBlockRows * all.block_bytes() + b],
                      all.codes[source / simd::kBlockRows * all.block_bytes() + from]);
          }
        }
      }
    }
    EXPECT_GT(apart, 5U);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, MatchBlocksTest,
                         ::testing::Values(CodeType::kRabitq, CodeType::kPq4),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

}  // namespace
}  // namespace leadline::index
