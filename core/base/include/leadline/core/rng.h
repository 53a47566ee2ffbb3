#pragma once

#include <array>
#include <cstdint>

namespace leadline {

/// Seeded random numbers, equal on every machine. Thread-compatible.
/// Source: Blackman & Vigna, xoshiro256** with splitmix64 seeding (public domain reference).
class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t Next();
  /// Uniform in [0, bound); 0 when bound is 0. Bias below 2^-32 for bounds under 2^32.
  uint64_t Uniform(uint64_t bound);
  /// Uniform in [0, 1).
  double UniformDouble();
  /// Standard normal deviate (Box-Muller, one value a call).
  double Gaussian();

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace leadline
