// Lists of 1-bit codes: what an estimate is worth against distances in double, answers against
// brute force, hard data, damaged sections.

#include "bit_lists.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bit_quantizer.h"
#include "index_test_data.h"
#include "leadline/core/executor.h"
#include "leadline/core/rng.h"
#include "leadline/index/ivf.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::BruteForce;
using testing::Matrix;

constexpr uint64_t kSeed = 424;
/// One standard error of an estimate is so many times its scale times the length of the query's
/// difference to the base: signs keep sqrt(2 / pi) of a length, and the rest points anywhere.
constexpr float kSignError = 0.6028F;

/// An index over rows that it owns.
struct Built {
  Built(Matrix rows_in, Metric metric_in, uint32_t nlist = 0, Executor* executor = nullptr)
      : rows(std::move(rows_in)), metric(metric_in) {
    BuildOptions options;
    options.metric = metric;
    options.codes = CodeType::kRabitq;
    options.nlist = nlist;
    options.executor = executor;
    auto built = IvfIndexFactory().Build(rows.view(), options);
    EXPECT_OK(built);
    sections = std::move(built).value();
    mapped = std::make_unique<testing::MappedSections>(sections);
    auto opened = IvfIndexFactory().Open(mapped->views(), rows.view(), metric);
    EXPECT_OK(opened);
    index = std::move(opened).value();
  }

  [[nodiscard]] std::vector<SearchOutcome> Search(MatrixView queries,
                                                  const SearchParams& params) const {
    std::vector<SearchOutcome> out(queries.rows);
    EXPECT_OK(index->Search(queries, params, out));
    return out;
  }

  Matrix rows;
  Metric metric;
  std::vector<Section> sections;
  std::unique_ptr<testing::MappedSections> mapped;
  std::unique_ptr<SegmentIndex> index;
};

Matrix RowsFor(Metric metric, uint64_t seed, size_t rows, size_t dim) {
  Matrix matrix = testing::ClusteredMatrix(seed, rows, dim, 30);
  if (metric == Metric::kCosine) {
    testing::NormalizeRows(&matrix);
  }
  return matrix;
}

/// Every list, and every row handed on from stage to stage: the codes decide nothing.
SearchParams Everything(size_t rows) {
  SearchParams params;
  params.nprobe = kMaxNlist;
  params.candidates = rows;
  params.rescore = rows;
  return params;
}

/// The nearest by brute force, ties in their order: the sums of small whole numbers are exact.
void ExpectExact(const Built& built, MatrixView queries, const SearchParams& params) {
  const auto found = built.Search(queries, params);
  for (size_t q = 0; q < queries.rows; ++q) {
    const auto truth = BruteForce(built.rows.view(), queries.row(q).data(), built.metric, params.k,
                                  params.allowed);
    ASSERT_EQ(found[q].neighbors.size(), truth.size()) << q;
    for (size_t i = 0; i < truth.size(); ++i) {
      EXPECT_EQ(found[q].neighbors[i], truth[i]) << q << " " << i;
    }
  }
}

class BitListsTest : public ::testing::TestWithParam<Metric> {};

TEST_P(BitListsTest, EstimatesLieAboutTheDistanceWithinTheirBound) {
  for (const size_t dim : std::array<size_t, 4>{64, 100, 300, 784}) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " dim " + std::to_string(dim));
    const Matrix rows = RowsFor(GetParam(), kSeed, 100, dim);
    const Matrix queries = RowsFor(GetParam(), kSeed + 1, 80, dim);
    const float* base = rows.row(1);
    BitTable table;
    double error = 0;
    size_t beyond = 0;
    size_t compared = 0;
    for (size_t q = 0; q < queries.rows(); ++q) {
      const float* query = queries.row(q);
      // The errors of one rotation hang together.
      const std::vector<uint8_t> bits = DrawRotation(dim, kSeed + q);
      const BitRotation rotation(rows.row(0), dim, bits.data(), kRotationRounds);
      BitEncoder encoder(rotation, GetParam());
      encoder.SetBase(base);
      table.Prepare(rotation, query);
      const simd::SumToDistance map = table.map();
      const double to_base = testing::BruteDistance(query, base, dim, GetParam());
      const double apart = std::sqrt(testing::BruteDistance(query, base, dim, Metric::kL2));
      for (size_t r = 2; r < rows.rows(); ++r) {
        std::vector<uint8_t> codes(SignShape(dim).parts());
        const BitTerms terms = encoder.Encode(rows.row(r), codes.data());
        int32_t sum = 0;
        for (size_t part = 0; part < codes.size(); ++part) {
          sum += table.bytes()[part * kCodewords + codes[part]];
        }
        const double estimate =
            to_base + terms.add - double{terms.scale} * map.multiplier * (2.0 * sum - map.offset);
        const double exact = testing::BruteDistance(query, rows.row(r), dim, GetParam());
        // In units of what the bound calls one standard error.
        const double off = (estimate - exact) / (kSignError * terms.scale * apart);
        error += off;
        beyond += std::fabs(off) > 3 ? 1U : 0U;
        ++compared;
      }
    }
    const auto n = static_cast<double>(compared);
    EXPECT_LE(std::fabs(error / n), 0.12) << "no bias";
    EXPECT_LE(static_cast<double>(beyond) / n, 0.01);
  }
}

