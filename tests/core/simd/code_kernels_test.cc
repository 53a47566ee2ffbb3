// Each level of kernels on codes against the formulas of code_kernels.h, written out here once more
// with wide integers. Every array ends where the contract says, in front of a page that nobody may
// touch.

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 20261127;

/// `size` elements and `spare_bytes` more that may be read, then a page without access.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t size, size_t spare_bytes = 0) : size_(size) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t used = size * sizeof(T) + spare_bytes;
    const size_t open = (used + page - 1) / page * page;
    mapped_ = open + page;
    map_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map_ == MAP_FAILED || mprotect(Begin() + open, page, PROT_NONE) != 0) {
      ADD_FAILURE() << "no memory with a guard: errno " << errno;
      std::abort();
    }
    data_ = reinterpret_cast<T*>(Begin() + open - used);
    // What lies beyond must not count.
    std::memset(Begin() + open - spare_bytes, 0xA5, spare_bytes);
  }

  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  ~Guarded() { munmap(map_, mapped_); }

  T* data() { return data_; }

  T& operator[](size_t i) { return data_[i]; }

  size_t size() const { return size_; }

  T* begin() { return data_; }

  T* end() { return data_ + size_; }

 private:
  char* Begin() const { return static_cast<char*>(map_); }

  size_t size_;
  void* map_ = nullptr;
  size_t mapped_ = 0;
  T* data_ = nullptr;
};

constexpr size_t kReadable = 64;  // bytes behind codes

enum class Fill { kRandom, kLargestDown, kLargestUp, kZeros, kOneHot };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLargestDown, Fill::kLargestUp, Fill::kZeros,
                           Fill::kOneHot};

template <class Array>
void FillCodes(Rng* rng, Fill fill, Array* codes) {
  for (auto& code : *codes) {
    const bool largest = fill == Fill::kLargestDown || fill == Fill::kLargestUp;
    code = static_cast<uint8_t>(largest ? 255 : rng->Uniform(256));
  }
  if (fill == Fill::kOneHot) {
    std::fill(codes->begin(), codes->end(), uint8_t{0});
    if (codes->size() > 0) {
      (*codes)[rng->Uniform(codes->size())] = 255;
    }
  }
}

template <class Array>
void FillQuery(Rng* rng, Fill fill, Array* query) {
  for (auto& number : *query) {
    number = static_cast<int8_t>(static_cast<int>(rng->Uniform(256)) - 128);
    if (fill == Fill::kLargestDown) {
      number = -128;
    } else if (fill == Fill::kLargestUp) {
      number = 127;
    } else if (fill == Fill::kZeros) {
      number = 0;
    }
  }
}

std::string Trace(std::initializer_list<std::pair<const char*, size_t>> values) {
  std::string text = "seed " + std::to_string(kSeed);
  for (const auto& [name, value] : values) {
    text += std::string(" ") + name + " " + std::to_string(value);
  }
  return text;
}

class CodeKernelsTest : public ::testing::TestWithParam<const Level*> {
 protected:
  const CodeKernels& codes() const { return GetParam()->codes; }
};

/// One call of sq8_gather or sq4_gather; `want` computes the sum of one row.
template <class Want>
void CheckGather(CodeKernels::Sq8Gather gather, Rng* rng, Fill fill, size_t n, size_t count,
                 size_t query_size, Want want) {
  SCOPED_TRACE(Trace({{"fill", static_cast<size_t>(fill)}, {"n", n}, {"count", count}}));
  const size_t rows = 1 + rng->Uniform(9);
  const size_t stride = n + 16 * rng->Uniform(5);
  Guarded<uint8_t> table((rows - 1) * stride + n, kReadable);
  Guarded<int8_t> query(query_size);
  Guarded<uint32_t> ids(count);
  Guarded<int32_t> out(count);
  FillCodes(rng, fill, &table);
  FillQuery(rng, fill, &query);
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(rng->Uniform(rows));
  }
  gather(query.data(), table.data(), stride, ids.data(), count, n, out.data());
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(out[i], want(query.data(), table.data() + ids[i] * stride)) << "row " << i;
  }
}

