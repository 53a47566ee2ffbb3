#pragma once

/// What the load asks, what is right, and the rows that are written.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "leadline/leadline.h"

namespace leadline::bench {

inline constexpr size_t kTop = 10;

/// Queries and their exact neighbours. Immutable.
class Workload {
 public:
  /// Ends the program where a file cannot be read. Ids of records are their row numbers.
  Workload(const std::string& queries, const std::string& truth);

  [[nodiscard]] size_t size() const { return queries_.size() / dim_; }

  /// Query `number` modulo size().
  [[nodiscard]] VectorView query(size_t number) const;
  /// First query of batch `number` of `count` each, and its rows; no more than there are.
  [[nodiscard]] size_t FirstOfBatch(size_t number, size_t count) const;
  [[nodiscard]] MatrixView batch(size_t first, size_t count) const;
  /// How many of the exact kTop of query `number` are among `hits`.
  [[nodiscard]] size_t CountRight(size_t number, const std::vector<Hit>& hits) const;

 private:
  size_t dim_ = 0;
  size_t truth_width_ = 0;
  std::vector<float> queries_;
  std::vector<int32_t> truth_;
};

/// Rows of an .fvecs file with their numbers as ids, in batches. Ends the program where it cannot
/// be read.
std::vector<std::vector<Record>> ReadBatches(const std::string& path, size_t max_rows,
                                             size_t batch_rows);

/// Says why on standard error and ends the program.
[[noreturn]] void Fail(const std::string& message);

void OrDie(const Status& status);

template <typename T>
T OrDie(Result<T> result) {
  OrDie(result.status());
  return std::move(result).value();
}

}  // namespace leadline::bench
