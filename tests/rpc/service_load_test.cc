// The load program of bench/service against a real server: it writes what it is given, counts right
// answers as an exact search does, and answers every call that falls due.

#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "leadline/core/rng.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

using Json = nlohmann::json;

constexpr size_t kDim = 8;
constexpr size_t kRows = 500;
constexpr size_t kQueries = 40;
constexpr size_t kTop = 10;

template <typename T>
void WriteVecs(const std::string& path, const std::vector<T>& values, size_t width) {
  std::ofstream file(path, std::ios::binary);
  for (size_t i = 0; i < values.size(); i += width) {
    const auto width_field = static_cast<int32_t>(width);
    file.write(reinterpret_cast<const char*>(&width_field), sizeof width_field);
    file.write(reinterpret_cast<const char*>(&values[i]),
               static_cast<std::streamsize>(width * sizeof(T)));
  }
}

class ServiceLoadTest : public ::testing::Test {
 protected:
  ServiceLoadTest() {
    Rng rng(7);
    std::vector<float> rows(kRows * kDim);
    for (float& value : rows) {
      value = static_cast<float>(rng.Gaussian());
    }
    queries_.resize(kQueries * kDim);
    for (float& value : queries_) {
      value = static_cast<float>(rng.Gaussian());
    }
    WriteVecs(served_.path("base.fvecs"), rows, kDim);
    WriteVecs(served_.path("query.fvecs"), queries_, kDim);
  }

  /// Runs the program; a null value where it fails.
  Json Load(const std::string& words) {
    const std::string command = std::string(LEADLINE_SERVICE_LOAD) + " " + words + " --address " +
                                served_.address() + " --base " + served_.path("base.fvecs") +
                                " --queries " + served_.path("query.fvecs") + " --truth " +
                                served_.path("truth.ivecs") + " --warmup 0";
    std::FILE* output = ::popen(command.c_str(), "r");
    char line[4096] = "";
    EXPECT_NE(std::fgets(line, sizeof line, output), nullptr) << command;
    EXPECT_EQ(::pclose(output), 0) << command;
    return Json::parse(line, nullptr, false);
  }

  /// Writes the neighbours that an exact search of the database finds, each moved by `shift` rows.
  void WriteTruth(int32_t shift) {
    ASSERT_OK_AND_ASSIGN(const auto collection, served_.database()->OpenCollection("bench"));
    SearchOptions options;
    options.exact = true;
    options.limit = kTop;
    std::vector<int32_t> truth;
    for (size_t i = 0; i < kQueries; ++i) {
      ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                           collection->Search({&queries_[i * kDim], kDim}, options));
      for (const Hit& hit : found.hits) {
        truth.push_back(std::stoi(hit.id) + shift);
      }
    }
    WriteVecs(served_.path("truth.ivecs"), truth, kTop);
  }

  ServedDatabase served_;
  std::vector<float> queries_;
};

TEST_F(ServiceLoadTest, EveryKindOfRunCountsRightAnswers) {
  const Json ingest = Load("ingest --batch 64 --window 3");
  EXPECT_EQ(ingest.value("calls", 0), 8);  // 500 rows, 64 a call
  ASSERT_OK_AND_ASSIGN(const auto collection, served_.database()->OpenCollection("bench"));
  EXPECT_EQ(*collection->Count(std::nullopt), kRows);

  WriteTruth(0);
  for (const char* what : {"search --clients 3 --connections 2", "batch --batch 8", "stream"}) {
    const Json run = Load(std::string(what) + " --seconds 0.1");
    EXPECT_EQ(run.value("recall", 0.0), 1.0) << what << run;
    EXPECT_GT(run.value("calls", 0), 0) << what << run;
  }
  EXPECT_GT(Load("empty --seconds 0.1").value("calls", 0), 0);
  WriteTruth(static_cast<int32_t>(kRows));
  EXPECT_EQ(Load("search --seconds 0.1").value("recall", 1.0), 0.0) << "no answer is right";
}

TEST_F(ServiceLoadTest, EveryCallThatFallsDueIsMade) {
  Load("ingest");
  WriteTruth(0);
  const Json one = Load("search --rate 500 --seconds 0.5 --seed 3");
  const Json four = Load("search --rate 500 --seconds 0.5 --seed 3 --clients 4");
  EXPECT_GT(one.value("calls", 0), 100);
  EXPECT_EQ(one.value("calls", 0), four.value("calls", 1)) << "the seed alone says how many";
}

}  // namespace
}  // namespace leadline::rpc
