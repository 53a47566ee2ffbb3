// Every rule of storage/FORMAT.md about a segment's contents, one broken at a time in a file whose
// hashes are right: damage is typed, answers stay exact, the segment is rebuilt.

#include <limits>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "sealed_segment.h"
#include "store_forge.h"

namespace leadline::testing {
namespace {

constexpr uint32_t kOrdinals = 1;
constexpr uint32_t kIdOffsets = 2;
constexpr uint32_t kIdBytes = 3;
constexpr uint32_t kVectors = 4;
constexpr uint32_t kSequences = 5;
constexpr uint32_t kExpiries = 6;
constexpr uint32_t kGraph = 32;
constexpr uint32_t kProducts = 41;
constexpr uint32_t kBits = 42;
constexpr uint32_t kRowCodes = 48;
constexpr uint32_t kCurve = 49;
constexpr uint32_t kAxes = 50;
constexpr size_t kGraphHeader = 128;

class SegmentRulesTest : public EngineTest {
 protected:
  void Prepare(IndexKind index, Metric metric = Metric::kL2, CodeType codes = CodeType::kAuto) {
    options_.background_maintenance = false;
    Open();
    VectorField field;
    field.dim = 4;
    field.metric = metric;
    field.index = index;
    field.codes = codes;
    Create(field);
    Fill(0, 60);
    ASSERT_OK(collection_->Optimize());
    expected_ = Everything();
    ASSERT_EQ(expected_.size(), 60U);
    Close();
  }

  /// The forged file is refused with `rule` in the message, and the database does not mind.
  void ExpectRefused(const std::string& rule) {
    {
      StoreForge forge(path());
      const engine::GroupEntry group = forge.Groups().at(0);
      const auto segment =
          engine::SealedSegment::Open(FileSystem::Posix(), path() + "/segments", group.fields[0],
                                      {group.first_ordinal, group.last_ordinal});
      EXPECT_EQ(segment->Contents(), nullptr);
      EXPECT_THAT(segment->damage(), StatusIs(StatusCode::kDataLoss, rule));
      forge.Close();
    }
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    EXPECT_EQ(Everything(), expected_);
    EXPECT_TRUE(collection_->Stats()->degraded);
    EXPECT_EQ(collection_->Stats()->damaged_segments, 1U);
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
    ASSERT_OK(collection_->Optimize());
    EXPECT_FALSE(collection_->Stats()->degraded);
    EXPECT_EQ(Everything(), expected_);
    ExpectSound();
  }

  void Reseal(const std::function<void(segment::SegmentInfo*, Sections*)>& edit) {
    StoreForge forge(path());
    forge.Reseal(0, edit);
    forge.Close();
  }

  void ResealRaw(const std::function<void(std::string*)>& edit) {
    StoreForge forge(path());
    forge.ResealRaw(0, edit);
    forge.Close();
  }

  std::vector<std::string> expected_;
};

TEST_F(SegmentRulesTest, V1Magic) {
  Prepare(IndexKind::kFlat);
  ResealRaw([](std::string* bytes) { (*bytes)[0] = 'X'; });
  ExpectRefused("V1");
}

TEST_F(SegmentRulesTest, V1OtherDatabase) {
  Prepare(IndexKind::kFlat);
  ResealRaw([](std::string* bytes) { (*bytes)[56] = static_cast<char>((*bytes)[56] ^ 1); });
  ExpectRefused("not the one the manifest names");
}

TEST_F(SegmentRulesTest, V2SectionOutOfPlace) {
  Prepare(IndexKind::kFlat);
  ResealRaw([](std::string* bytes) {
    const uint64_t table = DecodeFixed64(bytes->data() + 40);
    (*bytes)[table + 8] = static_cast<char>((*bytes)[table + 8] ^ 64);
  });
  ExpectRefused("V2");
}

TEST_F(SegmentRulesTest, V3SectionSize) {
  Prepare(IndexKind::kFlat);
  ResealRaw([](std::string* bytes) {
    const uint64_t table = DecodeFixed64(bytes->data() + 40);
    // 60 ordinals are 480 bytes; one less leaves the next section where it is.
    SetItem<uint64_t>(bytes, (table + 16) / 8, 472);
  });
  ExpectRefused("V3");
}

TEST_F(SegmentRulesTest, V3OrdinalsAscend) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint64_t>(&(*sections)[kOrdinals], 7, 7);  // row 6 has 7 as well
  });
  ExpectRefused("V3 ordinals do not ascend");
}

TEST_F(SegmentRulesTest, V3OrdinalsLieInTheGroup) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint64_t>(&(*sections)[kOrdinals], 59, 61);
  });
  ExpectRefused("V3 ordinal outside of its group");
}

TEST_F(SegmentRulesTest, V3IdOffsetsStartWithZero) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint64_t>(&(*sections)[kIdOffsets], 0, 1);
  });
  ExpectRefused("V3 id offsets");
}

TEST_F(SegmentRulesTest, V3IdOffsetsEndWithTheIds) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) { (*sections)[kIdBytes] += "x"; });
  ExpectRefused("V3 id offsets");
}

TEST_F(SegmentRulesTest, V3IdsAreNotEmpty) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint64_t>(&(*sections)[kIdOffsets], 1, 0);
  });
  ExpectRefused("V3 id length");
}

