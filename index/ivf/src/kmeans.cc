#include "kmeans.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <span>
#include <utility>

#include "byte_rows.h"
#include "centroid_table.h"
#include "first_error.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/rng.h"
#include "leadline/simd/normalize.h"

namespace leadline::index {
namespace {

constexpr size_t kSampleRowsPerCentroid = 256;
/// Rows of a task.
constexpr size_t kTaskRows = CallControl::kCheckInterval;
/// Rows summed in f32 before the sum goes on in double.
constexpr size_t kFloatRows = 32;

/// Iterations on a share of the rows, 1 / divisor of them.
struct Stage {
  size_t divisor;
  size_t iterations;
};

constexpr Stage kStages[] = {{8, 4}, {4, 2}, {2, 2}, {1, 3}};
/// A share holds at least so many rows a centroid, or all there are.
constexpr size_t kLeastRowsPerCentroid = 8;

/// One training.
class KMeans {
 public:
  KMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed, Executor* executor,
         const CallControl& control)
      : rows_(rows),
        nlist_(nlist),
        spherical_(spherical),
        rng_(seed),
        executor_(executor),
        control_(control),
        stride_(ByteRowStride(rows.dim)) {}

  Result<std::vector<float>> Train() {
    Sample();
    LEADLINE_RETURN_IF_ERROR(FindCentre());
    LEADLINE_RETURN_IF_ERROR(EncodeRows());
    centroids_.resize(nlist_ * rows_.dim);
    for (size_t c = 0; c < nlist_; ++c) {
      SetCentroid(c, order_[c]);
    }
    for (const Stage& stage : kStages) {
      const size_t least = std::min(order_.size(), nlist_ * kLeastRowsPerCentroid);
      const size_t used = std::max(least, order_.size() / stage.divisor);
      for (size_t i = 0; i < stage.iterations; ++i) {
        LEADLINE_RETURN_IF_ERROR(AssignFirst(used));
        LEADLINE_RETURN_IF_ERROR(MoveToMeans(used));
      }
    }
    return std::move(centroids_);
  }

 private:
  /// Chooses rows and their order at random: the start of it is a sample of the whole.
  void Sample() {
    order_.resize(rows_.rows);
    std::iota(order_.begin(), order_.end(), 0U);
    const size_t wanted = std::min(rows_.rows, nlist_ * kSampleRowsPerCentroid);
    for (size_t i = 0; i < wanted; ++i) {
      std::swap(order_[i], order_[i + rng_.Uniform(order_.size() - i)]);
    }
    order_.resize(wanted);
    nearest_.resize(wanted);
  }

  void SetCentroid(size_t c, uint32_t row) {
    std::copy_n(rows_.row(row).data(), rows_.dim, centroids_.data() + c * rows_.dim);
  }

  /// Calls body(task, begin, end) for the first `count` rows of the order, in tasks of kTaskRows.
  template <class Body>
  Status ForTasks(size_t count, const Body& body) {
    const size_t tasks = (count + kTaskRows - 1) / kTaskRows;
    std::vector<Status> statuses(tasks);
    ParallelFor(executor_, tasks, [&](size_t t) {
      statuses[t] = NoThrow([&]() -> Status {
        LEADLINE_RETURN_IF_ERROR(control_.Check());
        return body(t, t * kTaskRows, std::min(count, (t + 1) * kTaskRows));
      });
    });
    return FirstError(statuses);
  }

  /// Adds the rows of `members`, places in the order, in groups of kFloatRows.
  void AddRows(std::span<const uint32_t> members, float* partial, double* sums) const {
    for (size_t begin = 0; begin < members.size(); begin += kFloatRows) {
      const size_t end = std::min(members.size(), begin + kFloatRows);
      std::fill_n(partial, rows_.dim, 0.0F);
      for (size_t m = begin; m < end; ++m) {
        const float* row = rows_.row(order_[members[m]]).data();
        for (size_t i = 0; i < rows_.dim; ++i) {
          partial[i] += row[i];
        }
      }
      for (size_t i = 0; i < rows_.dim; ++i) {
        sums[i] += partial[i];
      }
    }
  }

  /// The mean of at most kCentreRows rows: any point near it serves.
  Status FindCentre() {
    constexpr size_t kCentreRows = 16 * kTaskRows;
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    std::vector<uint32_t> members(std::min(order_.size(), kCentreRows));
    std::iota(members.begin(), members.end(), 0U);
    std::vector<float> partial(rows_.dim);
    std::vector<double> sums(rows_.dim, 0.0);
    AddRows(members, partial.data(), sums.data());
    centre_.resize(rows_.dim);
    for (size_t i = 0; i < rows_.dim; ++i) {
      centre_[i] = static_cast<float>(sums[i] / static_cast<double>(members.size()));
    }
    return {};
  }