TEST_P(BitListsTest, ReachesItsFloorsOnShippedVectors) {
  testing::RealVectors words = testing::ShippedWords();
  ASSERT_GT(words.queries.rows(), 0U);
  words.PrepareFor(GetParam());
  const auto truth = testing::TrueNeighbors(words, GetParam());
  const Built built(std::move(words.base), GetParam());
  SearchParams params;
  const double by_default = testing::MeanRecall(built.Search(words.queries.view(), params), truth);
  params.candidates = 400;
  const double with_more = testing::MeanRecall(built.Search(words.queries.view(), params), truth);
  std::printf("[ recall] %.4f by default, %.4f with 400 candidates\n", by_default, with_more);
  EXPECT_GE(by_default, 0.90);
  EXPECT_GE(with_more, 0.95);
}

TEST_P(BitListsTest, FindsTheNearestOfManyDimensions) {
  const Matrix queries = RowsFor(GetParam(), kSeed + 3, 50, 600);
  const Built built(RowsFor(GetParam(), kSeed + 2, 3000, 600), GetParam(), 40);
  SearchParams params;
  params.nprobe = 40;
  const auto found = built.Search(queries.view(), params);
  double recall = 0;
  for (size_t q = 0; q < found.size(); ++q) {
    const auto truth = BruteForce(built.rows.view(), queries.row(q), GetParam(), 10);
    recall += testing::Recall(found[q].neighbors, truth) / 50;
    EXPECT_LE(found[q].stats.rescored, 30U);
  }
  std::printf("[ recall] %.4f\n", recall);
  EXPECT_GE(recall, 0.9);
}

TEST_P(BitListsTest, IsExactWhereEveryRowIsHandedOn) {
  for (const size_t dim : std::array<size_t, 5>{1, 3, 32, 33, 100}) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " dim " + std::to_string(dim));
    // Many ties, and copies.
    const Built built(testing::IntegerMatrix(kSeed, 700, dim, 2), GetParam(), 12);
    const Matrix queries = testing::IntegerMatrix(kSeed + 4, 10, dim, 3);
    SearchParams params = Everything(700);
    ExpectExact(built, queries.view(), params);
    for (const double share : {0.5, 0.1, 0.01}) {
      const std::vector<uint64_t> allowed = testing::RandomBitmap(5, 700, share);
      params.allowed = allowed.data();
      ExpectExact(built, queries.view(), params);
    }
  }
}

