#pragma once

/// Real vectors and queries that are not among them, for recall floors.

#include <cstdio>
#include <string>
#include <vector>

#include "index_test_data.h"

namespace leadline::index::testing {

struct RealVectors {
  Matrix base;
  Matrix queries;

  /// Unit length where the metric wants it.
  void PrepareFor(Metric metric) {
    if (metric == Metric::kCosine) {
      NormalizeRows(&base);
      NormalizeRows(&queries);
    }
  }
};

/// 10,000 word vectors and 200 queries kept in the repository (tests/index/data/words/README.md);
/// empty if the file is not whole.
inline RealVectors ShippedWords() {
  constexpr size_t kDim = 100;
  constexpr size_t kBaseRows = 10'000;
  constexpr size_t kQueries = 200;
  const std::string path = std::string(LEADLINE_SOURCE_DIR) + "/tests/index/data/words/words.i8";
  RealVectors words{{{}, kDim}, {{}, kDim}};
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return {};
  }
  float scale = 0;
  std::vector<int8_t> row(kDim);
  while (std::fread(&scale, sizeof scale, 1, file) == 1 &&
         std::fread(row.data(), 1, kDim, file) == kDim) {
    Matrix& into = words.base.rows() < kBaseRows ? words.base : words.queries;
    for (const int8_t value : row) {
      into.values.push_back(scale * static_cast<float>(value));
    }
  }
  std::fclose(file);
  return words.queries.rows() == kQueries ? words : RealVectors();
}

/// The set the shipped one is a part of, with 200 queries; empty where it is absent.
inline RealVectors AllWords() {
  const std::string folder = std::string(LEADLINE_SOURCE_DIR) + "/../shared/data/glove-wink-100k/";
  return {ReadFvecs(folder + "base.fvecs", 100'000), ReadFvecs(folder + "query.fvecs", 200)};
}

inline std::vector<std::vector<Neighbor>> TrueNeighbors(const RealVectors& data, Metric metric) {
  std::vector<std::vector<Neighbor>> truth;
  for (size_t q = 0; q < data.queries.rows(); ++q) {
    truth.push_back(BruteForce(data.base.view(), data.queries.row(q), metric, 10));
  }
  return truth;
}

inline double MeanRecall(const std::vector<SearchOutcome>& found,
                         const std::vector<std::vector<Neighbor>>& truth) {
  double recall = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    recall += Recall(found[q].neighbors, truth[q]);
  }
  return recall / static_cast<double>(truth.size());
}

}  // namespace leadline::index::testing
