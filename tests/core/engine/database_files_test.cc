// What opening, backing up and reading leave on the disk, and what they make of files that are
// missing, foreign, unreadable for a moment or from the future.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "fault_injection_file_system.h"
#include "forwarding_file_system.h"
#include "power_cut_file_system.h"
#include "sealed_segment.h"
#include "store_forge.h"

namespace leadline::testing {
namespace {

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string BytesOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Damages the file in its middle.
void FlipByte(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
  const int byte = file.seekg(middle).get();
  file.seekp(middle).put(static_cast<char>(byte ^ 1));
}

class DatabaseFilesTest : public EngineTest {
 protected:
  DatabaseFilesTest() : files_(FileSystem::Posix()) {
    options_.file_system = &files_;
    options_.background_maintenance = false;
  }

  void TearDown() override {
    // What a test gave may look at its locals, and closing writes files.
    files_.set_before(nullptr);
    files_.set_free_space(nullptr);
    EngineTest::TearDown();
  }

  void SealSixtyRows() {
    Open();
    Create(4);
    Fill(0, 60);
    ASSERT_OK(collection_->Optimize());
  }

  /// Opening and mapping of segment files answers `code` until told otherwise.
  void BreakSegments(StatusCode code) {
    files_.set_before([code](FileCall call, const std::string& path) {
      const bool read = call == FileCall::kRead || call == FileCall::kMap;
      return read && EndsWith(path, ".seg") ? Status(code, "injected: path=" + path) : OkStatus();
    });
  }

  ForwardingFileSystem files_;
  FaultInjectionFileSystem faults_{FileSystem::Posix()};
  std::atomic<int> reads_{0};
};

TEST_F(DatabaseFilesTest, NewParentDirectoriesSurviveAPowerCut) {
  PowerCutFileSystem disk;
  options_.file_system = &disk;
  options_.create_if_missing = true;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open("/a/b/c/db", options_));
  Create(4);
  Fill(0, 10);
  ASSERT_OK(collection_->Optimize());
  Fill(10, 20);
  ASSERT_OK(database_->Backup("/x/y/z/backup"));
  const auto image = disk.Cut(CutMode::kDropUnsynced, 1);
  collection_.reset();
  ASSERT_OK(database_->Close());
  database_.reset();
  options_.create_if_missing = false;
  options_.file_system = image.get();
  for (const char* path : {"/a/b/c/db", "/x/y/z/backup"}) {
    SCOPED_TRACE(path);
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path, options_));
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 20U);
    EXPECT_FALSE(collection_->Stats()->degraded);
    collection_.reset();
    ASSERT_OK(database_->Close());
    database_.reset();
  }
}

TEST_F(DatabaseFilesTest, OpeningRemovesOurGarbageAndNothingElse) {
  SealSixtyRows();
  Close();
  const std::string segments = path() + "/segments/";
  std::filesystem::create_directories(segments + "lost+found/inner");
  std::filesystem::create_directories(segments + "00000000000000aa.seg/inner");
  std::ofstream(segments + ".nfs000001") << "x";
  std::ofstream(segments + "notes.txt") << "x";
  std::ofstream(segments + "00000000000000bb.seg") << "x";
  std::ofstream(segments + "00000000000000cc.seg.tmp") << "x";
  Reopen();
  std::vector<std::string> names = SegmentFiles();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{".nfs000001", "0000000000000001.seg",
                                             "00000000000000aa.seg", "lost+found", "notes.txt"}));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
}

TEST_F(DatabaseFilesTest, GarbageThatCannotBeDeletedDoesNotStopAnOpen) {
  SealSixtyRows();
  Close();
  std::ofstream(path() + "/segments/00000000000000bb.seg") << "x";
  files_.set_before([](FileCall call, const std::string& path) {
    return call == FileCall::kDelete && EndsWith(path, ".seg")
               ? PermissionDeniedError("injected: path=" + path)
               : OkStatus();
  });
  Reopen();
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
}