TEST_P(BitListsTest, HardRowsAreFound) {
  Rng rng(kSeed);
  const auto rows_of = [&](auto value) {
    Matrix matrix{{}, 48};
    for (size_t i = 0; i < 500 * matrix.dim; ++i) {
      matrix.values.push_back(value(i / matrix.dim, i % matrix.dim));
    }
    return matrix;
  };
  const std::vector<Matrix> sets = {
      rows_of([&](size_t, size_t d) { return d < 5 ? static_cast<float>(rng.Uniform(9)) : 3.0F; }),
      rows_of([&](size_t, size_t d) { return d == 7 ? static_cast<float>(rng.Uniform(9)) : 0.0F; }),
      rows_of([](size_t, size_t) { return 2.0F; }),
      rows_of([&](size_t, size_t) {
        return kMaxComponent * static_cast<float>(2 * rng.UniformDouble() - 1);
      }),
      rows_of([&](size_t, size_t) {
        return static_cast<float>(rng.Uniform(9)) * std::numeric_limits<float>::denorm_min();
      }),
      rows_of([&](size_t r, size_t) {
        return r % 2 == 0 ? 1e15F : 1e-30F * static_cast<float>(rng.Uniform(9));
      }),
      rows_of([&](size_t, size_t) { return 1e6F + static_cast<float>(rng.Uniform(9)); })};
  for (size_t s = 0; s < sets.size(); ++s) {
    SCOPED_TRACE("set " + std::to_string(s));
    const Built built(sets[s], GetParam(), 9);
    const auto all = built.Search(sets[s].view(0, 20), Everything(500));
    const auto some = built.Search(sets[s].view(0, 20), SearchParams());
    for (size_t q = 0; q < all.size(); ++q) {
      const auto truth = BruteForce(sets[s].view(), sets[s].row(q), GetParam(), 10);
      ASSERT_EQ(all[q].neighbors.size(), 10U);
      EXPECT_EQ(some[q].neighbors.size(), 10U);
      const float far = std::max(std::fabs(truth.back().distance), 1e-37F);
      EXPECT_LE(all[q].neighbors.back().distance, truth.back().distance + 1e-4F * far);
    }
  }
}

TEST_P(BitListsTest, BatchSplitsDoNotChangeResults) {
  const Built built(RowsFor(GetParam(), kSeed, 2000, 96), GetParam());
  const Matrix queries = RowsFor(GetParam(), kSeed + 1, 33, 96);
  const std::vector<uint64_t> allowed = testing::RandomBitmap(5, 2000, 0.3);
  for (const bool share : {false, true}) {
    for (const uint64_t* filter : {static_cast<const uint64_t*>(nullptr), allowed.data()}) {
      SearchParams params;
      params.share_scan = share;
      params.allowed = filter;
      const auto whole = built.Search(queries.view(), params);
      for (size_t q = 0; q < queries.rows(); ++q) {
        EXPECT_EQ(built.Search(queries.view(q, q + 1), params)[0].neighbors, whole[q].neighbors);
      }
    }
  }
}

