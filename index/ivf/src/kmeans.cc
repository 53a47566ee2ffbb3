#include "kmeans.h"

#include <new>
#include <string>

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>
#include <omp.h>

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

}  // namespace

Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       size_t threads, const CallControl& control) {
  const OmpThreads scope(threads);
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
    faiss::IndexFlatL2 assigner(static_cast<faiss::Index::idx_t>(rows.dim));
    for (int iteration = 0; iteration < kIterations; ++iteration) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      clustering.train(static_cast<faiss::Index::idx_t>(rows.rows), rows.data, assigner);
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
