#include "partial_copy.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

constexpr std::string_view kUnfinished = "UNFINISHED";
constexpr std::string_view kFinished = "FINISHED";
/// What WriteFileAtomically leaves of the first mark.
constexpr std::string_view kHalfWritten = "UNFINISHED.tmp";

/// False also for a file.
Result<bool> LeftByACopy(FileSystem* fs, const std::string& partial) {
  const Result<std::vector<std::string>> names = fs->ListDirectory(partial);
  if (names.status().code() == StatusCode::kNotFound) {
    return false;
  }
  LEADLINE_RETURN_IF_ERROR(names.status());
  const bool marked = std::any_of(names->begin(), names->end(), [](const std::string& name) {
    return name == kUnfinished || name == kFinished;
  });
  return marked || std::all_of(names->begin(), names->end(),
                               [](const std::string& name) { return name == kHalfWritten; });
}

}  // namespace

Status RefuseUnfinishedCopy(FileSystem* fs, const std::string& directory) {
  const std::string mark = JoinPath(directory, kUnfinished);
  Status found = fs->FileExists(mark);
  if (found.ok()) {
    return FailedPreconditionError(
        "unfinished copy of a database; delete the directory and make the copy again: mark=" +
        mark);
  }
  return found.code() == StatusCode::kNotFound ? OkStatus() : found;
}

Status StartPartialCopy(FileSystem* fs, const std::string& partial) {
  if (fs->FileExists(partial).ok()) {
    LEADLINE_ASSIGN_OR_RETURN(const bool ours, LeftByACopy(fs, partial));
    if (!ours) {
      return AlreadyExistsError("not the rest of an earlier backup; move it away: path=" + partial);
    }
    LEADLINE_RETURN_IF_ERROR(DiscardPartialCopy(fs, partial));
  }
  Status started = NoThrow([&]() -> Status {
    LEADLINE_RETURN_IF_ERROR(CreateDirectoriesDurably(fs, partial));
    return WriteFileAtomically(fs, JoinPath(partial, kUnfinished),
                               "unfinished copy of a Leadline database\n");
  });
  if (!started.ok()) {
    DiscardPartialCopy(fs, partial).IgnoreError();
  }
  return started;
}

Status FinishPartialCopy(FileSystem* fs, const std::string& partial, const std::string& to) {
  LEADLINE_RETURN_IF_ERROR(SyncDirectory(fs, partial));
  LEADLINE_RETURN_IF_ERROR(
      fs->RenameFile(JoinPath(partial, kUnfinished), JoinPath(partial, kFinished)));
  LEADLINE_RETURN_IF_ERROR(SyncDirectory(fs, partial));
  LEADLINE_RETURN_IF_ERROR(fs->RenameFile(partial, to));
  KillPoint("backup:renamed");
  Status durable = NoThrow([&] { return SyncDirectory(fs, DirectoryName(to)); });
  if (!durable.ok()) {
    // Left where it is, it would look like a good copy and be gone after a power cut.
    return DiscardPartialCopy(fs, to).ok()
               ? durable
               : durable.WithContext("copy is not durable and could not be deleted: path=" + to);
  }
  // The copy is whole and opens: a mark that stays does no harm.
  fs->DeleteFile(JoinPath(to, kFinished)).IgnoreError();
  return {};
}

Status DiscardPartialCopy(FileSystem* fs, const std::string& directory) {
  const std::string mark = JoinPath(directory, kUnfinished);
  // Nobody shall open what is half deleted.
  Status marked = fs->RenameFile(JoinPath(directory, kFinished), mark);
  if (!marked.ok() && marked.code() != StatusCode::kNotFound) {
    return marked;
  }
  const Result<std::vector<std::string>> names = fs->ListDirectory(directory);
  if (names.status().code() == StatusCode::kNotFound) {
    return {};
  }
  LEADLINE_RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    if (name != kUnfinished) {
      LEADLINE_RETURN_IF_ERROR(DeleteRecursively(fs, JoinPath(directory, name)));
    }
  }
  LEADLINE_RETURN_IF_ERROR(DeleteRecursively(fs, mark));
  return fs->DeleteDirectory(directory);
}

}  // namespace leadline::engine
