#include "batch_source.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::cli {
namespace {

using ::leadline::testing::StatusIs;
using ::leadline::testing::TempDir;
using ::testing::ElementsAre;

constexpr size_t kPayloadBytes = 1000;

std::string Row(int number) {
  return "{\"id\":\"r" + std::to_string(number) + "\",\"vector\":[1,2],\"text\":\"" +
         std::string(kPayloadBytes, 'x') + "\"}\n";
}

class BatchSourceTest : public ::testing::Test {
 protected:
  /// Ids of every batch until the last; bad rows show as "bad".
  std::vector<std::vector<std::string>> ReadAll(const BatchSourceOptions& options) {
    CollectionOptions collection;
    collection.vectors = {{.dim = 2, .metric = Metric::kL2}};
    Result<RecordPreparer> preparer = RecordPreparer::Create(collection, nullptr, {});
    EXPECT_OK(preparer);
    BatchSource source(*preparer, options);
    std::vector<std::vector<std::string>> batches;
    for (bool last = false; !last;) {
      PreparedBatch batch = source.Next();
      last = batch.last;
      std::vector<std::string>& ids = batches.emplace_back();
      for (const PreparedRow& row : batch.rows) {
        row.error.IgnoreError();
        ids.push_back(row.error.ok() ? row.records.at(0).id : "bad");
      }
      fatal_ = std::move(batch.fatal);
    }
    return batches;
  }

  TempDir dir_;
  Status fatal_;
};

TEST_F(BatchSourceTest, ABatchEndsBeforeItPassesItsBytes) {
  std::string rows;
  for (int i = 0; i < 5; ++i) {
    rows += Row(i);
  }
  testing::WriteFile(dir_.file("rows.jsonl"), rows);
  for (const size_t threads : {size_t{1}, size_t{3}}) {
    BatchSourceOptions options;
    options.paths = {dir_.file("rows.jsonl")};
    options.threads = threads;
    options.batch_bytes = kPayloadBytes * 5 / 2;
    EXPECT_THAT(ReadAll(options),
                ElementsAre(ElementsAre("r0", "r1"), ElementsAre("r2", "r3"), ElementsAre("r4")));
    EXPECT_OK(fatal_);
    options.batch_bytes = 10;  // a row is never cut, so each one is a batch
    EXPECT_EQ(ReadAll(options).size(), 5U);
    options.batch_bytes = kMaxBatchBytes;
    options.batch_rows = 3;
    EXPECT_THAT(ReadAll(options),
                ElementsAre(ElementsAre("r0", "r1", "r2"), ElementsAre("r3", "r4")));
  }
}

TEST_F(BatchSourceTest, RowsBeforeAnErrorComeBeforeIt) {
  testing::WriteFile(dir_.file("bad.jsonl"), Row(0) + Row(1) + "nonsense\n" + Row(2));
  const std::string whole = testing::FvecsBytes({{1, 2}, {3, 4}, {5, 6}});
  testing::WriteFile(dir_.file("cut.fvecs"), whole.substr(0, whole.size() - 1));
  BatchSourceOptions options;
  options.paths = {dir_.file("bad.jsonl"), dir_.file("cut.fvecs")};
  options.batch_bytes = kPayloadBytes;
  std::vector<std::string> ids;
  for (const std::vector<std::string>& batch : ReadAll(options)) {
    ids.insert(ids.end(), batch.begin(), batch.end());
  }
  EXPECT_THAT(ids, ElementsAre("r0", "r1", "bad", "r2", "4", "5"));
  EXPECT_THAT(fatal_, StatusIs(StatusCode::kInvalidArgument, "cut.fvecs"));
}

}  // namespace
}  // namespace leadline::cli
