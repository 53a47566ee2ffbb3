#include "eval_input.h"

#include "exit_code.h"
#include "leadline/core/file_system.h"

namespace leadline::cli {

Result<std::vector<eval::InputQuery>> LoadQueries(const std::string& path,
                                                  const std::string& format) {
  LEADLINE_ASSIGN_OR_RETURN(const eval::FileFormat parsed, eval::ParseFileFormat(format));
  auto queries = eval::ReadQueries(FileSystem::Posix(), path, parsed, {});
  if (!queries.ok()) {
    return AsInputError(queries.status());
  }
  return queries;
}

Result<std::vector<eval::InputQuery>> LoadSomeQueries(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(std::vector<eval::InputQuery> queries, LoadQueries(path));
  if (queries.empty()) {
    return InvalidFieldError("the file has no queries", "--queries", path, "at least 1");
  }
  return queries;
}

Result<eval::Qrels> LoadQrels(const std::string& path, eval::TrecRules rules,
                              const eval::ReadProgress& progress) {
  auto qrels = eval::ReadQrels(FileSystem::Posix(), path, rules, {}, progress);
  if (!qrels.ok()) {
    return AsInputError(qrels.status());
  }
  if (qrels->queries.empty()) {
    return InvalidFieldError("the file has no judgments", "qrels", path, "at least 1");
  }
  return qrels;
}

}  // namespace leadline::cli
