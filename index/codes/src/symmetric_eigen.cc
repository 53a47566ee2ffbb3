#include "symmetric_eigen.h"

#include <cmath>

// An application may have an Eigen of its own, compiled for other instructions: the two must not
// share the names of their functions.
#define Eigen leadline_eigen
#include <Eigen/Eigenvalues>

namespace leadline::index {
namespace {

/// Where products are cut into blocks, and so how they round, depends on the sizes of caches.
void FixBlockSizes() {
  static const bool kFixed = [] {
    Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20);
    return true;
  }();
  static_cast<void>(kFixed);
}

}  // namespace

std::optional<EigenSystem> SolveSymmetric(const std::vector<double>& matrix, size_t n) {
  FixBlockSizes();
  const auto size = static_cast<Eigen::Index>(n);
  const Eigen::Map<const Eigen::MatrixXd> input(matrix.data(), size, size);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(input);
  if (solver.info() != Eigen::Success) {
    return std::nullopt;
  }
  EigenSystem system;
  system.values.resize(n);
  system.vectors.resize(n * n);
  for (size_t r = 0; r < n; ++r) {
    const auto column = static_cast<Eigen::Index>(n - 1 - r);
    const double* values = solver.eigenvectors().col(column).data();
    size_t largest = 0;
    for (size_t i = 1; i < n; ++i) {
      largest = std::abs(values[i]) > std::abs(values[largest]) ? i : largest;
    }
    const double sign = values[largest] < 0 ? -1 : 1;
    system.values[r] = solver.eigenvalues()(column);
    for (size_t i = 0; i < n; ++i) {
      system.vectors[r * n + i] = sign * values[i];
    }
  }
  return system;
}

}  // namespace leadline::index

#undef Eigen