TEST_F(DatabaseFilesTest, PassingErrorsAreRetriedAndNeverCountAsDamage) {
  for (const StatusCode code :
       {StatusCode::kResourceExhausted, StatusCode::kUnavailable, StatusCode::kPermissionDenied}) {
    SCOPED_TRACE(StatusCodeName(code));
    SealSixtyRows();
    const std::vector<std::string> expected = Everything();
    const std::vector<std::string> before = SegmentFiles();
    Close();
    BreakSegments(code);
    Reopen();
    EXPECT_EQ(Everything(), expected);
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
    EXPECT_TRUE(collection_->Stats()->degraded);
    EXPECT_EQ(collection_->Stats()->damaged_segments, 0U);
    ASSERT_OK(collection_->Delete({expected[0]}));
    ASSERT_OK(collection_->Optimize());
    EXPECT_EQ(SegmentFiles(), before) << "nothing to rebuild, nothing to delete";
    files_.set_before(nullptr);
    EXPECT_TRUE(
        Eventually([&] { return Everything().size() == 59 && !collection_->Stats()->degraded; }));
    EXPECT_EQ(Everything()[0], expected[1]) << "the delete was kept for when the file is back";
    EXPECT_EQ(SegmentFiles(), before);
    ExpectSound();
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(DatabaseFilesTest, ASegmentCutWhileItIsMappedIsDamageAndNoSignal) {
  options_.file_system = nullptr;
  SealSixtyRows();
  Close();
  Reopen();
  const std::string segment = path() + "/segments/" + SegmentFiles().at(0);
  std::filesystem::resize_file(segment, 300);
  EXPECT_EQ(Everything().size(), 60U);
  EXPECT_EQ(collection_->Stats()->damaged_segments, 1U);
}

TEST_F(DatabaseFilesTest, ASegmentOfANewerReleaseIsLeftAlone) {
  SealSixtyRows();
  const std::vector<std::string> expected = Everything();
  Close();
  {
    StoreForge forge(path());
    forge.ResealRaw(0, [](std::string* bytes) { (*bytes)[8] = 2; });
    forge.Close();
  }
  const std::vector<std::string> before = SegmentFiles();
  std::ofstream(path() + "/segments/00000000000000bb.seg") << "x";
  EXPECT_THAT(Database::Open(path(), options_), StatusIs(StatusCode::kUnimplemented, "newer"));
  EXPECT_EQ(SegmentFiles().size(), before.size() + 1) << "a refused open deletes nothing";
  options_.read_only = true;
  options_.create_if_missing = false;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_));
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(Everything(), expected);
  EXPECT_TRUE(collection_->Stats()->degraded);
}

TEST_F(DatabaseFilesTest, TheFirstDeleteInASegmentReadsNoFile) {
  SealSixtyRows();
  Fill(60, 70);
  Close();
  Reopen();
  files_.set_before([&](FileCall call, const std::string& path) {
    reads_.fetch_add(call == FileCall::kRead && EndsWith(path, ".seg") ? 1 : 0);
    return OkStatus();
  });
  const std::string segment = path() + "/segments/" + SegmentFiles().at(0);
  const std::string bytes = BytesOf(segment);
  // Bytes that would be found damaged by whoever reads them.
  std::ofstream(segment, std::ios::binary | std::ios::in | std::ios::out).seekp(300).put('\x7f');
  ASSERT_OK(collection_->Delete({"r3", "r65"}));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 68U);
  EXPECT_EQ(collection_->Stats()->dead_rows, 1U);
  EXPECT_EQ(reads_, 0);
  EXPECT_EQ(collection_->Stats()->damaged_segments, 0U) << "nobody has read it";
  std::ofstream(segment, std::ios::binary | std::ios::in | std::ios::out)
      .seekp(300)
      .put(bytes[300]);
  EXPECT_EQ(Everything().size(), 68U);
  EXPECT_EQ(collection_->Stats()->damaged_segments, 0U);
  Reopen();
  EXPECT_EQ(collection_->Stats()->dead_rows, 1U);
  EXPECT_EQ(Everything().size(), 68U);
  ExpectSound();
}

