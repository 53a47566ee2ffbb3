#include "run_files.h"

#include <array>
#include <cstdio>

#include "json_lines.h"
#include "leadline/core/file_system.h"
#include "trec_column.h"

namespace leadline::cli {
namespace {

std::string TrecColumn(const std::string& id, size_t* encoded) {
  std::string column = EncodeTrecColumn(id);
  *encoded += column != id ? 1 : 0;
  return column;
}

std::string TrecText(const eval::RunResult& run, size_t* encoded) {
  const eval::RankedRun ranked = eval::ToRankedRun(run);
  std::string text;
  for (const eval::RankedQuery& query : ranked.queries) {
    const std::string query_column = TrecColumn(query.id, encoded);
    for (size_t i = 0; i < query.docs.size(); ++i) {
      std::array<char, 32> score{};
      std::snprintf(score.data(), score.size(), "%.9g", query.docs[i].score);
      text += query_column + " Q0 " + TrecColumn(query.docs[i].id, encoded) + " " +
              std::to_string(i + 1) + " " + score.data() + " " + ranked.tag + "\n";
    }
  }
  return text;
}

std::string PerQueryText(const eval::EvaluatedRun& evaluated) {
  std::string text;
  for (const std::string& line : eval::PerQueryJson(evaluated)) {
    text += line + "\n";
  }
  return text;
}

}  // namespace

Result<size_t> WriteRunFiles(const std::string& directory, const eval::EvaluatedRun& evaluated) {
  FileSystem* const fs = FileSystem::Posix();
  LEADLINE_RETURN_IF_ERROR(CreateDirectories(fs, directory));
  LEADLINE_RETURN_IF_ERROR(fs->ListDirectory(directory).status());  // it may be a file
  size_t encoded = 0;
  const auto write = [&](const char* name, const std::string& contents) {
    return WriteFileAtomically(fs, JoinPath(directory, name), contents);
  };
  LEADLINE_RETURN_IF_ERROR(write("run.trec", TrecText(evaluated.run, &encoded)));
  LEADLINE_RETURN_IF_ERROR(write("per_query.jsonl", PerQueryText(evaluated)));
  LEADLINE_RETURN_IF_ERROR(write("report.html", eval::RenderReport(MakeReport(evaluated))));
  LEADLINE_RETURN_IF_ERROR(write(
      "run.json",
      Json::parse(eval::RunJson(evaluated)).dump(2, ' ', false, Json::error_handler_t::replace) +
          "\n"));
  return encoded;
}

}  // namespace leadline::cli
