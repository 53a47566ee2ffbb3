#include "run_files.h"

#include <array>
#include <cstdio>

#include "leadline/core/file_system.h"
#include "trec_column.h"
#include "undefined_values.h"

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

/// Sets "values", and "undefined" where some of them are null.
void AddValues(const eval::ScoreReport& scores, const eval::QueryScores* query, Json* line) {
  Json values = Json::object();
  UndefinedValues undefined;
  for (size_t m = 0; query != nullptr && m < scores.measures.size(); ++m) {
    const eval::MetricValue& value = query->values[m];
    const std::string name = scores.measures[m].name();
    values[name] = undefined.Of(name, value.defined() ? std::optional(value.value) : std::nullopt,
                                UndefinedReasonName(value.reason));
  }
  (*line)["values"] = std::move(values);
  undefined.AddTo(line);
}

/// A query of the judgments that was not run, so that the lines average to the mean.
Json NotRunJson(const EvaluatedRun& evaluated, const eval::QueryScores& query) {
  Json line = {{"query", query.id}, {"text", ""}};
  AddValues(evaluated.scores, &query, &line);
  line["hits"] = Json::array();
  line["missing"] = true;
  return line;
}

std::string PerQueryText(const EvaluatedRun& evaluated) {
  const auto scores = evaluated.ScoresById();
  const auto judgments = evaluated.JudgmentsById();
  std::string text;
  for (size_t q = 0; q < evaluated.run.queries.size(); ++q) {
    const eval::QueryOutcome& outcome = evaluated.run.queries[q];
    const auto scored = scores.find(outcome.id);
    const auto judged = judgments.find(outcome.id);
    Json hits = Json::array();
    for (const eval::RunHit& hit : outcome.hits) {
      Json entry = {{"id", hit.id}, {"score", ShortestDouble(hit.score)}};
      if (judged != judgments.end() && judged->second.contains(hit.id)) {
        entry["relevance"] = judged->second.at(hit.id);
      }
      hits.push_back(std::move(entry));
    }
    Json line = {{"query", outcome.id}, {"text", evaluated.queries[q].text}};
    AddValues(evaluated.scores, scored == scores.end() ? nullptr : scored->second, &line);
    line["took_us"] = static_cast<double>(outcome.took_ns) / 1e3;
    line["embed_us"] = static_cast<double>(outcome.embed_ns) / 1e3;
    line["hits"] = std::move(hits);
    if (!outcome.error.empty()) {
      line["error"] = outcome.error;
    }
    text += JsonText(line) + "\n";
  }
  for (const eval::QueryScores* query : evaluated.NotRun()) {
    text += JsonText(NotRunJson(evaluated, *query)) + "\n";
  }
  return text;
}

}  // namespace

Result<size_t> WriteRunFiles(const std::string& directory, const EvaluatedRun& evaluated) {
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
      "run.json", RunJson(evaluated).dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  return encoded;
}

}  // namespace leadline::cli
