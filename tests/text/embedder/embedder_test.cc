#include "leadline/text/embedder.h"

#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

const std::string kGolden = std::string(LEADLINE_SOURCE_DIR) + "/tests/text/embedder/golden/";

std::shared_ptr<const Embedder> Static() {
  Result<std::shared_ptr<const Embedder>> embedder = OpenEmbedder("static");
  return embedder.ok() ? *embedder : nullptr;
}

std::vector<std::string> GoldenTexts() {
  std::vector<std::string> texts;
  std::ifstream lines(kGolden + "embedding_texts.txt");
  for (std::string line; std::getline(lines, line);) {
    texts.push_back(line);
  }
  return texts;
}

TEST(Embedder, EqualsPythonReference) {
  const std::vector<std::string> texts = GoldenTexts();
  ASSERT_GE(texts.size(), 200U);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::shared_ptr<const Embedder> embedder = Static();
  ASSERT_NE(embedder, nullptr);
  std::vector<float> got(texts.size() * embedder->dim());
  ASSERT_OK(embedder->Embed(views, got));
  std::vector<float> want(got.size() + 1);
  std::ifstream vectors(kGolden + "embedding.f32", std::ios::binary);
  vectors.read(reinterpret_cast<char*>(want.data()),
               static_cast<std::streamsize>(want.size() * sizeof(float)));
  ASSERT_EQ(vectors.gcount(), static_cast<std::streamsize>(got.size() * sizeof(float)));
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 1e-5) << texts[i / embedder->dim()];
  }
}

TEST(Embedder, VectorsHaveUnitLengthAndDoNotDependOnTheBatch) {
  const std::vector<std::string> texts = GoldenTexts();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::shared_ptr<const Embedder> embedder = Static();
  const size_t dim = embedder->dim();
  std::vector<float> batch(texts.size() * dim);
  ASSERT_OK(embedder->Embed(views, batch));
  std::vector<float> single(dim);
  for (size_t row = 0; row < texts.size(); ++row) {
    ASSERT_OK(embedder->Embed({&views[row], 1}, single));
    double square = 0;
    for (size_t j = 0; j < dim; ++j) {
      ASSERT_EQ(single[j], batch[row * dim + j]);
      square += static_cast<double>(single[j]) * static_cast<double>(single[j]);
    }
    ASSERT_NEAR(square, 1, 1e-6);
  }
}

TEST(Embedder, NamesTheRowThatHoldsNoKnownWord) {
  const std::shared_ptr<const Embedder> embedder = Static();
  for (const char* bad : {"", " \n", "\xFF\xFE", "\U0001F986"}) {
    const std::vector<std::string_view> texts = {"fine", bad, "also fine"};
    std::vector<float> out(texts.size() * embedder->dim());
    const Status status = embedder->Embed(texts, out);
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, "texts[1]"));
    EXPECT_EQ(status.field(), "texts[1]");
  }
}

TEST(Embedder, RejectsOutputOfAnotherSize) {
  const std::shared_ptr<const Embedder> embedder = Static();
  const std::string_view text = "word";
  for (const size_t size :
       {size_t{0}, embedder->dim() - 1, embedder->dim() + 1, 2 * embedder->dim()}) {
    std::vector<float> out(size);
    EXPECT_THAT(embedder->Embed({&text, 1}, out),
                StatusIs(StatusCode::kInvalidArgument, "out.size"));
  }
  EXPECT_OK(embedder->Embed({}, {}));
}

TEST(Embedder, RanksRelatedTextAboveUnrelated) {
  const std::shared_ptr<const Embedder> embedder = Static();
  const std::vector<std::string_view> texts = {
      "does aspirin prevent heart attacks?",
      "Low-dose acetylsalicylic acid lowers the risk of myocardial infarction.",
      "The football match ended in a draw after extra time."};
  const size_t dim = embedder->dim();
  std::vector<float> v(texts.size() * dim);
  ASSERT_OK(embedder->Embed(texts, v));
  float related = 0;
  float unrelated = 0;
  for (size_t j = 0; j < dim; ++j) {
    related += v[j] * v[dim + j];
    unrelated += v[j] * v[2 * dim + j];
  }
  EXPECT_GT(related, unrelated + 0.2F);
}

TEST(Embedder, GivesEqualVectorsFromManyThreads) {
  const std::vector<std::string> texts = GoldenTexts();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::shared_ptr<const Embedder> embedder = Static();
  std::vector<std::vector<float>> out(4, std::vector<float>(texts.size() * embedder->dim()));
  std::vector<std::thread> threads;
  for (std::vector<float>& mine : out) {
    threads.emplace_back([&] { EXPECT_OK(embedder->Embed(views, mine)); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::vector<float>& other : out) {
    EXPECT_EQ(other, out[0]);
  }
}

TEST(OpenEmbedder, KnowsWhatIsListedAndNothingElse) {
  const std::vector<EmbedderInfo> known = ListEmbedders();
  ASSERT_EQ(known.size(), 1U);
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Embedder> embedder, OpenEmbedder(known[0].name));
  EXPECT_EQ(embedder->name(), "static");
  EXPECT_EQ(embedder->dim(), known[0].dim);
  EXPECT_EQ(embedder->version(), known[0].version);
  EXPECT_FALSE(embedder->version().empty());
  EXPECT_THAT(OpenEmbedder("no-such"), StatusIs(StatusCode::kNotFound, "no-such"));
}

}  // namespace
}  // namespace leadline
