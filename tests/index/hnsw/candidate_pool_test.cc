#include "candidate_pool.h"

#include <algorithm>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "visited_set.h"

namespace leadline::index::hnsw {
namespace {

constexpr uint64_t kSeed = 99;

TEST(Key, SortsLikeDistanceThenNodeAndComesBack) {
  const float distances[] = {-std::numeric_limits<float>::infinity(),
                             -3e38F,
                             -1.5F,
                             -1e-42F,
                             0.0F,
                             1e-45F,
                             1e-30F,
                             1.0F,
                             1.0000001F,
                             3e38F,
                             std::numeric_limits<float>::infinity()};
  const uint32_t nodes[] = {0, 1, 77, 0x7FFFFFFE};
  Key previous = 0;
  for (const float distance : distances) {
    for (const uint32_t node : nodes) {
      const Key key = MakeKey(distance, node);
      EXPECT_GT(key, previous);
      EXPECT_EQ(DistanceOf(key), distance);
      EXPECT_EQ(NodeOf(key), node);
      EXPECT_EQ(key & kExpanded, 0U);
      previous = key;
    }
  }
  EXPECT_LT(previous, kWorstKey);
}

TEST(CandidatePool, BehavesLikeASortedSetOfTheBest) {
  Rng rng(kSeed);
  CandidatePool pool;
  for (int round = 0; round < 200; ++round) {
    const size_t capacity = 1 + rng.Uniform(40);
    pool.Reset(capacity);
    std::set<Key> model;
    std::set<Key> expanded;
    uint32_t node = 0;
    for (int step = 0; step < 50; ++step) {
      if (rng.Uniform(4) == 0) {
        const Key popped = pool.PopNearest();
        Key expected = kWorstKey;
        for (const Key key : model) {
          if (!expanded.contains(key)) {
            expected = key;
            break;
          }
        }
        ASSERT_EQ(popped, expected) << "seed " << kSeed << " round " << round;
        expanded.insert(popped);
        continue;
      }
      // Mostly as many keys as a hop finds, now and then as many as a call may bring.
      std::vector<Key> found(rng.Uniform(50) == 0 ? CandidatePool::kMostMerged : rng.Uniform(40));
      for (Key& key : found) {
        key = MakeKey(static_cast<float>(rng.Uniform(20)), node++);
      }
      std::set<Key> taken;
      const Key worst = model.size() < capacity ? kWorstKey : *model.rbegin();
      ASSERT_EQ(pool.worst() & ~kExpanded, worst & ~kExpanded);
      for (const Key key : found) {
        if (key < worst) {
          taken.insert(key);
        }
      }
      const size_t entered = pool.Merge(found.data(), found.size());
      ASSERT_EQ(std::vector<Key>(found.data(), found.data() + entered),
                std::vector<Key>(taken.begin(), taken.end()))
          << "seed " << kSeed << " round " << round;
      model.insert(taken.begin(), taken.end());
      while (model.size() > capacity) {
        model.erase(std::prev(model.end()));
      }
      ASSERT_EQ(pool.size(), model.size());
    }
    size_t i = 0;
    for (const Key key : model) {
      EXPECT_EQ(pool[i++], key) << "seed " << kSeed << " round " << round;
    }
  }
}

TEST(VisitedSet, ReportsEachNodeOnceAndIsEmptyAfterReset) {
  Rng rng(kSeed);
  VisitedSet visited;
  for (int round = 0; round < 100; ++round) {
    const size_t nodes = 1 + rng.Uniform(5000);
    visited.Reset(nodes);
    std::set<uint32_t> model;
    for (int step = 0; step < 60; ++step) {
      uint32_t links[16];
      size_t width = 0;
      for (; width < rng.Uniform(17); ++width) {
        links[width] = static_cast<uint32_t>(rng.Uniform(nodes));
      }
      if (width < 16) {
        links[width] = 0xFFFFFFFF;
      }
      uint32_t fresh[16];
      const size_t count = visited.InsertNew(links, 16, 0xFFFFFFFF, fresh);
      std::vector<uint32_t> expected;
      for (size_t i = 0; i < width; ++i) {
        if (model.insert(links[i]).second) {
          expected.push_back(links[i]);
        }
      }
      ASSERT_EQ(std::vector<uint32_t>(fresh, fresh + count), expected)
          << "seed " << kSeed << " round " << round;
    }
  }
}

}  // namespace
}  // namespace leadline::index::hnsw