TEST_F(DatabaseFilesTest, ASecondWriterIsRefusedAtOnceAndTouchesNothing) {
  SealSixtyRows();
  std::vector<std::chrono::steady_clock::duration> took;
  std::atomic<int> changes{0};
  ForwardingFileSystem watched(FileSystem::Posix());
  watched.set_before([&](FileCall call, const std::string& /*path*/) {
    const bool change = call == FileCall::kMakeDirectory || call == FileCall::kSyncDirectory ||
                        call == FileCall::kCreate || call == FileCall::kDelete;
    changes.fetch_add(change ? 1 : 0);
    return OkStatus();
  });
  DatabaseOptions second = options_;
  second.file_system = &watched;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THAT(Database::Open(path(), second),
                StatusIs(StatusCode::kFailedPrecondition, std::to_string(::getpid())));
    took.push_back(std::chrono::steady_clock::now() - start);
  }
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[2], std::chrono::milliseconds(100));
  EXPECT_EQ(changes, 0) << "the lock comes first";
}

TEST_F(DatabaseFilesTest, ARefreshedReaderNoticesAnotherDatabaseUnderItsPath) {
  options_.file_system = nullptr;
  SealSixtyRows();
  Close();
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(auto reader, Database::Open(path(), read_only));
  ASSERT_OK_AND_ASSIGN(auto view, reader->OpenCollection("c"));
  SearchOptions nearest;
  nearest.limit = 100;
  const std::vector<float> query(4, 0.25F);
  ASSERT_OK_AND_ASSIGN(const SearchResponse old, view->Search(query, nearest));
  EXPECT_EQ(old.hits.size(), 60U);
  // Same names, same numbers, other rows.
  std::filesystem::remove_all(path());
  Open();
  Create(4);
  Fill(500, 560);
  ASSERT_OK(collection_->Optimize());
  Close();
  ASSERT_OK(reader->Refresh());
  ASSERT_OK_AND_ASSIGN(const SearchResponse fresh, view->Search(query, nearest));
  ASSERT_EQ(fresh.hits.size(), 60U);
  for (const Hit& hit : fresh.hits) {
    EXPECT_EQ(hit.id.substr(0, 2), "r5") << hit.id;
    EXPECT_EQ(hit.id.size(), 4U);
  }
}

TEST_F(DatabaseFilesTest, AReaderClosedDuringARefreshStaysClosed) {
  SealSixtyRows();
  DatabaseOptions read_only;
  read_only.read_only = true;
  read_only.file_system = &files_;
  ASSERT_OK_AND_ASSIGN(auto reader, Database::Open(path(), read_only));
  ASSERT_OK_AND_ASSIGN(auto view, reader->OpenCollection("c"));
  Fill(60, 70);
  std::atomic<bool> closed{false};
  files_.set_before([&](FileCall call, const std::string&) -> Status {
    if (call == FileCall::kRead && !closed.exchange(true)) {
      EXPECT_OK(reader->Close());
    }
    return {};
  });
  EXPECT_THAT(reader->Refresh(), StatusIs(StatusCode::kFailedPrecondition, "closed"));
  files_.set_before(nullptr);
  ASSERT_TRUE(closed) << "the refresh read nothing";
  EXPECT_THAT(view->Count(std::nullopt), StatusIs(StatusCode::kFailedPrecondition, "closed"));
}

TEST_F(DatabaseFilesTest, AnEmptyPathIsNotTheWorkingDirectory) {
  options_.create_if_missing = true;
  EXPECT_THAT(Database::Open("", options_), StatusIs(StatusCode::kInvalidArgument, "field=path"));
}

TEST_F(DatabaseFilesTest, ARelativePathOutlivesAChangeOfDirectory) {
  const std::filesystem::path home = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  options_.create_if_missing = true;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open("here", options_));
  std::filesystem::create_directory("elsewhere");
  std::filesystem::current_path("elsewhere");
  Create(4);
  Fill(0, 60);
  EXPECT_OK(collection_->Optimize());
  EXPECT_EQ(collection_->Stats().value().tail_rows, 0U);
  std::filesystem::current_path(home);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.file("elsewhere")));
  Close();
}

