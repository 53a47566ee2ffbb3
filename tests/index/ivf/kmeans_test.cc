// K-means and assignment to centroids, beside FAISS and beside brute force in double.

#include "kmeans.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <gtest/gtest.h>

#include "centroid_assignment.h"
#include "leadline/core/rng.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

constexpr uint64_t kSeed = 20261127;

struct Table {
  size_t dim = 0;
  std::vector<float> values;

  [[nodiscard]] MatrixView view() const { return {values.data(), values.size() / dim, dim}; }
};

/// Uniform in [-1, 1): from the generator's bits alone, so that it is equal on every machine.
float Uniform(Rng* rng) {
  return static_cast<float>(rng->UniformDouble() * 2 - 1);
}

Table Filled(size_t rows, size_t dim, const std::function<float(size_t row, size_t i)>& value) {
  Table table{dim, {}};
  for (size_t i = 0; i < rows * dim; ++i) {
    table.values.push_back(value(i / dim, i % dim));
  }
  return table;
}

Table RandomTable(size_t rows, size_t dim) {
  Rng rng(kSeed);
  return Filled(rows, dim, [&](size_t, size_t) { return Uniform(&rng); });
}

/// Rows around `clusters` points.
Table ClusteredTable(size_t rows, size_t dim, size_t clusters, float spread) {
  Rng rng(kSeed + 1);
  const Table points = RandomTable(clusters, dim);
  return Filled(rows, dim, [&](size_t row, size_t i) {
    return points.values[row % clusters * dim + i] + spread * Uniform(&rng);
  });
}

double SquaredDistance(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

double NearestDistance(const float* row, MatrixView centroids) {
  double best = std::numeric_limits<double>::infinity();
  for (size_t c = 0; c < centroids.rows; ++c) {
    best = std::min(best, SquaredDistance(row, centroids.row(c).data(), centroids.dim));
  }
  return best;
}

/// Sum of squared distances to the nearest centroid.
double Objective(MatrixView rows, const std::vector<float>& centroids) {
  const MatrixView view{centroids.data(), centroids.size() / rows.dim, rows.dim};
  double sum = 0;
  for (size_t r = 0; r < rows.rows; ++r) {
    sum += NearestDistance(rows.row(r).data(), view);
  }
  return sum;
}

std::vector<float> Train(MatrixView rows, size_t nlist, bool spherical = false,
                         uint64_t seed = kSeed) {
  auto trained = TrainKMeans(rows, nlist, spherical, seed, nullptr, {});
  EXPECT_OK(trained);
  return trained.ok() ? std::move(trained).value() : std::vector<float>();
}

std::vector<float> TrainFaiss(MatrixView rows, size_t nlist, bool spherical, uint64_t seed) {
  faiss::ClusteringParameters parameters;
  parameters.seed = static_cast<int>(seed);
  parameters.niter = 10;
  parameters.spherical = spherical;
  parameters.min_points_per_centroid = 1;
  faiss::Clustering clustering(static_cast<int>(rows.dim), static_cast<int>(nlist), parameters);
  faiss::IndexFlatL2 index(static_cast<faiss::Index::idx_t>(rows.dim));
  clustering.train(static_cast<faiss::Index::idx_t>(rows.rows), rows.data, index);
  return clustering.centroids;
}

/// The mean size of the list that a row is in, over the mean size of lists.
double Imbalance(MatrixView rows, const std::vector<float>& centroids) {
  const MatrixView view{centroids.data(), centroids.size() / rows.dim, rows.dim};
  std::vector<double> sizes(view.rows, 0.0);
  for (size_t r = 0; r < rows.rows; ++r) {
    size_t nearest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < view.rows; ++c) {
      const double distance = SquaredDistance(rows.row(r).data(), view.row(c).data(), rows.dim);
      nearest = distance < least ? c : nearest;
      least = std::min(least, distance);
    }
    sizes[nearest] += 1;
  }
  double squares = 0;
  for (const double size : sizes) {
    squares += size * size;
  }
  const auto count = static_cast<double>(rows.rows);
  return squares * static_cast<double>(view.rows) / (count * count);
}

