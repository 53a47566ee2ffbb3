#include "kmeans.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <span>
#include <utility>

#include "byte_rows.h"
#include "centroid_table.h"
#include "leadline/core/huge_array.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/rng.h"
#include "leadline/index/first_error.h"
#include "leadline/simd/normalize.h"

namespace leadline::index {
namespace {

constexpr size_t kSampleRowsPerCentroid = 256;
/// Rows of a task.
constexpr size_t kTaskRows = CallControl::kCheckInterval;
/// Rows summed in f32 before the sum goes on in double.
constexpr size_t kFloatRows = 32;

/// Measured in docs/decisions/0013-own-kmeans.md: the first iterations look at all centroids, the
/// others at those near to the one a row had, which are found anew now and then.
constexpr size_t kIterations = 14;
constexpr size_t kFullIterations = 2;
constexpr size_t kNearCentroids = 128;
constexpr size_t kNearIterations = 4;

/// Measured in docs/decisions/0027-balanced-lists.md: clusters with more rows than this times the
/// mean are split, so many times.
constexpr double kMostOfMean = 1.6;
constexpr size_t kBalancings = 2;

/// Rows by cluster, ascending in each.
class Clusters {
 public:
  /// `each(add)` calls add(cluster, row) for all rows, ascending; it is run twice.
  template <class Each>
  void Group(size_t clusters, size_t most_rows, const Each& each) {
    begins_.assign(clusters + 1, 0);
    rows_.resize(most_rows);
    each([&](uint32_t cluster, uint32_t) { ++begins_[cluster + 1]; });
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    next_.assign(begins_.begin(), begins_.end() - 1);
    each([&](uint32_t cluster, uint32_t row) { rows_[next_[cluster]++] = row; });
  }

  [[nodiscard]] std::span<const uint32_t> Of(size_t cluster) const {
    return {rows_.data() + begins_[cluster], begins_[cluster + 1] - begins_[cluster]};
  }

 private:
  std::vector<uint32_t> begins_;  ///< where each cluster begins in rows_, then the end of all
  std::vector<uint32_t> next_;
  std::vector<uint32_t> rows_;
};

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

  Status Train() {
    SampleRows();
    LEADLINE_RETURN_IF_ERROR(FindCentre());
    LEADLINE_RETURN_IF_ERROR(EncodeRows());
    for (size_t i = 0; i < kIterations; ++i) {
      const bool full = i < kFullIterations;
      LEADLINE_RETURN_IF_ERROR(
          full ? AssignAmongAll() : AssignAmongNear((i - kFullIterations) % kNearIterations == 0));
      // Where few rows have moved, sums follow them; the last ones are made anew.
      LEADLINE_RETURN_IF_ERROR(MoveToMeans(full || i + 1 == kIterations));
    }
    return {};
  }

  std::vector<float> Take() { return std::move(centroids_); }

  /// Splits the largest clusters, as many times over as they outweigh the mean; their parts take
  /// the centroids of the smallest, whose rows go to their neighbours.
  Status Balance() {
    for (size_t i = 0; i < kBalancings; ++i) {
      LEADLINE_RETURN_IF_ERROR(SplitLargest());
      LEADLINE_RETURN_IF_ERROR(AssignAmongAll());
      LEADLINE_RETURN_IF_ERROR(MoveToMeans(true));
    }
    return {};
  }

 private:
  /// Chooses the rows to train on, and some of them as the first centroids, at random.
  void SampleRows() {
    order_.resize(rows_.rows);
    std::iota(order_.begin(), order_.end(), 0U);
    const size_t wanted = std::min(rows_.rows, nlist_ * kSampleRowsPerCentroid);
    for (size_t i = 0; i < wanted; ++i) {
      std::swap(order_[i], order_[i + rng_.Uniform(order_.size() - i)]);
    }
    order_.resize(wanted);
    centroids_.resize(nlist_ * rows_.dim);
    for (size_t c = 0; c < nlist_; ++c) {
      SetCentroid(c, order_[c]);
    }
    std::sort(order_.begin(), order_.end());  // in the order in which they lie
    nearest_.resize(wanted);
  }