  Status EncodeRows() {
    codes_.resize(order_.size() * stride_);
    terms_.resize(order_.size());
    return ForTasks(order_.size(), [&](size_t, size_t begin, size_t end) -> Status {
      std::vector<float> centred(rows_.dim);
      for (size_t i = begin; i < end; ++i) {
        terms_[i] = EncodeByteRow(rows_.row(order_[i]).data(), centre_.data(), rows_.dim,
                                  centred.data(), codes_.data() + i * stride_);
      }
      return {};
    });
  }

  /// Finds the nearest centroid of the first `used` rows.
  Status AssignFirst(size_t used) {
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    table_.Set({centroids_.data(), nlist_, rows_.dim}, centre_.data());
    return ForTasks(used, [&](size_t, size_t begin, size_t end) -> Status {
      constexpr size_t kRows = CentroidTable::kTileRows;
      std::vector<int32_t> sums(CentroidTable::kTileSums);
      for (size_t r = begin; r < end; r += kRows) {
        const size_t count = std::min(kRows, end - r);
        LEADLINE_RETURN_IF_ERROR(table_.FindNearest(
            {codes_.data() + r * stride_, {terms_.data() + r, count}, rows_, order_.data() + r},
            simd::CurrentLevel().tiles, control_, sums.data(), nearest_.data() + r));
      }
      return {};
    });
  }

  /// Puts each centroid into the mean of its rows among the first `used`.
  Status MoveToMeans(size_t used) {
    std::vector<uint32_t> begins(nlist_ + 1, 0);
    for (size_t r = 0; r < used; ++r) {
      ++begins[nearest_[r].row + 1];
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    std::vector<uint32_t> members(used);
    std::vector<uint32_t> next(begins.begin(), begins.end() - 1);
    for (size_t r = 0; r < used; ++r) {
      members[next[nearest_[r].row]++] = static_cast<uint32_t>(r);
    }
    constexpr size_t kTasks = 64;
    std::vector<Status> statuses(kTasks);
    ParallelFor(executor_, kTasks, [&](size_t t) {
      statuses[t] = NoThrow(
          [&] { return MeansOf(t * nlist_ / kTasks, (t + 1) * nlist_ / kTasks, begins, members); });
    });
    LEADLINE_RETURN_IF_ERROR(FirstError(statuses));
    FillEmpty(begins, members);
    return {};
  }

  Status MeansOf(size_t first, size_t end, std::span<const uint32_t> begins,
                 std::span<const uint32_t> members) {
    std::vector<float> partial(rows_.dim);
    std::vector<double> sums(rows_.dim);
    for (size_t c = first; c < end; ++c) {
      const std::span<const uint32_t> own = members.subspan(begins[c], begins[c + 1] - begins[c]);
      if (own.empty()) {
        continue;
      }
      std::fill(sums.begin(), sums.end(), 0.0);
      for (size_t m = 0; m < own.size(); m += kTaskRows) {
        LEADLINE_RETURN_IF_ERROR(control_.Check());
        AddRows(own.subspan(m, std::min(kTaskRows, own.size() - m)), partial.data(), sums.data());
      }
      for (size_t i = 0; i < rows_.dim; ++i) {
        partial[i] = static_cast<float>(sums[i] / static_cast<double>(own.size()));
      }
      float* centroid = centroids_.data() + c * rows_.dim;
      // Rows that cancel out have no direction: the centroid stays.
      if (!spherical_ || !simd::NormalizeToUnit(partial.data(), centroid, rows_.dim)) {
        if (!spherical_) {
          std::copy(partial.begin(), partial.end(), centroid);
        }
      }
    }
    return {};
  }

  /// A centroid without rows becomes a row of the largest cluster, which then counts as halved.
  void FillEmpty(std::span<const uint32_t> begins, std::span<const uint32_t> members) {
    std::priority_queue<std::pair<uint32_t, size_t>> largest;  // rows, cluster
    for (size_t c = 0; c < nlist_; ++c) {
      largest.emplace(begins[c + 1] - begins[c], c);
    }
    for (size_t c = 0; c < nlist_; ++c) {
      if (begins[c + 1] != begins[c]) {
        continue;
      }
      const auto [count, from] = largest.top();
      if (count < 2) {
        return;
      }
      largest.pop();
      largest.emplace(count / 2, from);
      const uint32_t size = begins[from + 1] - begins[from];
      SetCentroid(c, order_[members[begins[from] + rng_.Uniform(size)]]);
    }
  }

  const MatrixView rows_;
  const size_t nlist_;
  const bool spherical_;
  Rng rng_;
  Executor* const executor_;
  const CallControl& control_;
  const size_t stride_;
  std::vector<uint32_t> order_;  ///< rows to train on
  std::vector<float> centre_;
  std::vector<uint8_t> codes_;  ///< of the rows in that order, as all that follows
  std::vector<ByteRowTerms> terms_;
  std::vector<Neighbor> nearest_;
  std::vector<float> centroids_;
  CentroidTable table_;
};

}  // namespace

Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       Executor* executor, const CallControl& control) {
  return NoThrow([&] {
    KMeans training(rows, nlist, spherical, seed, executor, control);
    return training.Train();
  });
}

}  // namespace leadline::index