TEST(KMeansTest, ListsOfWordsAreNearlyOfOneSize) {
  testing::RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.base.rows(), 0U);
  data.PrepareFor(Metric::kCosine);
  const MatrixView rows = data.base.view();
  const double ours = Imbalance(rows, Train(rows, 120, true));
  const double theirs = Imbalance(rows, TrainFaiss(rows, 120, true, kSeed));
  std::printf("[ kmeans] imbalance %.3f, FAISS %.3f\n", ours, theirs);
  EXPECT_LE(ours, 1.2);
  EXPECT_LE(ours, theirs);
}

/// Sums over some seeds, so that neither side is lucky; FAISS has its customary ten iterations.
void ExpectObjectiveOfFaiss(MatrixView rows, size_t nlist, bool spherical, double most = 1.005) {
  double ours = 0;
  double theirs = 0;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ours += Objective(rows, Train(rows, nlist, spherical, seed));
    theirs += Objective(rows, TrainFaiss(rows, nlist, spherical, seed));
  }
  std::printf("[ kmeans] objective %g, FAISS %g, ratio %.4f\n", ours, theirs, ours / theirs);
  EXPECT_LE(ours, most * theirs);
}

TEST(KMeansTest, ReachesTheObjectiveOfFaissOnWords) {
  testing::RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.base.rows(), 0U);
  const auto some = [&] { return MatrixView{data.base.view().data, 4000, data.base.view().dim}; };
  ExpectObjectiveOfFaiss(some(), 64, false);
  data.PrepareFor(Metric::kCosine);
  ExpectObjectiveOfFaiss(some(), 64, true);
}

TEST(KMeansTest, ReachesTheObjectiveOfFaissOnOtherData) {
  ExpectObjectiveOfFaiss(RandomTable(4000, 24).view(), 64, false);
  // Here both sides depend on the rows they begin with.
  ExpectObjectiveOfFaiss(ClusteredTable(4000, 16, 400, 0.1F).view(), 64, false, 1.04);
  ExpectObjectiveOfFaiss(RandomTable(3000, 2).view(), 300, false, 1.04);
  ExpectObjectiveOfFaiss(RandomTable(2000, 1).view(), 200, false, 1.2);
}

/// Bytes cannot tell these rows apart: one value dwarfs the others and says nothing.
TEST(KMeansTest, ReachesTheObjectiveOfFaissWhereBytesSayNothing) {
  Rng rng(kSeed);
  const Table table = Filled(3000, 8, [&](size_t row, size_t i) {
    return i == 0 ? (row % 2 == 0 ? 10'000.0F : -10'000.0F) : Uniform(&rng);
  });
  ExpectObjectiveOfFaiss(table.view(), 100, false);
}

TEST(KMeansTest, FindsRowsThatRepeat) {
  const Table five = RandomTable(5, 7);
  const Table table =
      Filled(600, 7, [&](size_t row, size_t i) { return five.values[row % 5 * 7 + i]; });
  EXPECT_LT(Objective(table.view(), Train(table.view(), 20)), 1e-6);
  const Table same = Filled(100, 7, [&](size_t, size_t i) { return five.values[i]; });
  EXPECT_LT(Objective(same.view(), Train(same.view(), 30)), 1e-6);
}

TEST(KMeansTest, TakesExtremeShapesAndValues) {
  for (const float scale : {0.0F, 1e-38F, 1e-20F, 1.0F, 1e15F}) {
    for (const size_t dim : {1, 63, 64, 65, 300}) {
      for (const size_t rows : {1, 2, 15, 16, 17, 300}) {
        Table table = RandomTable(rows, dim);
        for (float& value : table.values) {
          value *= scale;
        }
        const size_t nlist = rows < 16 ? rows : 16 + rows % 5;
        const std::vector<float> centroids = Train(table.view(), std::min(rows, nlist));
        ASSERT_EQ(centroids.size(), std::min(rows, nlist) * dim);
        for (const float value : centroids) {
          ASSERT_LE(std::fabs(value), scale) << "scale " << scale << " rows " << rows;
        }
      }
    }
  }
}

TEST(KMeansTest, EachRowIsACentroidWhereThereAreAsMany) {
  const Table table = RandomTable(90, 12);
  EXPECT_LT(Objective(table.view(), Train(table.view(), 90)), 1e-9);
}