TEST_F(DatabaseFilesTest, BackupRefusesADirectoryItDidNotMake) {
  SealSixtyRows();
  const std::string target = dir_.file("backup");
  std::filesystem::create_directories(target + ".partial");
  std::ofstream(target + ".partial/thesis.txt") << "years of work";
  EXPECT_THAT(database_->Backup(target), StatusIs(StatusCode::kAlreadyExists, ".partial"));
  EXPECT_TRUE(std::filesystem::exists(target + ".partial/thesis.txt"));
  std::filesystem::remove_all(target + ".partial");
  // One that was interrupted is replaced.
  std::filesystem::create_directories(target + ".partial/store");
  std::ofstream(target + ".partial/UNFINISHED") << "x";
  ASSERT_OK(database_->Backup(target));
  EXPECT_FALSE(std::filesystem::exists(target + "/UNFINISHED"));
  EXPECT_FALSE(std::filesystem::exists(target + ".partial"));
  Close();
  options_.create_if_missing = false;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open(target, options_));
  ExpectSound();
}

TEST_F(DatabaseFilesTest, ACopyLeavesOutADamagedSegmentAndNamesIt) {
  SealSixtyRows();
  const std::vector<std::string> everything = Everything();
  const std::string file = "/segments/" + SegmentFiles().at(0);
  const std::string backup = dir_.file("backup");
  const std::string restored = dir_.file("restored");
  ASSERT_OK_AND_ASSIGN(const CopyReport sound, database_->Backup(backup));
  EXPECT_TRUE(sound.left_out.empty());
  // In the source it has been read and found sound.
  FlipByte(path() + file);
  ASSERT_OK_AND_ASSIGN(const CopyReport lacking, database_->Backup(dir_.file("lacking")));
  EXPECT_EQ(lacking.left_out, std::vector<std::string>{path() + file});
  EXPECT_FALSE(std::filesystem::exists(dir_.file("lacking") + file));
  FlipByte(backup + file);
  ASSERT_OK_AND_ASSIGN(const CopyReport again, Database::Restore(backup, restored));
  EXPECT_EQ(again.left_out, std::vector<std::string>{backup + file});
  for (const std::string& copy : {dir_.file("lacking"), restored}) {
    SCOPED_TRACE(copy);
    Close();
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(copy, options_));
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    EXPECT_EQ(Everything(), everything);
    ASSERT_OK(collection_->Optimize());
    EXPECT_EQ(collection_->Stats()->damaged_segments, 0U);
    ExpectSound();
  }
}

TEST_F(DatabaseFilesTest, AFailedBackupLeavesNothing) {
  SealSixtyRows();
  files_.set_before([](FileCall call, const std::string& path) {
    return call == FileCall::kCreate && path.find("backup.partial/segments") != std::string::npos
               ? UnavailableError("injected")
               : OkStatus();
  });
  EXPECT_THAT(database_->Backup(dir_.file("backup")), StatusIs(StatusCode::kUnavailable));
  EXPECT_FALSE(std::filesystem::exists(dir_.file("backup")));
  EXPECT_FALSE(std::filesystem::exists(dir_.file("backup.partial")));
}

TEST_F(DatabaseFilesTest, AReaderBacksUpSegmentsThatTheWriterHasMergedAway) {
  SealSixtyRows();
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto reader, Database::Open(path(), read_only));
  const std::string name = SegmentFiles().at(0);
  const std::string bytes = BytesOf(path() + "/segments/" + name);
  Fill(30, 100);
  ASSERT_OK(collection_->Optimize());
  ASSERT_FALSE(std::filesystem::exists(path() + "/segments/" + name));
  const std::string backup = dir_.file("backup");
  ASSERT_OK(reader->Backup(backup));
  EXPECT_EQ(BytesOf(backup + "/segments/" + name), bytes);
  Close();
  options_.create_if_missing = false;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open(backup, options_));
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
  EXPECT_EQ(Everything().size(), 60U);
  EXPECT_FALSE(collection_->Stats()->degraded);
  ExpectSound();
}

