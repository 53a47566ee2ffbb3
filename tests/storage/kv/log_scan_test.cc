#include "log_scan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "crc32c.h"
#include "leadline/core/rng.h"
#include "log_record_ends.h"
#include "log_writer.h"
#include "status_matchers.h"
#include "string_file.h"

namespace leadline::kv {
namespace {

struct TestLog {
  std::string bytes;
  std::vector<size_t> ends;  ///< where each record ends
};

/// Records of one change each, sequences from 100 on; some cross blocks.
TestLog MakeLog(int records) {
  TestLog log;
  Rng rng(8);
  for (int i = 0; i < records; ++i) {
    std::string body(i % 7 == 3 ? 50'000 : 20 + rng.Uniform(300), '\0');
    for (char& c : body) {
      c = static_cast<char>(1 + rng.Uniform(255));
    }
    AppendLogRecord(&log.bytes, BatchPayload(100 + static_cast<uint64_t>(i), 1, body));
    log.ends.push_back(log.bytes.size());
  }
  return log;
}

LogScan Scan(const std::string& bytes, uint64_t expected = 0) {
  const testing::StringFile file(bytes);
  Result<LogScan> scan = ScanOpenLog(&file, bytes.size(), LogKind::kWriteAhead, expected);
  EXPECT_OK(scan);
  return std::move(*scan);
}

TEST(Crc32c, EqualsPublishedVectors) {
  // RFC 3720, B.4.
  EXPECT_EQ(ExtendCrc32c(0, std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(ExtendCrc32c(0, std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(ExtendCrc32c(0, "123456789"), 0xe3069283U);
  EXPECT_EQ(ExtendCrc32c(ExtendCrc32c(0, "1234"), "56789"), 0xe3069283U);
}

TEST(LogRecordEnds, FollowsRecordsThatComeInPieces) {
  const TestLog log = MakeLog(60);
  Rng rng(9);
  for (int round = 0; round < 50; ++round) {
    LogRecordEnds ends;
    for (size_t at = 0; at < log.bytes.size();) {
      const size_t piece = std::min(log.bytes.size() - at, size_t{1} + rng.Uniform(40'000));
      ends.Append(std::string_view(log.bytes).substr(at, piece));
      at += piece;
      const auto next = std::upper_bound(log.ends.begin(), log.ends.end(), at);
      EXPECT_EQ(ends.end(), next == log.ends.begin() ? 0 : *(next - 1)) << at;
    }
  }
}

TEST(LogScan, ReadsAWholeLog) {
  const TestLog log = MakeLog(30);
  const LogScan scan = Scan(log.bytes);
  EXPECT_FALSE(scan.damaged);
  EXPECT_EQ(scan.records, 30u);
  EXPECT_EQ(scan.sound_bytes, log.bytes.size());
  EXPECT_EQ(scan.first_sequence, 100u);
  EXPECT_EQ(scan.next_sequence, 130u);
  EXPECT_FALSE(Scan("").damaged);
}

TEST(LogScan, EveryTruncationLooksTornAndKeepsWholeRecords) {
  const TestLog log = MakeLog(12);
  for (size_t n = 0; n < log.bytes.size(); n += n < 3000 ? 1 : 97) {
    const LogScan scan = Scan(log.bytes.substr(0, n));
    const auto whole = std::upper_bound(log.ends.begin(), log.ends.end(), n);
    ASSERT_EQ(scan.records, static_cast<uint64_t>(whole - log.ends.begin())) << "n=" << n;
    ASSERT_TRUE(!scan.damaged || scan.looks_torn) << "n=" << n;
    ASSERT_FALSE(scan.record_follows) << "n=" << n;
  }
}

TEST(LogScan, EveryFlipIsSeenAndTheNextRecordFound) {
  const TestLog log = MakeLog(6);
  const size_t end = log.ends[2];
  for (size_t at = 0; at < end; ++at) {
    std::string bytes = log.bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    const LogScan scan = Scan(bytes);
    const auto hit = std::upper_bound(log.ends.begin(), log.ends.end(), at);
    ASSERT_TRUE(scan.damaged) << "at=" << at;
    ASSERT_EQ(scan.records, static_cast<uint64_t>(hit - log.ends.begin())) << "at=" << at;
    ASSERT_TRUE(scan.record_follows) << "at=" << at;
    ASSERT_EQ(scan.follower_offset, *hit) << "at=" << at;
    ASSERT_FALSE(scan.looks_torn) << "at=" << at;
  }
}

TEST(LogScan, ZeroedSectorLooksTornButTheFollowerIsFound) {
  const TestLog log = MakeLog(30);
  for (size_t sector = 1; sector < 8; ++sector) {
    std::string bytes = log.bytes;
    bytes.replace(sector * 512, 512, 512, '\0');
    const LogScan scan = Scan(bytes);
    EXPECT_TRUE(scan.damaged);
    EXPECT_TRUE(scan.looks_torn);
    EXPECT_TRUE(scan.record_follows);
  }
}

TEST(LogScan, ALostSectorLooksTornWhereFewBytesOfARecordAreInIt) {
  // A record of 700 bytes starts or ends `bytes` bytes from the end of the first sector or from the
  // start of the last one; that sector, or what was new in it, was never written.
  for (size_t bytes = 1; bytes <= 8; ++bytes) {
    for (const bool first : {true, false}) {
      constexpr size_t kRecord = 700;
      const size_t begin = first ? 512 - bytes : 1024 + bytes - kRecord;
      std::string log;
      AppendLogRecord(&log, BatchPayload(9, 1, std::string(begin - 19, 'a')));
      ASSERT_EQ(log.size(), begin);
      AppendLogRecord(&log, BatchPayload(10, 1, std::string(kRecord - 19, 'b')));
      ASSERT_EQ(log.size(), begin + kRecord);
      log.replace(first ? begin : 1024, bytes, bytes, '\0');
      const LogScan scan = Scan(log);
      EXPECT_EQ(scan.sound_bytes, begin);
      EXPECT_TRUE(scan.damaged);
      EXPECT_TRUE(scan.looks_torn) << bytes << (first ? " bytes first" : " bytes last");
      if (bytes < 3) {
        log[600] = static_cast<char>(log[600] ^ 1);
        EXPECT_FALSE(Scan(log).looks_torn) << "more is wrong than " << bytes << " bytes";
      }
    }
  }
}

TEST(LogScan, SequenceGapAndRepetitionAreDamage) {
  for (const uint64_t next : {uint64_t{9}, uint64_t{10}, uint64_t{12}}) {
    std::string bytes;
    AppendLogRecord(&bytes, BatchPayload(9, 2, "x"));
    const size_t first = bytes.size();
    AppendLogRecord(&bytes, BatchPayload(next, 1, "y"));
    const LogScan scan = Scan(bytes);
    EXPECT_TRUE(scan.damaged) << next;
    EXPECT_EQ(scan.sound_bytes, first);
    EXPECT_TRUE(scan.record_follows);
  }
  std::string bytes;
  AppendLogRecord(&bytes, BatchPayload(9, 2, "x"));
  EXPECT_TRUE(Scan(bytes, 8).damaged);
  EXPECT_FALSE(Scan(bytes, 9).damaged);
}

TEST(LogScan, LogBytesInsideAValueAreNoFollower) {
  // The last record is torn and holds a copy of an earlier log.
  std::string inner;
  AppendLogRecord(&inner, BatchPayload(5, 1, "old"));
  std::string bytes;
  AppendLogRecord(&bytes, BatchPayload(50, 1, "sound"));
  AppendLogRecord(&bytes, BatchPayload(51, 1, inner + std::string(100, 'x')));
  bytes.resize(bytes.size() - 10);
  const LogScan scan = Scan(bytes);
  EXPECT_TRUE(scan.looks_torn);
  EXPECT_FALSE(scan.record_follows);
}

TEST(LogScan, RandomBytesAreDamageFromTheStart) {
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(1 + rng.Uniform(5000), '\0');
    for (char& c : bytes) {
      c = static_cast<char>(rng.Next());
    }
    const LogScan scan = Scan(bytes);
    EXPECT_TRUE(scan.damaged);
    EXPECT_EQ(scan.records, 0u);
  }
}

}  // namespace
}  // namespace leadline::kv
