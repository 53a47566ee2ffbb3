// storage/FORMAT.md is the specification: its worked example must be what the writer writes.

#include <cstdio>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "example_segment.h"
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

/// Contents of the page's only ```hex block.
std::string HexBlock(const std::string& page) {
  const std::string fence = "```hex\n";
  const size_t start = page.find(fence);
  if (start == std::string::npos) {
    return {};
  }
  const size_t end = page.find("```", start + fence.size());
  return page.substr(start + fence.size(), end - start - fence.size());
}

TEST(FormatPage, WorkedExampleIsWhatTheWriterWrites) {
  std::ifstream page(LEADLINE_SOURCE_DIR "/storage/FORMAT.md");
  ASSERT_TRUE(page.good());
  std::stringstream text;
  text << page.rdbuf();
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(const FileIdentity identity, WriteExample(fs, dir.path()));
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       ReadFileToString(fs, dir.file("seven.seg"), 1 << 20));
  EXPECT_EQ(HexBlock(text.str()), HexDump(bytes));
  EXPECT_NE(text.str().find("`" + std::to_string(identity.hash) + "`"), std::string::npos)
      << "the page must state the example's identity hash " << identity.hash;
}

}  // namespace
}  // namespace leadline::segment