TEST_F(DatabaseFilesTest, SlashesAfterTheNameOfACopyDoNotMatter) {
  SealSixtyRows();
  const std::string backup = dir_.file("backup");
  const std::string restored = dir_.file("restored");
  ASSERT_OK(database_->Backup(backup + "/"));
  ASSERT_OK(Database::Restore(backup + "/", restored + "//"));
  for (const std::string& copy : {backup, restored}) {
    SCOPED_TRACE(copy);
    EXPECT_FALSE(std::filesystem::exists(copy + "/.partial"));
    EXPECT_FALSE(std::filesystem::exists(copy + ".partial"));
    EXPECT_THAT(database_->Backup(copy + "/"), StatusIs(StatusCode::kAlreadyExists));
    Close();
    options_.create_if_missing = false;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(copy, options_));
    ExpectSound();
  }
  EXPECT_THAT(database_->Backup("/"), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(database_->Backup(""), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(DatabaseFilesTest, ACopyLeavesTheSpaceFreeThatWritersKeepFree) {
  constexpr uint64_t kReserve = uint64_t{64} << 20;  // what a restore keeps, too
  options_.min_free_bytes = kReserve;
  Open();
  Create(512);
  Fill(0, 1500);
  ASSERT_OK(collection_->Optimize());
  const uint64_t segments = database_->Stats()->segment_bytes;
  ASSERT_GT(segments, uint64_t{2} << 20) << "several pieces";
  const std::string whole = dir_.file("whole");
  ASSERT_OK(database_->Backup(whole));
  const std::string to = dir_.file("copy");
  std::atomic<uint64_t> free{0};
  std::atomic<uint64_t> made{0};       // files of the copy's store
  std::atomic<int> pieces{1'000'000};  // of its segments that still find room
  std::atomic<bool> in_segments{false};
  files_.set_before([&](FileCall call, const std::string& path) {
    const bool create = call == FileCall::kCreate;
    made.fetch_add(create && path.find(to + ".partial/store") == 0 ? 1 : 0);
    in_segments = in_segments || (create && EndsWith(path, ".seg"));
    return OkStatus();
  });
  files_.set_free_space([&](const std::string& path) {
    EXPECT_EQ(path.find(to), 0U) << path;
    return in_segments && --pieces < 0 ? kReserve - 1 : free.load();
  });
  const std::function<Status()> copies[] = {
      [&] { return database_->Backup(to).status(); },
      [&] { return Database::Restore(whole, to, {}, &files_).status(); },
  };
  for (const auto& copy : copies) {
    free = kReserve + segments - 1;
    made = 0;
    pieces = 1'000'000;
    const Status early = copy();
    EXPECT_THAT(early, StatusIs(StatusCode::kResourceExhausted, "no room"));
    EXPECT_EQ(early.field(), "min_free_bytes");
    EXPECT_EQ(made, 0U) << "known before anything is copied";
    EXPECT_FALSE(std::filesystem::exists(to + ".partial"));
    // Somebody else fills the disk meanwhile.
    free = 2 * kReserve;
    in_segments = false;
    pieces = 1;
    const Status late = copy();
    EXPECT_THAT(late, StatusIs(StatusCode::kResourceExhausted, "no room"));
    EXPECT_EQ(late.field(), "min_free_bytes");
    EXPECT_TRUE(in_segments);
    EXPECT_FALSE(std::filesystem::exists(to + ".partial"));
    EXPECT_FALSE(std::filesystem::exists(to));
    in_segments = false;
    pieces = 1'000'000;
    ASSERT_OK(copy());
    std::filesystem::remove_all(to);
  }
}

TEST_F(DatabaseFilesTest, AnUnfinishedCopyIsNoDatabase) {
  SealSixtyRows();
  // What a kill leaves: the store is copied, the segments are not.
  const std::string left = dir_.file("left");
  files_.set_before([&](FileCall call, const std::string& path) {
    if (call == FileCall::kCreate && EndsWith(path, ".seg")) {
      std::filesystem::copy(dir_.file("backup.partial"), left,
                            std::filesystem::copy_options::recursive);
    }
    return OkStatus();
  });
  ASSERT_OK(database_->Backup(dir_.file("backup")));
  files_.set_before(nullptr);
  ASSERT_TRUE(std::filesystem::exists(left + "/store/CURRENT"));
  const auto files_in = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(left)) {
      names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const std::vector<std::string> before = files_in();
  const auto refused = StatusIs(StatusCode::kFailedPrecondition, left + "/UNFINISHED");
  EXPECT_THAT(Database::Open(left, options_), refused);
  EXPECT_THAT(Database::Restore(left, dir_.file("restored")), refused);
  EXPECT_FALSE(std::filesystem::exists(dir_.file("restored")));
  EXPECT_THAT(Database::Repair(left, false), refused);
  EXPECT_THAT(Database::Repair(left, true), refused);
  options_.create_if_missing = false;
  EXPECT_THAT(Database::Open(left, options_), refused);
  options_.read_only = true;
  EXPECT_THAT(Database::Open(left, options_), refused);
  EXPECT_EQ(files_in(), before) << "a refused open changes nothing";
  std::filesystem::remove_all(left + "/store");
  options_.read_only = false;
  options_.create_if_missing = true;
  EXPECT_THAT(Database::Open(left, options_), refused) << "killed before the first record";
}

TEST_F(DatabaseFilesTest, ACopyThatCannotBeMadeDurableIsNoCopy) {
  options_.file_system = &faults_;
  faults_.set_skip_sync(true);  // asked for all the same
  SealSixtyRows();
  const std::string to = dir_.file("backup");
  uint64_t failed = 0;
  for (const bool sticky : {false, true}) {
    SCOPED_TRACE(sticky);
    FaultPlan plan;
    plan.ops = FileOp::kDirectorySync | FileOp::kRename | FileOp::kDelete;
    plan.sticky = sticky;
    plan.nth = std::numeric_limits<uint64_t>::max();
    faults_.Arm(plan);
    ASSERT_OK(database_->Backup(to));
    const uint64_t all = faults_.seen();
    faults_.Disarm();
    std::filesystem::remove_all(to);
    // Its beginning and its end; between them RocksDB writes.
    for (plan.nth = 1;; plan.nth = plan.nth == 4 ? std::max<uint64_t>(5, all - 8) : plan.nth + 1) {
      SCOPED_TRACE(plan.nth);
      faults_.Arm(plan);
      const Status made = database_->Backup(to).status();
      const bool fired = faults_.Disarm() > 0;
      const bool stays =
          made.ToString().find("could not be deleted: path=" + to) != std::string::npos;
      EXPECT_EQ(std::filesystem::exists(to), made.ok() || stays) << made.ToString();
      EXPECT_TRUE(sticky || !stays) << made.ToString();
      failed += made.ok() ? 0 : 1;
      DatabaseOptions read_only;
      read_only.read_only = true;
      if (std::filesystem::exists(to + ".partial")) {
        EXPECT_TRUE(sticky && !made.ok()) << made.ToString();
        const auto left = Database::Open(to + ".partial", read_only);
        EXPECT_TRUE(!left.ok() || (*left)->Check()->rows == 60) << "refused or whole";
      }
      if (stays) {
        std::filesystem::remove_all(to);
      }
      if (!made.ok()) {
        ASSERT_OK(database_->Backup(to)) << "nothing is in the way";
      }
      ASSERT_OK_AND_ASSIGN(const auto copy, Database::Open(to, read_only));
      EXPECT_EQ(copy->Check()->rows, 60U);
      std::filesystem::remove_all(to);
      if (!fired) {
        break;
      }
    }
  }
  EXPECT_GT(failed, 6U);
}

TEST_F(DatabaseFilesTest, ReadsThatFailOnceAreNoDamageToARestore) {
  SealSixtyRows();
  Fill(60, 80);
  const std::string backup = dir_.file("backup");
  ASSERT_OK(database_->Backup(backup));
  Close();
  FaultPlan plan;
  plan.ops = FileOp::kOpenRead | FileOp::kRead | FileOp::kLookup;
  plan.path_contains = backup + "/";
  uint64_t failed = 0;
  for (plan.nth = 1;; ++plan.nth) {
    const std::string to = dir_.file("restored");
    faults_.Arm(plan);
    const Status restored = Database::Restore(backup, to, {}, &faults_).status();
    if (faults_.Disarm() == 0) {
      EXPECT_OK(restored);
      break;
    }
    failed += restored.ok() ? 0 : 1;
    EXPECT_TRUE(restored.ok() || restored.code() == StatusCode::kUnavailable)
        << "read " << plan.nth << ": " << restored.ToString();
    EXPECT_EQ(std::filesystem::exists(to), restored.ok());
    std::filesystem::remove_all(to);
  }
  EXPECT_GT(failed, 10U);
  // A file that is gone or wrong is damage.
  for (const bool gone : {true, false}) {
    SCOPED_TRACE(gone);
    const std::string broken = dir_.file("broken");
    std::filesystem::copy(backup, broken, std::filesystem::copy_options::recursive);
    for (const auto& entry : std::filesystem::directory_iterator(broken + "/store")) {
      if (entry.path().extension() == ".sst" && gone) {
        std::filesystem::remove(entry.path());
        break;
      }
      if (entry.path().extension() == ".sst") {
        std::filesystem::resize_file(entry.path(), entry.file_size() - 1);
        break;
      }
    }
    EXPECT_THAT(Database::Restore(broken, dir_.file("never")), StatusIs(StatusCode::kDataLoss));
    EXPECT_FALSE(std::filesystem::exists(dir_.file("never")));
    std::filesystem::remove_all(broken);
  }
}

TEST_F(DatabaseFilesTest, CloseReportsWhatWasNotWritten) {
  options_.file_system = &faults_;
  SealSixtyRows();
  collection_.reset();
  FaultPlan plan;
  plan.ops = FileOp::kSync | FileOp::kWrite;
  plan.sticky = true;
  faults_.Arm(plan);
  EXPECT_FALSE(database_->Close().ok());
  EXPECT_GT(faults_.Disarm(), 0U);
  database_.reset();
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 60U);
}

TEST_F(DatabaseFilesTest, RefreshInAForkedChildIsRefused) {
  SealSixtyRows();
  Close();
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(auto reader, Database::Open(path(), read_only));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = reader->Refresh().code() == StatusCode::kFailedPrecondition;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_OK(reader->Refresh());
}

TEST_F(DatabaseFilesTest, EntriesOutOfRangeAreDamageAndRepairRebuildsThem) {
  SealSixtyRows();
  Close();
  const auto refused = [&](const std::function<void(engine::GroupEntry*)>& change) {
    engine::GroupEntry saved;
    {
      StoreForge forge(path());
      saved = forge.Groups().at(0);
      engine::GroupEntry changed = saved;
      change(&changed);
      forge.PutGroup(changed);
      forge.Close();
    }
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_));
    EXPECT_THAT(database_->OpenCollection("c"),
                StatusIs(StatusCode::kDataLoss, "collection c is damaged"));
    Close();
    StoreForge forge(path());
    forge.PutGroup(saved);
    forge.Close();
  };
  refused([](engine::GroupEntry* group) { group->last_ordinal = 0; });
  refused([](engine::GroupEntry* group) { group->last_ordinal = uint64_t{1} << 60; });
  refused([](engine::GroupEntry* group) { group->rows = 1'000; });
  refused([](engine::GroupEntry* group) { group->fields[0].info.rows = 61; });
  refused([](engine::GroupEntry* group) { group->fields[0].info.dim = 5; });
  refused([](engine::GroupEntry* group) { group->fields[0].info.collection_id = 2; });
  refused([](engine::GroupEntry* group) { group->fields.push_back(group->fields[0]); });
  refused([](engine::GroupEntry* group) { group->fields[0].info.min_sequence = 1'000'000; });
  {
    StoreForge forge(path());
    engine::GroupEntry group = forge.Groups().at(0);
    group.rows = 1'000;
    forge.PutGroup(group);
    forge.Close();
  }
  ASSERT_OK(Database::Repair(path(), false));
  Reopen();
  EXPECT_EQ(Everything().size(), 60U);
  ExpectSound();
}

TEST_F(DatabaseFilesTest, DeletingNothingIsNoError) {
  SealSixtyRows();
  ASSERT_OK_AND_ASSIGN(const WriteResult result, collection_->Delete({}));
  EXPECT_EQ(result.deleted, 0U);
  EXPECT_GT(result.sequence, 0U);
}

TEST_F(DatabaseFilesTest, UnavailableCodesAreNamed) {
  Open();
  CollectionOptions options;
  options.vectors.emplace_back();
  options.vectors[0].dim = 4;
  options.vectors[0].index = IndexKind::kHnsw;
  options.vectors[0].codes = CodeType::kPq4;
  const Status refused = database_->CreateCollection("c", options).status();
  EXPECT_THAT(refused, StatusIs(StatusCode::kUnimplemented, "field=codes"));
  EXPECT_EQ(refused.field(), "codes");
}

}  // namespace
}  // namespace leadline::testing
