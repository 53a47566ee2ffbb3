#include "static_model.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "static_embedder.h"
#include "status_matchers.h"

namespace leadline::text {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 32;

void PadTo64(std::string* bytes) {
  bytes->resize((bytes->size() + 63) / 64 * 64, '\0');
}

void Seal(std::string* bytes) {
  Hasher hasher;
  hasher.Update(std::string_view(*bytes).substr(0, 40));
  hasher.Update(std::string_view(*bytes).substr(48));
  std::string checksum;
  PutFixed64(&checksum, hasher.Digest());
  bytes->replace(40, 8, checksum);
}

// Three pieces: "[UNK]" with scale 0, "a" with scale 1 and codes -7.., "b" with scale 0.5 (0x3800).
std::string SmallModel() {
  const std::vector<std::string> vocabulary = {"[UNK]", "a", "b"};
  std::string bytes = "LLSTATIC";
  for (const uint32_t field : {1U, 32U, 3U, 4U}) {
    PutFixed32(&bytes, field);
  }
  PutFixed64(&bytes, 7);
  PutFixed32(&bytes, 9);
  bytes.resize(64, '\0');
  for (const uint32_t start : {0U, 5U, 6U, 7U}) {
    PutFixed32(&bytes, start);
  }
  PadTo64(&bytes);
  bytes += "[UNK]ab";
  PadTo64(&bytes);
  bytes += std::string("\x00\x00\x00\x3C\x00\x38", 6);
  PadTo64(&bytes);
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    for (size_t j = 0; j < kDim / 2; ++j) {
      // Component j is code j % 15 - 7 (+1 for "b"), component j + 16 is code 7.
      const size_t low = 1 + (j + (id == 2 ? 1 : 0)) % 15;
      bytes += static_cast<char>(low | (15U << 4U));
    }
  }
  Seal(&bytes);
  return bytes;
}

TEST(StaticModel, ReadsTheDocumentedLayout) {
  const std::string bytes = SmallModel();
  ASSERT_OK_AND_ASSIGN(const StaticModel model, StaticModel::Parse(bytes));
  EXPECT_EQ(model.dim(), kDim);
  EXPECT_EQ(model.revision(), 9U);
  ASSERT_EQ(model.vocabulary().size(), 3U);
  EXPECT_EQ(model.vocabulary()[0], "[UNK]");
  EXPECT_EQ(model.vocabulary()[2], "b");
  std::vector<float> sums(kDim, 0);
  model.Accumulate(1, sums);
  model.Accumulate(2, sums);
  for (size_t j = 0; j < kDim / 2; ++j) {
    const auto a = static_cast<float>(static_cast<int>(1 + j % 15) - 8);
    const auto b = static_cast<float>(static_cast<int>(1 + (j + 1) % 15) - 8);
    EXPECT_EQ(sums[j], a + 0.5F * b);
    EXPECT_EQ(sums[j + kDim / 2], 7 + 0.5F * 7);
  }
}

TEST(StaticModel, RejectsTruncationAtEachByte) {
  const std::string bytes = SmallModel();
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of the exact size, so that a read past the end is seen by the sanitizers.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_THAT(StaticModel::Parse({cut.data(), cut.size()}), StatusIs(StatusCode::kDataLoss))
        << size;
  }
  EXPECT_THAT(StaticModel::Parse(bytes + '\0'), StatusIs(StatusCode::kDataLoss));
}

TEST(StaticModel, RejectsEveryFlippedBit) {
  const std::string bytes = SmallModel();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(StaticModel::Parse(bad).ok()) << bit;
  }
}

// The checksum stops rot, not malice: each field is checked even under a right checksum.
TEST(StaticModel, RejectsBadFieldsUnderARightChecksum) {
  const auto with_u32 = [](size_t at, uint32_t value) {
    std::string bytes = SmallModel();
    std::string encoded;
    PutFixed32(&encoded, value);
    bytes.replace(at, 4, encoded);
    Seal(&bytes);
    return bytes;
  };
  EXPECT_THAT(StaticModel::Parse(with_u32(8, 2)),
              StatusIs(StatusCode::kUnimplemented, "version=2"));
  for (const uint32_t dim : {0U, 16U, 33U, 8192U, 0xFFFFFFE0U}) {
    EXPECT_THAT(StaticModel::Parse(with_u32(12, dim)), StatusIs(StatusCode::kDataLoss)) << dim;
  }
  for (const uint32_t size : {0U, 2U, 4U, 1U << 20U, 0xFFFFFFFFU}) {
    EXPECT_THAT(StaticModel::Parse(with_u32(16, size)), StatusIs(StatusCode::kDataLoss)) << size;
  }
  EXPECT_THAT(StaticModel::Parse(with_u32(20, 8)), StatusIs(StatusCode::kDataLoss, "bits"));
  for (const uint32_t high : {1U, 0xFFFFFFFFU}) {
    EXPECT_THAT(StaticModel::Parse(with_u32(28, high)), StatusIs(StatusCode::kDataLoss)) << high;
  }
  for (const uint32_t start : {1U, 0xFFFFFFFFU}) {
    EXPECT_THAT(StaticModel::Parse(with_u32(64, start)), StatusIs(StatusCode::kDataLoss)) << start;
  }
  EXPECT_THAT(StaticModel::Parse(with_u32(72, 200)), StatusIs(StatusCode::kDataLoss, "start"));
  EXPECT_THAT(StaticModel::Parse(with_u32(76, 6)), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(StaticModel::Parse(with_u32(100, 1)), StatusIs(StatusCode::kDataLoss, "padding"));
  EXPECT_THAT(StaticModel::Parse(with_u32(192, 0x7C007C00U)),
              StatusIs(StatusCode::kDataLoss, "scale"));  // infinite
}

TEST(StaticModel, EmbeddedModelIsValid) {
  ASSERT_OK_AND_ASSIGN(const StaticModel model, StaticModel::Parse(EmbeddedModelBytes()));
  EXPECT_EQ(model.dim(), 256U);
  EXPECT_EQ(model.vocabulary().size(), 30522U);
  EXPECT_LT(EmbeddedModelBytes().size(), 4500000U);
}

TEST(StaticEmbedder, SumsAndNormalisesRows) {
  const std::string bytes = SmallModel();
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Embedder> embedder, MakeStaticEmbedder(bytes));
  const std::vector<std::string_view> texts = {"A, b?"};
  std::vector<float> out(kDim);
  ASSERT_OK(embedder->Embed(texts, out));
  float dot = 0;
  for (const float x : out) {
    dot += x * x;
  }
  EXPECT_NEAR(dot, 1, 1e-6);
  EXPECT_NEAR(out[0] / out[16], (-7 + 0.5F * -6) / (7 + 0.5F * 7), 1e-6);
  // A text of pieces without a row has no direction.
  const std::vector<std::string_view> unknown = {"a", "c c"};
  std::vector<float> two(2 * kDim);
  EXPECT_THAT(embedder->Embed(unknown, two), StatusIs(StatusCode::kInvalidArgument, "texts[1]"));
}

}  // namespace
}  // namespace leadline::text
