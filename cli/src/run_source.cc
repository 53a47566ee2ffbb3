#include "run_source.h"

#include "exit_code.h"
#include "leadline/core/file_system.h"
#include "name_rule.h"
#include "trec_column.h"

namespace leadline::cli {
namespace {

constexpr const char* kRunFile = "run.trec";

struct RunFile {
  std::string path;
  bool ours = false;  ///< written by this program, which encodes ids
};

Result<RunFile> FindRunFile(const std::string& source) {
  FileSystem* const fs = FileSystem::Posix();
  if (fs->FileExists(source).ok()) {
    LEADLINE_ASSIGN_OR_RETURN(const bool is_directory, fs->IsDirectory(source));
    return is_directory ? RunFile{JoinPath(source, kRunFile), true} : RunFile{source, false};
  }
  const size_t mark = source.rfind('#');
  if (mark != std::string::npos) {
    const std::string saved =
        JoinPath(SavedRunDirectory(source.substr(0, mark), source.substr(mark + 1)), kRunFile);
    if (fs->FileExists(saved).ok()) {
      return RunFile{saved, true};
    }
    return NotFoundError("no such run: neither the file " + source + " nor " + saved + " exists");
  }
  return NotFoundError("no such run: " + source + " is no file, no directory and not DB#NAME");
}

Status DecodeIds(eval::RankedRun* run) {
  for (eval::RankedQuery& query : run->queries) {
    LEADLINE_ASSIGN_OR_RETURN(query.id, DecodeTrecColumn(query.id));
    for (eval::ScoredDoc& doc : query.docs) {
      LEADLINE_ASSIGN_OR_RETURN(doc.id, DecodeTrecColumn(doc.id));
    }
  }
  return OkStatus();
}

}  // namespace

std::string SavedRunDirectory(const std::string& database, const std::string& name) {
  return JoinPath(JoinPath(database, "runs"), name);
}

Status CheckRunName(const std::string& name) {
  return CheckName("not a run name", "--save", name);
}

Result<eval::RankedRun> LoadRun(const std::string& source, eval::TrecRules rules,
                                const eval::ReadProgress& progress) {
  LEADLINE_ASSIGN_OR_RETURN(const RunFile file, FindRunFile(source));
  Result<eval::RankedRun> run = eval::ReadRun(FileSystem::Posix(), file.path, rules, {}, progress);
  if (!run.ok()) {
    return AsInputError(run.status());
  }
  if (file.ours) {
    LEADLINE_RETURN_IF_ERROR(DecodeIds(&*run));
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
