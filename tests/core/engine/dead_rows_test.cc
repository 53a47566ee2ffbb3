// Which rows are visible at which sequence, one by one and all at once.

#include "dead_rows.h"

#include <cstdint>
#include <cstdio>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"

namespace leadline::engine {
namespace {

void ExpectLivingAsOneByOne(const DeadRows& dead, uint64_t sequence) {
  for (const size_t rows : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, dead.rows()}) {
    const std::vector<uint64_t> words = dead.Living(sequence, rows);
    ASSERT_EQ(words.size(), (rows + 63) / 64);
    for (size_t row = 0; row < words.size() * 64; ++row) {
      const bool visible = row < rows && dead.VisibleAt(row, sequence);
      ASSERT_EQ(((words[row / 64] >> (row % 64)) & 1U) != 0, visible)
          << "row " << row << " of " << rows << " at " << sequence;
    }
  }
}

TEST(DeadRows, AllAtOnceAreThoseOneByOne) {
  constexpr uint64_t kSeed = 33;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Rng rng(kSeed);
  for (const size_t rows : {size_t{100}, size_t{1024}, size_t{1500}}) {
    DeadRows dead(rows);
    uint64_t sequence = 0;
    for (size_t kill = 0; kill < 3 * rows; ++kill) {
      dead.Kill(rng.Uniform(rows), ++sequence);
      if (kill % 97 == 0) {
        ExpectLivingAsOneByOne(dead, rng.Uniform(sequence + 1));
        ExpectLivingAsOneByOne(dead, sequence);
      }
    }
    for (size_t row = 0; row < rows; ++row) {
      dead.Kill(row, ++sequence);
    }
    ASSERT_EQ(dead.count(), rows);
    for (const uint64_t at : {uint64_t{0}, dead.last_kill() - 1, dead.last_kill(), sequence + 1}) {
      ExpectLivingAsOneByOne(dead, at);
    }
  }
}

}  // namespace
}  // namespace leadline::engine