int64_t NaiveSq8(const int8_t* query, const uint8_t* row, size_t n) {
  int64_t sum = 0;
  for (size_t j = 0; j < n; ++j) {
    sum += int64_t{query[j]} * row[j];
  }
  return sum;
}

int64_t NaiveSq4(const int8_t* query, const uint8_t* row, size_t n) {
  int64_t sum = 0;
  for (size_t j = 0; j < n; ++j) {
    const size_t low = 128 * (j / 64) + j % 64;
    sum += int64_t{query[low]} * (row[j] % 16) + int64_t{query[low + 64]} * (row[j] / 16);
  }
  return sum;
}

TEST_P(CodeKernelsTest, GatherOfBytesEqualsItsDefinition) {
  Rng rng(kSeed);
  const auto check = [&](Fill fill, size_t n, size_t count) {
    CheckGather(codes().sq8_gather, &rng, fill, n, count, n,
                [n](const int8_t* query, const uint8_t* row) { return NaiveSq8(query, row, n); });
  };
  for (const Fill fill : kFills) {
    for (size_t n = 64; n <= 65'536; n = n < 1024 ? n + 64 : n * 2) {
      check(fill, n, 1 + rng.Uniform(11));
    }
  }
  for (size_t count = 0; count <= 70; ++count) {
    check(Fill::kRandom, 64 * (1 + rng.Uniform(4)), count);
  }
}

TEST_P(CodeKernelsTest, GatherOfNibblesEqualsItsDefinition) {
  Rng rng(kSeed);
  const auto check = [&](Fill fill, size_t n, size_t count) {
    CheckGather(codes().sq4_gather, &rng, fill, n, count, 2 * n,
                [n](const int8_t* query, const uint8_t* row) { return NaiveSq4(query, row, n); });
  };
  for (const Fill fill : kFills) {
    for (size_t n = 64; n <= 32'768; n = n < 1024 ? n + 64 : n * 2) {
      check(fill, n, 1 + rng.Uniform(11));
    }
  }
  for (size_t count = 0; count <= 70; ++count) {
    check(Fill::kRandom, 64 * (1 + rng.Uniform(4)), count);
  }
}

void CheckTableSums(CodeKernels::TableSums table_sums, Rng* rng, Fill fill, size_t lines,
                    size_t block_count) {
  SCOPED_TRACE(
      Trace({{"fill", static_cast<size_t>(fill)}, {"lines", lines}, {"blocks", block_count}}));
  Guarded<uint8_t> tables(lines * kPqPerLine * 16);
  Guarded<uint8_t> blocks(block_count * lines * kCodeBytes, kReadable);
  Guarded<int32_t> out(block_count * kBlockRows);
  FillCodes(rng, fill, &tables);
  FillCodes(rng, fill == Fill::kOneHot ? Fill::kRandom : fill, &blocks);
  // What comes next is not read: where it is, and whether, makes no difference.
  const uint8_t* const next[] = {nullptr, blocks.data(), reinterpret_cast<const uint8_t*>(1)};
  table_sums(tables.data(), blocks.data(), lines, block_count, next[(lines + block_count) % 3],
             out.data());
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t sum = 0;
    for (size_t s = 0; s < kPqPerLine * lines; ++s) {
      const size_t line = i / kBlockRows * lines + s / 8;
      const uint8_t byte = blocks[line * 64 + 4 * (i % kBlockRows) + s % 4];
      sum += tables[16 * s + (s % 8 < 4 ? byte % 16U : byte / 16U)];
    }
    ASSERT_EQ(out[i], sum) << "row " << i;
  }
}

TEST_P(CodeKernelsTest, TableSumsEqualTheirDefinition) {
  Rng rng(kSeed);
  for (const Fill fill : kFills) {
    for (size_t lines = 0; lines <= 30; ++lines) {
      for (size_t blocks = 0; blocks <= 9; ++blocks) {
        CheckTableSums(codes().table_sums, &rng, fill, lines, blocks);
      }
    }
    for (const size_t lines : {48U, 257U, 2048U}) {
      CheckTableSums(codes().table_sums, &rng, fill, lines, 5);
    }
  }
}

