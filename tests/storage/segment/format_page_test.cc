// storage/FORMAT.md is the specification: its worked examples must be what is written.

#include <cstdio>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "example_segment.h"
#include "idempotency_entry.h"
#include "keys.h"
#include "prepared_batch.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::segment {
namespace {

using testing::TempDir;

/// "0000  4c 4c 53 ..." lines of 16 bytes; runs of equal lines are not shortened.
std::string HexDump(const std::string& bytes) {
  std::string out;
  char text[24];
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) {
      std::snprintf(text, sizeof text, "%04zx ", i);
      out += text;
    }
    std::snprintf(text, sizeof text, " %02x", static_cast<uint8_t>(bytes[i]));
    out += text;
    if (i % 16 == 15 || i + 1 == bytes.size()) {
      out += '\n';
    }
  }
  return out;
}

/// Contents of the page's first ```hex block behind `heading`.
std::string HexBlock(const std::string& page, const std::string& heading) {
  const std::string fence = "```hex\n";
  const size_t start = page.find(fence, page.find("\n" + heading + "\n"));
  if (start == std::string::npos) {
    return {};
  }
  const size_t end = page.find("```", start + fence.size());
  return page.substr(start + fence.size(), end - start - fence.size());
}

std::string Page() {
  std::ifstream page(LEADLINE_SOURCE_DIR "/storage/FORMAT.md");
  EXPECT_TRUE(page.good());
  std::stringstream text;
  text << page.rdbuf();
  return text.str();
}

TEST(FormatPage, WorkedExampleIsWhatTheWriterWrites) {
  const std::string page = Page();
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(const FileIdentity identity, WriteExample(fs, dir.path()));
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       ReadFileToString(fs, dir.file("seven.seg"), 1 << 20));
  EXPECT_EQ(HexBlock(page, "## Segment file"), HexDump(bytes));
  EXPECT_NE(page.find("`" + std::to_string(identity.hash) + "`"), std::string::npos)
      << "the page must state the example's identity hash " << identity.hash;
}

TEST(FormatPage, ExampleOfAnIdempotencyKeyIsWhatTheEngineWrites) {
  CollectionOptions options;
  options.vectors = {{.dim = 2}};
  leadline::WriteBatch batch;
  batch.Delete("a");
  ASSERT_OK_AND_ASSIGN(const std::vector<engine::PreparedOp> ops,
                       engine::PrepareBatch(options, batch));
  constexpr int64_t kTime = 1'700'000'000'000;
  const engine::IdempotencyEntry entry{{9, 0, 0, 1}, engine::DigestOf(ops), kTime, 5};
  std::string dump;
  for (const std::string& bytes :
       {engine::IdempotencyEntryKey(1, "order-7"), engine::EncodeIdempotencyEntry(entry),
        engine::IdempotencyTurnKey(5), engine::EncodeIdempotencyTurn({kTime, 1, "order-7"}),
        std::string(engine::kIdempotencyRangeKey), engine::EncodeIdempotencyRange({5, 6})}) {
    dump += HexDump(bytes);
  }
  EXPECT_EQ(HexBlock(Page(), "## Tables"), dump);
}

}  // namespace
}  // namespace leadline::segment