  void SetCentroid(size_t c, uint32_t row) {
    std::copy_n(rows_.row(row).data(), rows_.dim, centroids_.data() + c * rows_.dim);
  }

  /// Calls body(begin, end) for the first `count` rows of the order, in tasks of kTaskRows.
  template <class Body>
  Status ForTasks(size_t count, const Body& body) {
    const size_t tasks = (count + kTaskRows - 1) / kTaskRows;
    std::vector<Status> statuses(tasks);
    ParallelFor(executor_, tasks, [&](size_t t) {
      statuses[t] = NoThrow([&]() -> Status {
        LEADLINE_RETURN_IF_ERROR(control_.Check());
        return body(t * kTaskRows, std::min(count, (t + 1) * kTaskRows));
      });
    });
    return FirstError(statuses);
  }

  /// The row at a place in the order.
  [[nodiscard]] const float* Row(size_t place) const { return rows_.row(order_[place]).data(); }

  /// Asks for a row to be brought to the cache: rows of a cluster lie anywhere.
  void Prefetch(std::span<const uint32_t> members, size_t m) const {
    if (m < members.size()) {
      const float* row = Row(members[m]);
      for (size_t i = 0; i < rows_.dim; i += 64 / sizeof(float)) {
        __builtin_prefetch(row + i);
      }
    }
  }

  /// Adds the rows of `members`, places in the order, to sums [dim], or takes them away: groups of
  /// kFloatRows in f32, by fours, then in double.
  template <int kSign>
  Status AddRows(std::span<const uint32_t> members, float* partial, double* sums) const {
    constexpr size_t kAhead = 8;
    for (size_t m = 0; m < kAhead; ++m) {
      Prefetch(members, m);
    }
    for (size_t begin = 0; begin < members.size(); begin += kFloatRows) {
      if (begin % kTaskRows == 0) {
        LEADLINE_RETURN_IF_ERROR(control_.Check());
      }
      const size_t end = std::min(members.size(), begin + kFloatRows);
      std::fill_n(partial, rows_.dim, 0.0F);
      size_t m = begin;
      for (; m + 4 <= end; m += 4) {
        const float* rows[4];
        for (size_t r = 0; r < 4; ++r) {
          rows[r] = Row(members[m + r]);
          Prefetch(members, m + r + kAhead);
        }
        for (size_t i = 0; i < rows_.dim; ++i) {
          partial[i] += (rows[0][i] + rows[1][i]) + (rows[2][i] + rows[3][i]);
        }
      }
      for (; m < end; ++m) {
        const float* row = Row(members[m]);
        for (size_t i = 0; i < rows_.dim; ++i) {
          partial[i] += row[i];
        }
      }
      for (size_t i = 0; i < rows_.dim; ++i) {
        sums[i] += kSign * static_cast<double>(partial[i]);
      }
    }
    return {};
  }

  /// The mean of at most kCentreRows rows: any point near it serves.
  Status FindCentre() {
    constexpr size_t kCentreRows = 16 * kTaskRows;
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    std::vector<uint32_t> members(std::min(order_.size(), kCentreRows));
    std::iota(members.begin(), members.end(), 0U);
    std::vector<float> partial(rows_.dim);
    std::vector<double> sums(rows_.dim, 0.0);
    LEADLINE_RETURN_IF_ERROR(AddRows<1>(members, partial.data(), sums.data()));
    centre_.resize(rows_.dim);
    for (size_t i = 0; i < rows_.dim; ++i) {
      centre_[i] = static_cast<float>(sums[i] / static_cast<double>(members.size()));
    }
    return {};
  }

  Status EncodeRows() {
    codes_ = NewHugeArray<uint8_t>(order_.size() * stride_);
    terms_.resize(order_.size());
    return ForTasks(order_.size(), [&](size_t begin, size_t end) -> Status {
      std::vector<float> centred(rows_.dim);
      for (size_t i = begin; i < end; ++i) {
        terms_[i] = EncodeByteRow(Row(i), centre_.data(), rows_.dim, centred.data(),
                                  codes_.get() + i * stride_);
      }
      return {};
    });
  }

