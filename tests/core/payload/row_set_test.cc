#include "row_set.h"

#include <bit>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <roaring/roaring.h>

#include "leadline/core/coding.h"
#include "leadline/core/rng.h"
#include "row_bits.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

std::string Encode(const std::vector<uint32_t>& rows) {
  std::string bytes;
  PutRowSet(&bytes, rows);
  return bytes;
}

std::vector<uint32_t> Decode(std::string_view bytes, size_t rows) {
  RowBits bits(rows);
  AddRowSet(bytes, &bits);
  std::vector<uint32_t> out;
  for (uint32_t row = 0; row < rows; ++row) {
    if (((bits.words()[row / 64] >> (row % 64)) & 1U) != 0) {
      out.push_back(row);
    }
  }
  return out;
}

std::vector<uint32_t> Range(uint32_t first, uint32_t last, uint32_t step) {
  std::vector<uint32_t> rows;
  for (uint32_t row = first; row < last; row += step) {
    rows.push_back(row);
  }
  return rows;
}

/// Array, bitset and run containers, alone and together, few and many.
std::vector<std::vector<uint32_t>> Shapes() {
  std::vector<std::vector<uint32_t>> shapes = {
      {},
      {0},
      Range(0, 8, 1),
      Range(0, 9, 1),
      Range(3, 20'000, 7),
      Range(0, 65536, 3),
      Range(100, 300'000, 1),
      Range(1, 300'000, 2),
  };
  std::vector<uint32_t> mixed = Range(0, 20'000, 7);
  for (const auto& part :
       {Range(70'000, 140'000, 2), Range(140'000, 260'000, 1), Range(270'000, 280'000, 11)}) {
    mixed.insert(mixed.end(), part.begin(), part.end());
  }
  shapes.push_back(mixed);
  return shapes;
}

TEST(RowSet, ReadsBackEveryShapeOfContainer) {
  for (const std::vector<uint32_t>& rows : Shapes()) {
    const std::string bytes = Encode(rows);
    const uint32_t bound = rows.empty() ? 0 : rows.back() + 1;
    EXPECT_OK(CheckRowSet(bytes, bound));
    EXPECT_EQ(Decode(bytes, bound), rows);
    if (!rows.empty()) {
      EXPECT_THAT(CheckRowSet(bytes, bound - 1), StatusIs(StatusCode::kDataLoss));
    }
  }
}

TEST(RowSet, RefusesEveryTruncation) {
  for (const std::vector<uint32_t>& rows : Shapes()) {
    const std::string bytes = Encode(rows);
    const size_t step = bytes.size() > 4096 ? 97 : 1;
    for (size_t n = 1; n < bytes.size(); n += step) {
      EXPECT_THAT(CheckRowSet(std::string_view(bytes).substr(0, n), 300'000),
                  StatusIs(StatusCode::kDataLoss));
    }
    EXPECT_THAT(CheckRowSet(bytes + 'x', 300'000), StatusIs(StatusCode::kDataLoss));
  }
}

TEST(RowSet, AcceptsDamagedBytesOnlyAsAnotherValidSet) {
  Rng rng(7);
  size_t accepted = 0;
  for (const std::vector<uint32_t>& rows : Shapes()) {
    const std::string bytes = Encode(rows);
    for (int i = 0; i < 3000 && !bytes.empty(); ++i) {
      std::string damaged = bytes;
      const size_t at = rng.Uniform(2) == 0 ? rng.Uniform(bytes.size())
                                            : rng.Uniform(std::min<size_t>(bytes.size(), 40));
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << rng.Uniform(8)));
      if (!CheckRowSet(damaged, 300'000).ok()) {
        continue;
      }
      ++accepted;
      RowBits bits(300'000);
      AddRowSet(damaged, &bits);
      size_t count = 0;
      for (const uint64_t word : bits.words()) {
        count += static_cast<size_t>(std::popcount(word));
      }
      EXPECT_EQ(count, DecodeFixed32(damaged.data()));
    }
  }
  std::cout << "damaged but valid: " << accepted << "\n";
}

TEST(RowSet, EqualsWhatCRoaringReads) {
  Rng rng(11);
  for (int round = 0; round < 50; ++round) {
    std::set<uint32_t> rows;
    while (rows.size() < 9 + rng.Uniform(3000)) {
      uint32_t row = static_cast<uint32_t>(rng.Uniform(400'000));
      for (uint64_t run = rng.Uniform(30); run > 0; --run) {
        rows.insert(row++);
      }
    }
    const std::string bytes = Encode({rows.begin(), rows.end()});
    EXPECT_OK(CheckRowSet(bytes, 500'000));
    roaring_bitmap_t* bitmap =
        roaring_bitmap_portable_deserialize_safe(bytes.data() + 4, bytes.size() - 4);
    ASSERT_NE(bitmap, nullptr);
    std::vector<uint32_t> expected(roaring_bitmap_get_cardinality(bitmap));
    roaring_bitmap_to_uint32_array(bitmap, expected.data());
    roaring_bitmap_free(bitmap);
    EXPECT_EQ(Decode(bytes, 500'000), expected);
  }
}

TEST(RowBits, KeepsBitsPastTheEndZero) {
  for (const size_t rows : std::vector<size_t>{0, 1, 63, 64, 65, 128}) {
    RowBits bits = RowBits::All(rows);
    size_t count = 0;
    for (const uint64_t word : bits.words()) {
      count += static_cast<size_t>(std::popcount(word));
    }
    EXPECT_EQ(count, rows);
    bits.Complement();
    EXPECT_EQ(bits, RowBits(rows));
  }
}

}  // namespace
}  // namespace leadline
