#include "run_source.h"

#include <algorithm>

#include "exit_code.h"
#include "leadline/core/file_system.h"
#include "leadline/eval/judgments.h"

namespace leadline::cli {
namespace {

constexpr size_t kMaxRunNameBytes = 128;
constexpr const char* kRunFile = "run.trec";

Result<std::string> FindRunFile(const std::string& source) {
  FileSystem* const fs = FileSystem::Posix();
  if (fs->FileExists(source).ok()) {
    LEADLINE_ASSIGN_OR_RETURN(const bool is_directory, fs->IsDirectory(source));
    return is_directory ? JoinPath(source, kRunFile) : source;
  }
  const size_t mark = source.rfind('#');
  if (mark != std::string::npos) {
    const std::string saved =
        JoinPath(SavedRunDirectory(source.substr(0, mark), source.substr(mark + 1)), kRunFile);
    if (fs->FileExists(saved).ok()) {
      return saved;
    }
    return NotFoundError("no such run: neither the file " + source + " nor " + saved + " exists");
  }
  return NotFoundError("no such run: " + source + " is no file, no directory and not DB#NAME");
}

}  // namespace

std::string SavedRunDirectory(const std::string& database, const std::string& name) {
  return JoinPath(JoinPath(database, "runs"), name);
}

Status CheckRunName(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kMaxRunNameBytes &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-';
                    });
  return fits ? OkStatus()
              : InvalidFieldError("not a run name", "--save", name, "[A-Za-z0-9_-]{1,128}");
}

Result<eval::RankedRun> LoadRun(const std::string& source, eval::TrecRules rules) {
  LEADLINE_ASSIGN_OR_RETURN(const std::string path, FindRunFile(source));
  Result<eval::RankedRun> run = eval::ReadRun(FileSystem::Posix(), path, rules);
  if (!run.ok()) {
    return AsInputError(run.status());
  }
  return run;
}

Result<eval::TrecRules> ParseTrecRules(const std::string& word) {
  if (word == "trec9") {
    return eval::TrecRules::kTrec9;
  }
  if (word == "trec10") {
    return eval::TrecRules::kTrec10;
  }
  return InvalidFieldError("unknown rules", "--rules", word, "trec9|trec10");
}

}  // namespace leadline::cli