  [[nodiscard]] ByteRows Rows() const {
    return {codes_.get(), terms_.data(), rows_, order_.data()};
  }

  void SetTable() { table_.Set({centroids_.data(), nlist_, rows_.dim}, centre_.data()); }

  Status AssignAmongAll() {
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    SetTable();
    return ForTasks(order_.size(), [&](size_t begin, size_t end) {
      CentroidTable::Scratch scratch;
      return table_.FindNearest(Rows(), begin, end - begin, control_, &scratch,
                                nearest_.data() + begin);
    });
  }

  Status AssignAmongNear(bool find_near) {
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    SetTable();
    if (find_near) {
      LEADLINE_RETURN_IF_ERROR(table_.FindNear(kNearCentroids, executor_, control_));
    }
    return ForClusters([&](size_t first, size_t end) -> Status {
      CentroidTable::Scratch scratch;
      for (size_t c = first; c < end; ++c) {
        LEADLINE_RETURN_IF_ERROR(table_.FindNearestAround(
            static_cast<uint32_t>(c), Rows(), members_.Of(c), control_, &scratch, nearest_.data()));
      }
      return {};
    });
  }

  /// Calls body(first, end) for all clusters in a number of tasks that does not depend on threads.
  template <class Body>
  Status ForClusters(const Body& body) {
    constexpr size_t kTasks = 64;
    std::vector<Status> statuses(kTasks);
    ParallelFor(executor_, kTasks, [&](size_t t) {
      statuses[t] = NoThrow([&] { return body(t * nlist_ / kTasks, (t + 1) * nlist_ / kTasks); });
    });
    return FirstError(statuses);
  }

  /// Puts each centroid into the mean of its rows. `anew` sums all of them; otherwise the sums give
  /// and take the rows that have moved.
  Status MoveToMeans(bool anew) {
    members_.Group(nlist_, order_.size(), [&](const auto& add) {
      for (size_t r = 0; r < order_.size(); ++r) {
        add(nearest_[r].row, static_cast<uint32_t>(r));
      }
    });
    if (!anew) {
      leaving_.Group(nlist_, order_.size(), [&](const auto& add) {
        for (size_t r = 0; r < order_.size(); ++r) {
          if (before_[r] != nearest_[r].row) {
            add(before_[r], static_cast<uint32_t>(r));
          }
        }
      });
      coming_.Group(nlist_, order_.size(), [&](const auto& add) {
        for (size_t r = 0; r < order_.size(); ++r) {
          if (before_[r] != nearest_[r].row) {
            add(nearest_[r].row, static_cast<uint32_t>(r));
          }
        }
      });
    }
    sums_.resize(nlist_ * rows_.dim);
    LEADLINE_RETURN_IF_ERROR(
        ForClusters([&](size_t first, size_t end) { return MeansOf(first, end, anew); }));
    before_.resize(order_.size());
    for (size_t r = 0; r < order_.size(); ++r) {
      before_[r] = nearest_[r].row;
    }
    FillEmpty();
    return {};
  }

  Status MeansOf(size_t first, size_t end, bool anew) {
    std::vector<float> work(rows_.dim);
    for (size_t c = first; c < end; ++c) {
      double* sums = sums_.data() + c * rows_.dim;
      if (anew) {
        std::fill_n(sums, rows_.dim, 0.0);
        LEADLINE_RETURN_IF_ERROR(AddRows<1>(members_.Of(c), work.data(), sums));
      } else {
        LEADLINE_RETURN_IF_ERROR(AddRows<-1>(leaving_.Of(c), work.data(), sums));
        LEADLINE_RETURN_IF_ERROR(AddRows<1>(coming_.Of(c), work.data(), sums));
      }
      const size_t count = members_.Of(c).size();
      if (count == 0) {
        continue;
      }
      for (size_t i = 0; i < rows_.dim; ++i) {
        work[i] = static_cast<float>(sums[i] / static_cast<double>(count));
      }
      float* centroid = centroids_.data() + c * rows_.dim;
      if (!spherical_) {
        std::copy(work.begin(), work.end(), centroid);
      } else if (!simd::NormalizeToUnit(work.data(), centroid, rows_.dim)) {
        continue;  // rows that cancel out have no direction: the centroid stays
      }
    }
    return {};
  }