TEST(KMeansTest, SphericalCentroidsHaveUnitLength) {
  testing::RealVectors data = testing::ShippedWords();
  data.PrepareFor(Metric::kCosine);
  const std::vector<float> centroids = Train(data.base.view(), 50, true);
  const size_t dim = data.base.view().dim;
  for (size_t c = 0; c < 50; ++c) {
    double norm = 0;
    for (size_t i = 0; i < dim; ++i) {
      norm += static_cast<double>(centroids[c * dim + i]) * centroids[c * dim + i];
    }
    EXPECT_NEAR(norm, 1.0, 1e-5);
  }
}

TEST(KMeansTest, GivesEqualBytesOnAnyNumberOfThreads) {
  const Table table = ClusteredTable(5000, 20, 300, 0.2F);
  const std::vector<float> alone = Train(table.view(), 70);
  for (const size_t threads : {1, 2, 5}) {
    const auto pool = NewThreadPool(threads);
    const auto trained = TrainKMeans(table.view(), 70, false, kSeed, pool.get(), {});
    ASSERT_OK(trained);
    EXPECT_EQ(*trained, alone) << threads << " threads";
  }
}

/// Runs again at each SIMD level: the number is that of every one of them.
TEST(KMeansTest, GivesEqualBytesAtEverySimdLevel) {
  const Table table = ClusteredTable(3000, 90, 200, 0.2F);
  uint64_t hash = 14'695'981'039'346'656'037U;  // FNV-1a
  const std::vector<float> centroids = Train(table.view(), 150);
  const auto* bytes = reinterpret_cast<const unsigned char*>(centroids.data());
  for (size_t i = 0; i < centroids.size() * sizeof(float); ++i) {
    hash = (hash ^ bytes[i]) * 1'099'511'628'211U;
  }
  EXPECT_EQ(hash, 2'482'301'048'327'534'711U);
}

TEST(KMeansTest, StopsWhenItIsTold) {
  const Table table = RandomTable(2000, 16);
  CancelToken token;
  token.Cancel();
  CallControl control;
  control.cancel = &token;
  const auto pool = NewThreadPool(2);
  EXPECT_EQ(TrainKMeans(table.view(), 50, false, kSeed, pool.get(), control).status().code(),
            StatusCode::kCancelled);
  std::vector<Neighbor> nearest(2000);
  EXPECT_EQ(AssignToCentroids(table.view(), table.view(), pool.get(), control, nearest).code(),
            StatusCode::kCancelled);
}

void ExpectNearest(MatrixView rows, MatrixView centroids) {
  std::vector<Neighbor> nearest(rows.rows);
  ASSERT_OK(AssignToCentroids(rows, centroids, nullptr, {}, nearest));
  double sum = 0;
  double best_sum = 0;
  for (size_t r = 0; r < rows.rows; ++r) {
    ASSERT_LT(nearest[r].row, centroids.rows);
    const double best = NearestDistance(rows.row(r).data(), centroids);
    const double found =
        SquaredDistance(rows.row(r).data(), centroids.row(nearest[r].row).data(), rows.dim);
    ASSERT_LE(found, 1.3 * best + 1e-9) << "row " << r;
    sum += found;
    best_sum += best;
  }
  EXPECT_LE(sum, 1.002 * best_sum + 1e-9);
}

TEST(CentroidAssignmentTest, FindsTheNearestAsFarAsItMatters) {
  const testing::RealVectors data = testing::ShippedWords();
  const MatrixView words = data.base.view();
  ExpectNearest({words.data, 3000, words.dim}, {words.data + 4000 * words.dim, 333, words.dim});
  for (const size_t dim : {1, 2, 3, 64, 130}) {
    const Table table = RandomTable(1500, dim);
    ExpectNearest({table.values.data(), 1000, dim}, {table.values.data() + 1000 * dim, 500, dim});
  }
  const Table close = ClusteredTable(1500, 40, 3, 1e-4F);
  ExpectNearest({close.values.data(), 1000, 40}, {close.values.data() + 1000 * 40, 500, 40});
}

TEST(CentroidAssignmentTest, EqualCentroidsGiveTheLowestNumber) {
  const Table table = RandomTable(400, 10);
  Table centroids = table;
  centroids.values.insert(centroids.values.end(), table.values.begin(), table.values.end());
  std::vector<Neighbor> nearest(400);
  ASSERT_OK(AssignToCentroids(table.view(), centroids.view(), nullptr, {}, nearest));
  for (uint32_t r = 0; r < 400; ++r) {
    EXPECT_EQ(nearest[r].row, r);
  }
}

}  // namespace
}  // namespace leadline::index
