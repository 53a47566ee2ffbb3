// The load program of bench/service against a real server: it writes what it is given, counts right
// answers as an exact search does, and answers every call that falls due. And its hostile client
// does each of the things it is told.

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

  /// How the calls of the hostile client ended, by gRPC's code; a null value where it fails.
  [[nodiscard]] Json Attack(const std::string& words, const std::string& address) const {
    const std::string command = std::string(LEADLINE_SERVICE_HOSTILE) + " " + words +
                                " --address " + address + " --queries " +
                                served_.path("query.fvecs") + " --truth " +
                                served_.path("truth.ivecs") + " --seconds 0.3 --streams 2 --rows 5";
    std::FILE* output = ::popen(command.c_str(), "r");
    char line[4096] = "";
    EXPECT_NE(std::fgets(line, sizeof line, output), nullptr) << command;
    EXPECT_EQ(::pclose(output), 0) << command;
    return Json::parse(line, nullptr, false).value("ends", Json());
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

TEST_F(ServiceLoadTest, TheHostileClientDoesWhatItIsTold) {
  Load("ingest");
  WriteTruth(0);
  const std::string ok = "0";
  const std::string cancelled = "1";
  const std::string unavailable = "14";
  for (const char* what : {"flood", "batches", "writes"}) {
    const Json ends = Attack(what, served_.address());
    EXPECT_GT(ends.value(ok, 0), 0) << what << ends;
  }
  ASSERT_OK_AND_ASSIGN(const auto collection, served_.database()->OpenCollection("bench"));
  EXPECT_EQ(*collection->Count(std::nullopt), kRows + 5) << "the same records again and again";
  EXPECT_GT(Attack("resets", served_.address()).value(cancelled, 0), 0);
  EXPECT_GT(Attack("flood", "127.0.0.1:1").value(unavailable, 0), 0)
      << "it ends in time though each call fails at once";
}

}  // namespace
}  // namespace leadline::rpc
