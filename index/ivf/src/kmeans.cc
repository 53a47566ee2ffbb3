#include "kmeans.h"

#include <new>
#include <string>

#include <faiss/Clustering.h>
#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>
#include <omp.h>

#include "centroid_assignment.h"

namespace leadline::index {
namespace {

constexpr int kIterations = 12;
constexpr int kSampleRowsPerCentroid = 256;

/// OpenMP's thread count belongs to the calling thread; it gets it back.
class OmpThreads {
 public:
  explicit OmpThreads(size_t threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(static_cast<int>(threads));
  }

  OmpThreads(const OmpThreads&) = delete;
  OmpThreads& operator=(const OmpThreads&) = delete;

  ~OmpThreads() { omp_set_num_threads(before_); }

 private:
  const int before_;
};

/// Tells FAISS the nearest centroid of each row, on our kernels and the build's own threads.
/// FAISS's flat index would hand the work to OpenBLAS, whose threads nobody here can count.
class CentroidAssigner final : public faiss::Index {
 public:
  CentroidAssigner(size_t dim, Executor* executor, const CallControl& control)
      : faiss::Index(static_cast<idx_t>(dim), faiss::METRIC_L2),
        distance_(Metric::kL2, dim),
        executor_(executor),
        control_(control) {}

  void add(idx_t n, const float* centroids) override {
    centroids_.insert(centroids_.end(), centroids, centroids + n * d);
    ntotal += n;
  }

  void reset() override {
    centroids_.clear();
    ntotal = 0;
  }

  /// Only for k == 1. After a failure, which status() keeps, the answer means nothing.
  void search(idx_t n, const float* rows, idx_t /*k*/, float* distances, idx_t* labels,
              const faiss::SearchParameters* /*params*/) const override {
    const auto dim = static_cast<size_t>(d);
    std::vector<Neighbor> nearest(static_cast<size_t>(n));
    const Status assigned = AssignToCentroids({rows, nearest.size(), dim},
                                              {centroids_.data(), static_cast<size_t>(ntotal), dim},
                                              distance_, executor_, control_, nearest);
    if (!assigned.ok()) {
      status_ = assigned;
    }
    for (size_t i = 0; i < nearest.size(); ++i) {
      distances[i] = nearest[i].distance;
      labels[i] = static_cast<idx_t>(nearest[i].row);
    }
  }

  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const simd::MetricDistance distance_;
  Executor* const executor_;
  const CallControl& control_;
  std::vector<float> centroids_;
  mutable Status status_;  // FAISS's search is const and returns nothing
};

}  // namespace

Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       Executor* executor, const CallControl& control) {
  const OmpThreads scope(executor == nullptr ? 1 : executor->concurrency());
  try {
    faiss::ClusteringParameters parameters;
    // One iteration a call, so that a long training can be stopped between them. FAISS goes on from
    // the centroids it finds, on the same sample since the seed is the same.
    parameters.niter = 1;
    parameters.spherical = spherical;
    parameters.seed = static_cast<int>(seed & 0x7fffffff);
    parameters.max_points_per_centroid = kSampleRowsPerCentroid;
    // FAISS prints a warning below this number; a library must not print.
    parameters.min_points_per_centroid = 1;
    faiss::Clustering clustering(static_cast<int>(rows.dim), static_cast<int>(nlist), parameters);
    CentroidAssigner assigner(rows.dim, executor, control);
    for (int iteration = 0; iteration < kIterations; ++iteration) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      clustering.train(static_cast<faiss::Index::idx_t>(rows.rows), rows.data, assigner);
      LEADLINE_RETURN_IF_ERROR(assigner.status());
    }
    return clustering.centroids;
  } catch (const faiss::FaissException& error) {
    return InternalError("k-means failed: " + std::string(error.what()));
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError("not enough memory for k-means: rows=" +
                                  std::to_string(rows.rows) + " nlist=" + std::to_string(nlist));
  }
}

}  // namespace leadline::index