TEST_P(BitListsTest, EqualInputsGiveEqualBytesOnAnyNumberOfThreads) {
  const Matrix rows = RowsFor(GetParam(), kSeed, 1500, 70);
  const Built alone(rows, GetParam());
  for (const size_t threads : std::array<size_t, 2>{2, 5}) {
    const auto pool = NewThreadPool(threads);
    const Built together(rows, GetParam(), 0, pool.get());
    ASSERT_EQ(together.sections.size(), alone.sections.size());
    for (size_t s = 0; s < alone.sections.size(); ++s) {
      EXPECT_EQ(together.sections[s].type, alone.sections[s].type);
      EXPECT_EQ(together.sections[s].bytes, alone.sections[s].bytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, BitListsTest,
                         ::testing::Values(Metric::kL2, Metric::kInnerProduct, Metric::kCosine),
                         [](const auto& of) { return std::string(MetricName(of.param)); });

/// An index of 120 rows whose section of bit codes is replaced.
class DamagedBitLists : public ::testing::Test {
 protected:
  DamagedBitLists() : built_(testing::GaussianMatrix(kSeed, 120, 40), Metric::kL2, 5) {
    for (const Section& section : built_.sections) {
      bytes_ = section.type == kIvfBitsSection ? section.bytes : bytes_;
    }
  }

  Status Open(const std::string& bytes) {
    std::vector<Section> sections = built_.sections;
    for (Section& section : sections) {
      section.bytes = section.type == kIvfBitsSection ? bytes : section.bytes;
    }
    const testing::MappedSections mapped(sections);
    const auto opened = IvfIndexFactory().Open(mapped.views(), built_.rows.view(), Metric::kL2);
    if (opened.ok()) {
      std::vector<SearchOutcome> out(3);
      EXPECT_OK((*opened)->Search(built_.rows.view(0, 3), SearchParams(), out));
    }
    return opened.status();
  }

  template <typename T>
  std::string With(size_t offset, T value) const {
    std::string bytes = bytes_;
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return bytes;
  }

  Built built_;
  std::string bytes_;
};

TEST_F(DamagedBitLists, AreDataLoss) {
  ASSERT_OK(Open(bytes_));
  for (size_t size = 0; size < bytes_.size(); size += size < 200 ? 1 : 61) {
    EXPECT_THAT(Open(bytes_.substr(0, size)), StatusIs(StatusCode::kDataLoss)) << size;
  }
  EXPECT_THAT(Open(bytes_ + '\0'), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(Open(With(0, uint32_t{2})), StatusIs(StatusCode::kUnimplemented, "version"));
  for (size_t offset = 4; offset < sizeof(BitListsHeader); offset += 4) {
    for (const uint32_t value : {0xFFFFFFFFU, 0x80000000U, 77U}) {
      EXPECT_THAT(Open(With(offset, value)), StatusIs(StatusCode::kDataLoss)) << offset;
    }
  }
  EXPECT_THAT(Open(With(20, uint32_t{0})), StatusIs(StatusCode::kDataLoss, "rounds"));
}

TEST_F(DamagedBitLists, NumbersThatAreNoneAreDataLoss) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const size_t bases = sizeof(BitListsHeader);
  const size_t centre = (bases + size_t{5} * 40 * sizeof(float) + 63) / 64 * 64;
  const size_t signs = (centre + 40 * sizeof(float) + 63) / 64 * 64;
  const size_t adds = (signs + RotationBytes(40, kRotationRounds) + 63) / 64 * 64;
  const size_t codes = bytes_.size() - 64;
  for (const size_t offset : {bases, centre, adds, adds + 4}) {
    EXPECT_THAT(Open(With(offset, nan)), StatusIs(StatusCode::kDataLoss, "finite")) << offset;
  }
  for (const size_t offset : {bases, centre}) {
    EXPECT_THAT(Open(With(offset, 1e30F)), StatusIs(StatusCode::kDataLoss, "too large"));
  }
  EXPECT_OK(Open(With(signs, nan))) << "any signs are a rotation";
  EXPECT_OK(Open(With(codes - 4, nan)));
  size_t scales = 0;  // as many as adds, behind them
  for (size_t l = 0; l < 5; ++l) {
    uint32_t ends[2] = {};
    std::memcpy(ends, built_.sections[0].bytes.data() + 64 + size_t{5} * 40 * 4 + l * 4,
                sizeof ends);
    scales += (size_t{ends[1]} - ends[0] + 15) / 16 * 64;
  }
  EXPECT_THAT(Open(With(adds + scales, nan)), StatusIs(StatusCode::kDataLoss, "finite"));
  EXPECT_THAT(Open(With(adds + scales, -1.0F)), StatusIs(StatusCode::kDataLoss, "negative"));
  EXPECT_OK(Open(With(adds + scales, std::numeric_limits<float>::max())));
}

TEST_F(DamagedBitLists, FlippedBitsAreRefusedOrHarmless) {
  Rng rng(kSeed);
  for (int i = 0; i < 3000; ++i) {
    std::string flipped = bytes_;
    const size_t at = i < 512 ? static_cast<size_t>(i) / 8 : rng.Uniform(bytes_.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (i % 8)));
    const Status status = Open(flipped);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss ||
                status.code() == StatusCode::kUnimplemented)
        << status.ToString();
  }
}

TEST_F(DamagedBitLists, NeedRowCodesAndStandAlone) {
  std::vector<Section> sections = built_.sections;
  std::erase_if(sections, [](const Section& s) { return s.type == 48; });
  const testing::MappedSections without(sections);
  EXPECT_THAT(IvfIndexFactory().Open(without.views(), built_.rows.view(), Metric::kL2),
              StatusIs(StatusCode::kDataLoss, "row codes"));
  BuildOptions options;
  options.codes = CodeType::kPq4;
  options.nlist = 5;
  auto products = IvfIndexFactory().Build(built_.rows.view(), options);
  ASSERT_OK(products);
  products->push_back({kIvfBitsSection, bytes_});
  const testing::MappedSections both(*products);
  EXPECT_THAT(IvfIndexFactory().Open(both.views(), built_.rows.view(), Metric::kL2),
              StatusIs(StatusCode::kDataLoss, "product codes"));
}

}  // namespace
}  // namespace leadline::index