TEST_F(SegmentRulesTest, V3IdsAreNotTooLong) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    std::string& offsets = (*sections)[kIdOffsets];
    (*sections)[kIdBytes] += std::string(513, 'x');
    SetItem<uint64_t>(&offsets, 60, (*sections)[kIdBytes].size());
  });
  ExpectRefused("V3 id length");
}

TEST_F(SegmentRulesTest, V4LayersOfTheGraph) {
  Prepare(IndexKind::kHnsw);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint32_t>(&(*sections)[kGraph], 5, 17);  // upper layers
  });
  ExpectRefused("");
}

TEST_F(SegmentRulesTest, V5LinksNameRows) {
  Prepare(IndexKind::kHnsw);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint32_t>(&(*sections)[kGraph], kGraphHeader / 4, 60);
  });
  ExpectRefused("");
}

TEST_F(SegmentRulesTest, V6EntryIsARow) {
  Prepare(IndexKind::kHnsw);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint32_t>(&(*sections)[kGraph], 4, 60);
  });
  ExpectRefused("");
}

TEST_F(SegmentRulesTest, V7VectorsAreFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Prepare(IndexKind::kFlat);
    Reseal([&](segment::SegmentInfo* /*info*/, Sections* sections) {
      SetItem<float>(&(*sections)[kVectors], 4 * 59 + 3, bad);
    });
    ExpectRefused("V7 vector is not finite");
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(SegmentRulesTest, V7CosineVectorsHaveUnitLength) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), 2.0F}) {
    Prepare(IndexKind::kFlat, Metric::kCosine);
    Reseal([&](segment::SegmentInfo* /*info*/, Sections* sections) {
      SetItem<float>(&(*sections)[kVectors], 4 * 20, bad);
    });
    ExpectRefused("V7 vector is not of unit length");
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(SegmentRulesTest, V8HeaderFields) {
  Prepare(IndexKind::kFlat);
  ResealRaw([](std::string* bytes) { SetItem<uint32_t>(bytes, 120 / 4, 257); });
  ExpectRefused("V8");
}

TEST_F(SegmentRulesTest, V8SequencesLieInTheHeadersRange) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* info, Sections* sections) {
    SetItem<uint64_t>(&(*sections)[kSequences], 30, info->max_sequence + 1);
  });
  ExpectRefused("V8 sequence");
}

TEST_F(SegmentRulesTest, V8ExpiriesAreTimes) {
  Prepare(IndexKind::kFlat);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    (*sections)[kExpiries] = std::string(60 * 8, '\0');
    SetItem<int64_t>(&(*sections)[kExpiries], 3, -1);
  });
  ExpectRefused("V8 expiry");
}

TEST_F(SegmentRulesTest, SegmentsFromBeforeCurvesAreSearchedAsBefore) {
  for (const IndexKind kind : {IndexKind::kIvf, IndexKind::kHnsw}) {
    Prepare(kind);
    Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
      ASSERT_EQ(sections->erase(kCurve), 1U);
    });
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    SearchOptions options;
    options.explain = true;
    options.full_scan_threshold = 0;
    options.target_recall = 0.9;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(std::vector<float>{1, 2, 3, 4}, options));
    const PlanStep& step = found.plan->steps.at(0);
    EXPECT_EQ(found.hits.size(), 10U);
    EXPECT_EQ(step.ef_search, kind == IndexKind::kHnsw ? 64U : 0U);
    EXPECT_EQ(step.nprobe, 0U);
    EXPECT_FALSE(step.promised_recall.has_value());
    EXPECT_TRUE(step.target_missed);
    EXPECT_TRUE(collection_->Stats()->indexes.at(0).curve.empty());
    EXPECT_FALSE(collection_->Stats()->degraded);
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(SegmentRulesTest, V8CurveIsSound) {
  Prepare(IndexKind::kIvf);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint32_t>(&(*sections)[kCurve], 16, 0);  // effort of the first point
  });
  ExpectRefused("search curve is damaged: point=0");
}

TEST_F(SegmentRulesTest, V8CurveIsThatOfTheLists) {
  Prepare(IndexKind::kIvf);
  Reseal([](segment::SegmentInfo* /*info*/, Sections* sections) {
    SetItem<uint32_t>(&(*sections)[kCurve], 3, 65'536);
  });
  ExpectRefused("search curve is damaged: lists=65536");
}

TEST_F(SegmentRulesTest, V8CodesOfTheHeaderWithoutTheirSection) {
  for (const auto& [codes, missing] :
       {std::pair(CodeType::kPq4, kRowCodes), std::pair(CodeType::kPq4, kProducts),
        std::pair(CodeType::kRabitq, kRowCodes), std::pair(CodeType::kRabitq, kBits),
        std::pair(CodeType::kPca8, kRowCodes), std::pair(CodeType::kPca8, kAxes)}) {
    Prepare(IndexKind::kIvf, Metric::kL2, codes);
    Reseal([missing = missing](segment::SegmentInfo*, Sections* sections) {
      ASSERT_EQ(sections->erase(missing), 1U);
    });
    ExpectRefused("V8");
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(SegmentRulesTest, V8SectionsOfCodesThatTheHeaderDoesNotName) {
  Prepare(IndexKind::kHnsw, Metric::kL2, CodeType::kSq8);
  Reseal([](segment::SegmentInfo* info, Sections*) { info->codes = CodeType::kF32; });
  ExpectRefused("V8");
}

}  // namespace
}  // namespace leadline::testing
