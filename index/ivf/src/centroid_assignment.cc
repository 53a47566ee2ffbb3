#include "centroid_assignment.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "centroid_table.h"
#include "leadline/core/no_throw.h"
#include "leadline/index/first_error.h"

namespace leadline::index {
namespace {

/// Rows of a task.
constexpr size_t kTaskRows = 1024;

std::vector<float> MeanOf(MatrixView rows) {
  std::vector<double> sums(rows.dim, 0.0);
  for (size_t r = 0; r < rows.rows; ++r) {
    const std::span<const float> row = rows.row(r);
    for (size_t i = 0; i < rows.dim; ++i) {
      sums[i] += row[i];
    }
  }
  std::vector<float> mean(rows.dim);
  for (size_t i = 0; i < rows.dim; ++i) {
    mean[i] = static_cast<float>(sums[i] / static_cast<double>(rows.rows));
  }
  return mean;
}

Status AssignRows(MatrixView rows, size_t begin, size_t end, const float* centre,
                  const CentroidTable& table, const CallControl& control,
                  std::span<Neighbor> nearest) {
  const size_t stride = ByteRowStride(rows.dim);
  // As many rows as a tile takes: a task's rows would leave the cache before they are compared.
  constexpr size_t kRows = CentroidTable::kTileRows;
  std::vector<float> centred(rows.dim);
  std::vector<uint8_t> codes(kRows * stride);
  std::vector<ByteRowTerms> terms(kRows);
  std::vector<uint32_t> vector_rows(kRows);
  CentroidTable::Scratch scratch;
  for (; begin < end; begin += kRows) {
    const size_t count = std::min(kRows, end - begin);
    for (size_t i = 0; i < count; ++i) {
      terms[i] = EncodeByteRow(rows.row(begin + i).data(), centre, rows.dim, centred.data(),
                               codes.data() + i * stride);
    }
    std::iota(vector_rows.begin(), vector_rows.end(), static_cast<uint32_t>(begin));
    LEADLINE_RETURN_IF_ERROR(
        table.FindNearest({codes.data(), terms.data(), rows, vector_rows.data()}, 0, count, control,
                          &scratch, nearest.data() + begin));
  }
  return {};
}

}  // namespace

Status AssignToCentroids(MatrixView rows, MatrixView centroids, Executor* executor,
                         const CallControl& control, std::span<Neighbor> nearest) {
  return NoThrow([&]() -> Status {
    const std::vector<float> centre = MeanOf(centroids);
    CentroidTable table;
    table.Set(centroids, centre.data());
    const size_t tasks = (rows.rows + kTaskRows - 1) / kTaskRows;
    std::vector<Status> statuses(tasks);
    ParallelFor(executor, tasks, [&](size_t t) {
      const size_t begin = t * kTaskRows;
      statuses[t] = NoThrow([&] {
        return AssignRows(rows, begin, std::min(rows.rows, begin + kTaskRows), centre.data(), table,
                          control, nearest);
      });
    });
    return FirstError(statuses);
  });
}

}  // namespace leadline::index