struct SelectCase {
  size_t count = 0;
  SumToDistance map;
  float threshold = 0;
  bool masked = false;
  bool infinite = false;  // some rows have an infinite `add`, as deleted ones do
};

void CheckSelectNear(CodeKernels::SelectNear select, Rng* rng, const SelectCase& test) {
  SCOPED_TRACE(Trace({{"count", test.count}, {"masked", test.masked ? 1 : 0}}));
  Guarded<int32_t> sums(test.count);
  Guarded<float> add(test.count);
  Guarded<float> scale(test.count);
  Guarded<uint64_t> allowed((test.count + 63) / 64);
  Guarded<float> distances(test.count + 16);
  Guarded<uint32_t> positions(test.count + 16);
  for (size_t i = 0; i < test.count; ++i) {
    sums[i] = static_cast<int32_t>(rng->Next() >> (rng->Uniform(3) == 0 ? 32U : 50U));
    add[i] = static_cast<float>(rng->Gaussian() * 100);
    scale[i] = static_cast<float>(rng->Gaussian());
    if (test.infinite && rng->Uniform(3) == 0) {
      add[i] = std::numeric_limits<float>::infinity();
    }
  }
  for (uint64_t& word : allowed) {
    word = rng->Next();
  }
  constexpr uint32_t kFirst = 4'294'967'000U;  // positions may wrap
  const size_t kept =
      select(sums.data(), add.data(), scale.data(), test.count, test.map, test.threshold,
             test.masked ? allowed.data() : nullptr, kFirst, distances.data(), positions.data());
  size_t wanted = 0;
  for (size_t i = 0; i < test.count; ++i) {
    const int64_t exact = 2 * int64_t{sums[i]} - test.map.offset;
    const auto centred = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(exact)));
    const float factor = scale[i] * test.map.multiplier;
    // Kept from being fused with the subtraction, which g++ does on ARM.
    const volatile float product = factor * centred;
    const float distance = add[i] - product;
    if (!(distance <= test.threshold) ||
        (test.masked && ((allowed[i / 64] >> (i % 64)) & 1U) == 0)) {
      continue;
    }
    ASSERT_LT(wanted, kept);
    ASSERT_EQ(std::bit_cast<uint32_t>(distances[wanted]), std::bit_cast<uint32_t>(distance));
    ASSERT_EQ(positions[wanted], kFirst + static_cast<uint32_t>(i));
    ++wanted;
  }
  ASSERT_EQ(kept, wanted);
}

TEST_P(CodeKernelsTest, SelectNearEqualsItsDefinition) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Rng rng(kSeed);
  for (size_t count = 0; count <= 400; count += 16) {
    for (const float threshold : {-kInfinity, -1e6F, -50.0F, 0.0F, 50.0F, 1e12F, kInfinity}) {
      for (const bool masked : {false, true}) {
        for (const bool infinite : {false, true}) {
          const auto offset = static_cast<int32_t>(rng.Next());
          CheckSelectNear(codes().select_near, &rng,
                          {count, {0.01F, offset}, threshold, masked, infinite});
          CheckSelectNear(codes().select_near, &rng,
                          {count, {1e-4F, 1000}, threshold, masked, infinite});
        }
      }
    }
  }
}

TEST_P(CodeKernelsTest, SelectNearKeepsTiesAtTheThresholdAndNothingBeyond) {
  constexpr size_t kCount = 96;
  for (size_t tie = 0; tie < kCount; ++tie) {
    // Distances of 3, one of them 2 and the next float above 2 beside it.
    std::vector<int32_t> sums(kCount, 0);
    std::vector<float> add(kCount, 3.0F);
    const std::vector<float> scale(kCount, 0.5F);
    sums[tie] = 1;
    add[(tie + 1) % kCount] = std::nextafter(2.0F, 3.0F);
    std::vector<float> distances(kCount + 16);
    std::vector<uint32_t> positions(kCount + 16);
    const size_t kept =
        codes().select_near(sums.data(), add.data(), scale.data(), kCount, {1.0F, 0}, 2.0F, nullptr,
                            100, distances.data(), positions.data());
    ASSERT_EQ(kept, 1U);
    EXPECT_EQ(distances[0], 2.0F);
    EXPECT_EQ(positions[0], 100 + tie);
  }
}

