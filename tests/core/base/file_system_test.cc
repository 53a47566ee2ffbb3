#include "leadline/core/file_system.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "forwarding_file_system.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline {
namespace {

using testing::StatusIs;
using testing::TempDir;

TEST(FileSystem, AtomicWriteReplacesContents) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK(WriteFileAtomically(fs, dir.file("a"), "one"));
  ASSERT_OK(WriteFileAtomically(fs, dir.file("a"), "second"));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFileToString(fs, dir.file("a"), 100));
  EXPECT_EQ(text, "second");
  EXPECT_THAT(ReadFileToString(fs, dir.file("a"), 3), StatusIs(StatusCode::kResourceExhausted));
}

TEST(FileSystem, AppendableFileContinuesAtItsEnd) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  for (const char* part : {"ab", "cd"}) {
    ASSERT_OK_AND_ASSIGN(auto file, fs->NewAppendableFile(dir.file("log")));
    ASSERT_OK(file->Append(part));
    ASSERT_OK(file->Close());
  }
  ASSERT_OK_AND_ASSIGN(const auto mapped, fs->MapFile(dir.file("log")));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapped->data()), mapped->size()), "abcd");
}

TEST(FileSystem, MissingPathIsNotFoundAndNamesThePath) {
  EXPECT_THAT(FileSystem::Posix()->FileSize("/nonexistent/x"),
              StatusIs(StatusCode::kNotFound, "/nonexistent/x"));
}

TEST(FileSystem, LockExcludesThisAndOtherProcesses) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(auto lock, fs->LockFile(dir.file("LOCK")));
  EXPECT_THAT(fs->LockFile(dir.file("LOCK")), StatusIs(StatusCode::kFailedPrecondition));
  const pid_t child = ::fork();
  if (child == 0) {
    struct flock request {};

    request.l_type = F_WRLCK;
    const int fd = ::open(dir.file("LOCK").c_str(), O_RDWR);
    ::_exit(::fcntl(fd, F_SETLK, &request) == 0 ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  lock.reset();
  EXPECT_OK(fs->LockFile(dir.file("LOCK")));
}

TEST(FileSystem, LockIsHeldUnderEveryNameOfTheFile) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_EQ(::symlink(dir.path().c_str(), dir.file("alias").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(auto lock, fs->LockFile(dir.file("LOCK")));
  EXPECT_THAT(fs->LockFile(dir.file("alias/LOCK")), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(fs->LockFile(dir.file("./LOCK")), StatusIs(StatusCode::kFailedPrecondition));
  lock.reset();
  EXPECT_OK(fs->LockFile(dir.file("alias/LOCK")));
}

TEST(FileSystem, DeleteRecursivelyRemovesTheTreeButNoLinkTarget) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK(CreateDirectories(fs, dir.file("tree/a/b")));
  ASSERT_OK(CreateDirectories(fs, dir.file("outside")));
  ASSERT_OK(WriteFileAtomically(fs, dir.file("outside/kept"), "x"));
  ASSERT_EQ(::symlink(dir.file("outside").c_str(), dir.file("tree/a/link").c_str()), 0);
  ASSERT_OK(DeleteRecursively(fs, dir.file("tree")));
  EXPECT_THAT(fs->FileExists(dir.file("tree")), StatusIs(StatusCode::kNotFound));
  EXPECT_OK(fs->FileExists(dir.file("outside/kept")));
}

TEST(FileSystem, DeleteRecursivelyReportsWhatItMayNotDelete) {
  const TempDir dir;
  testing::ForwardingFileSystem fs(FileSystem::Posix());
  ASSERT_OK(CreateDirectoriesDurably(&fs, dir.file("tree/a")));
  ASSERT_OK(WriteFileAtomically(&fs, dir.file("tree/a/file"), "x"));
  fs.set_before([](testing::FileCall call, const std::string& path) {
    return call == testing::FileCall::kDelete && path.find("file") != std::string::npos
               ? PermissionDeniedError("injected: path=" + path)
               : OkStatus();
  });
  EXPECT_THAT(DeleteRecursively(&fs, dir.file("tree")), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_OK(fs.FileExists(dir.file("tree/a/file")));
  fs.set_before(nullptr);
  EXPECT_OK(DeleteRecursively(&fs, dir.file("tree")));
  EXPECT_OK(DeleteRecursively(&fs, dir.file("tree"))) << "nothing there is fine";
}

TEST(FileSystem, CreateDirectoriesDurablySyncsEachParentOfWhatItMade) {
  const TempDir dir;
  testing::ForwardingFileSystem fs(FileSystem::Posix());
  std::vector<std::string> synced;
  fs.set_before([&](testing::FileCall call, const std::string& path) {
    if (call == testing::FileCall::kSyncDirectory) {
      synced.push_back(path);
    }
    return OkStatus();
  });
  ASSERT_OK(CreateDirectoriesDurably(&fs, dir.file("a/b/c")));
  EXPECT_EQ(synced, (std::vector<std::string>{dir.path(), dir.file("a"), dir.file("a/b")}));
  synced.clear();
  ASSERT_OK(CreateDirectoriesDurably(&fs, dir.file("a/b/c")));
  EXPECT_TRUE(synced.empty());
}

}  // namespace
}  // namespace leadline