  /// A centroid without rows becomes a row of the largest cluster, which then counts as halved.
  void FillEmpty() {
    std::priority_queue<std::pair<size_t, size_t>> largest;  // rows, cluster
    for (size_t c = 0; c < nlist_; ++c) {
      largest.emplace(members_.Of(c).size(), c);
    }
    for (size_t c = 0; c < nlist_; ++c) {
      if (!members_.Of(c).empty()) {
        continue;
      }
      const auto [count, from] = largest.top();
      if (count < 2) {
        return;
      }
      largest.pop();
      largest.emplace(count / 2, from);
      const std::span<const uint32_t> members = members_.Of(from);
      SetCentroid(c, order_[members[rng_.Uniform(members.size())]]);
    }
  }

  Status SplitLargest() {
    std::vector<uint32_t> by_size(nlist_);
    std::iota(by_size.begin(), by_size.end(), 0U);
    std::stable_sort(by_size.begin(), by_size.end(), [this](uint32_t a, uint32_t b) {
      return members_.Of(a).size() < members_.Of(b).size();
    });
    const double mean = static_cast<double>(order_.size()) / static_cast<double>(nlist_);
    size_t taken = 0;  // of the smallest
    for (size_t i = nlist_ - 1; taken < i; --i) {
      const std::span<const uint32_t> members = members_.Of(by_size[i]);
      const double share = static_cast<double>(members.size()) / mean;
      if (share <= kMostOfMean) {
        break;
      }
      const size_t parts = std::min(static_cast<size_t>(std::lround(share)), i - taken + 1);
      std::vector<uint32_t> places(
          by_size.begin() + static_cast<std::ptrdiff_t>(taken),
          by_size.begin() + static_cast<std::ptrdiff_t>(taken + parts - 1));
      places.push_back(by_size[i]);
      LEADLINE_RETURN_IF_ERROR(Split(members, places));
      taken += parts - 1;
    }
    return {};
  }

  /// Makes the centroids at `places` those of the rows of `members`.
  Status Split(std::span<const uint32_t> members, std::span<const uint32_t> places) {
    std::vector<float> rows(members.size() * rows_.dim);
    for (size_t m = 0; m < members.size(); ++m) {
      std::copy_n(Row(members[m]), rows_.dim, rows.data() + m * rows_.dim);
    }
    KMeans training({rows.data(), members.size(), rows_.dim}, places.size(), spherical_,
                    rng_.Next(), executor_, control_);
    LEADLINE_RETURN_IF_ERROR(training.Train());
    for (size_t p = 0; p < places.size(); ++p) {
      std::copy_n(training.centroids_.data() + p * rows_.dim, rows_.dim,
                  centroids_.data() + places[p] * rows_.dim);
    }
    return {};
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
  HugeArray<uint8_t> codes_;  ///< of the rows in that order, as all that follows
  std::vector<ByteRowTerms> terms_;
  std::vector<Neighbor> nearest_;
  std::vector<uint32_t> before_;  ///< the centroid of each row when the sums were made
  Clusters members_;
  Clusters leaving_;          ///< rows that have moved, by where they came from
  Clusters coming_;           ///< and by where they went
  std::vector<double> sums_;  ///< [nlist x dim]
  std::vector<float> centroids_;
  CentroidTable table_;
};

}  // namespace

Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       Executor* executor, const CallControl& control) {
  return NoThrow([&]() -> Result<std::vector<float>> {
    KMeans training(rows, nlist, spherical, seed, executor, control);
    LEADLINE_RETURN_IF_ERROR(training.Train());
    LEADLINE_RETURN_IF_ERROR(training.Balance());
    return training.Take();
  });
}

}  // namespace leadline::index