enum class Size { kOrdinary, kDenormal, kHuge, kMixed };

float RandomFloat(Rng* rng, Size size) {
  double scale = 1;
  if (size == Size::kDenormal) {
    scale = 1e-39;
  } else if (size == Size::kHuge) {
    scale = 1e15;
  } else if (size == Size::kMixed) {
    scale = std::pow(10.0, static_cast<double>(rng->Uniform(30)) - 15.0);
  }
  return static_cast<float>(rng->Gaussian() * scale);
}

/// Both levels of the comparison stay within half the bound of code_kernels.h of the exact sum.
void CheckBf16Gather(CodeKernels::Bf16Gather gather, Rng* rng, Size size, size_t n, size_t count) {
  SCOPED_TRACE(Trace({{"size", static_cast<size_t>(size)}, {"n", n}, {"count", count}}));
  const size_t rows = 1 + rng->Uniform(9);
  const size_t stride = n + 8 * rng->Uniform(5);
  Guarded<uint16_t> table((rows - 1) * stride + n, kReadable);
  Guarded<float> query(n);
  Guarded<uint32_t> ids(count);
  Guarded<float> out(count);
  for (uint16_t& value : table) {
    value = static_cast<uint16_t>(std::bit_cast<uint32_t>(RandomFloat(rng, size)) >> 16);
  }
  for (float& value : query) {
    value = RandomFloat(rng, size);
  }
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(rng->Uniform(rows));
  }
  gather(query.data(), table.data(), stride, ids.data(), count, n, out.data());
  for (size_t i = 0; i < count; ++i) {
    double exact = 0;
    double magnitude = 0;
    for (size_t j = 0; j < n; ++j) {
      const auto bits = static_cast<uint32_t>(table[ids[i] * stride + j]);
      const double term = static_cast<double>(query[j]) * std::bit_cast<float>(bits << 16);
      exact += term;
      magnitude += std::abs(term);
    }
    const auto terms = static_cast<double>(n);
    const double bound = std::ldexp(magnitude, -23) * (terms + 8) + std::ldexp(terms, -127);
    ASSERT_NEAR(out[i], exact, bound) << "row " << i;
  }
}

TEST_P(CodeKernelsTest, GatherOfBf16StaysWithinItsBound) {
  Rng rng(kSeed);
  for (const Size size : {Size::kOrdinary, Size::kDenormal, Size::kHuge, Size::kMixed}) {
    for (size_t n = 32; n <= 4096; n = n < 512 ? n + 32 : n * 2) {
      CheckBf16Gather(codes().bf16_gather, &rng, size, n, 1 + rng.Uniform(11));
    }
    for (size_t count = 0; count <= 40; ++count) {
      CheckBf16Gather(codes().bf16_gather, &rng, size, 64, count);
    }
  }
}

TEST_P(CodeKernelsTest, SumsOfARowDoNotDependOnItsCompany) {
  Rng rng(kSeed);
  constexpr size_t kN = 96;
  constexpr size_t kCount = 21;
  std::vector<uint16_t> rows(kCount * kN + kReadable / 2);
  std::vector<float> query(kN);
  for (uint16_t& value : rows) {
    value = static_cast<uint16_t>(std::bit_cast<uint32_t>(RandomFloat(&rng, Size::kMixed)) >> 16);
  }
  for (float& value : query) {
    value = RandomFloat(&rng, Size::kMixed);
  }
  std::vector<uint32_t> ids(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    ids[i] = static_cast<uint32_t>(i);
  }
  float together[kCount];
  codes().bf16_gather(query.data(), rows.data(), kN, ids.data(), kCount, kN, together);
  for (size_t i = 0; i < kCount; ++i) {
    float alone = 0;
    codes().bf16_gather(query.data(), rows.data(), kN, &ids[i], 1, kN, &alone);
    ASSERT_EQ(std::bit_cast<uint32_t>(alone), std::bit_cast<uint32_t>(together[i])) << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, CodeKernelsTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& param) { return std::string(param.param->name); });

}  // namespace
}  // namespace leadline::simd
