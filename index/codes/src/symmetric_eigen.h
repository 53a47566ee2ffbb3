#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace leadline::index {

/// Eigenvalues of a symmetric matrix, falling, and a unit vector for each.
struct EigenSystem {
  std::vector<double> values;   ///< [n]
  std::vector<double> vectors;  ///< [n x n], one a row; the first of its largest values is positive
};

/// Of `matrix` [n x n], finite; nothing where the iteration does not converge. Equal inputs give
/// equal bits on every machine of one architecture. Cost: about 0.4 s at n = 784, growing with n^3.
/// May throw std::bad_alloc.
std::optional<EigenSystem> SolveSymmetric(const std::vector<double>& matrix, size_t n);

}  // namespace leadline::index
