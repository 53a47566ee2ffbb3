#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "command.h"
#include "database_opening.h"
#include "eval_input.h"
#include "leadline/eval/name_list.h"
#include "leadline/eval/shortest_double.h"
#include "progress_bar.h"
#include "query_preparer.h"
#include "record_json.h"
#include "search_arguments.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct SearchCommandArguments {
  DatabaseArguments where;
  SearchArguments search;
  std::optional<std::string> vector;
  std::optional<std::string> queries;
  std::optional<std::string> text;
  std::optional<std::string> id;
  std::string format = "auto";
  std::string fields;
  std::string group_by;
  std::optional<std::string> min_score;
  std::string on_error = "stop";
  bool with_vectors = false;
  bool explain = false;
};

Status CheckOneInput(const SearchCommandArguments& args) {
  const int given = static_cast<int>(args.vector.has_value()) +
                    static_cast<int>(args.queries.has_value()) +
                    static_cast<int>(args.text.has_value()) + static_cast<int>(args.id.has_value());
  if (given != 1) {
    return InvalidFieldError("give exactly one of --vector, --queries, --text and --id", "query",
                             std::to_string(given) + " given", "1");
  }
  return OkStatus();
}

Result<std::vector<float>> ParseVector(const std::string& text) {
  const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) {
    return InvalidFieldError("not a JSON array of numbers", "--vector", text.substr(0, 80),
                             "[n, n, ..]");
  }
  std::vector<float> vector;
  for (const Json& value : parsed) {
    if (!value.is_number()) {
      return InvalidFieldError("not a number", "--vector[" + std::to_string(vector.size()) + "]",
                               JsonText(value).substr(0, 80), "a number");
    }
    vector.push_back(value.get<float>());
    if (!std::isfinite(vector.back())) {
      return InvalidFieldError("not a finite 32-bit number",
                               "--vector[" + std::to_string(vector.size() - 1) + "]",
                               JsonText(value).substr(0, 80), "[-3.4e38, 3.4e38]");
    }
  }
  if (vector.empty()) {
    return InvalidFieldError("the vector is empty", "--vector", "[]", "the collection's size");
  }
  return vector;
}

/// The queries of --queries, --vector or --text; the id is the label of the output line.
Result<std::vector<eval::InputQuery>> ReadInput(const SearchCommandArguments& args) {
  if (args.queries) {
    return LoadQueries(*args.queries, args.format);
  }
  eval::InputQuery query;
  query.id = "0";
  query.text = args.text.value_or("");
  if (args.vector) {
    LEADLINE_ASSIGN_OR_RETURN(query.vector, ParseVector(*args.vector));
  }
  return std::vector<eval::InputQuery>{std::move(query)};
}

Result<SearchOptions> OptionsOf(const SearchCommandArguments& args) {
  LEADLINE_ASSIGN_OR_RETURN(SearchOptions options, MakeSearchOptions(args.search));
  options.with_payload = true;
  options.fields = SplitList(args.fields, ',');
  options.with_vectors = args.with_vectors;
  options.explain = args.explain;
  options.group_by = args.group_by;
  if (args.min_score) {
    LEADLINE_ASSIGN_OR_RETURN(const double score,
                              ParseReal("--min-score", *args.min_score, -3e38, 3e38));
    options.min_score = static_cast<float>(score);
  }
  return options;
}

Json PlanJson(const Plan& plan) {
  Json steps = Json::array();
  for (const PlanStep& step : plan.steps) {
    steps.push_back({{"source", step.source},
                     {"strategy", step.strategy},
                     {"codes", step.codes},
                     {"rows", step.rows},
                     {"matches", step.matches},
                     {"distances", step.distances},
                     {"rescored", step.rescored},
                     {"candidates", step.candidates},
                     {"fallback", step.fallback}});
    Json& written = steps.back();
    if (step.ef_search != 0) {
      written["ef_search"] = step.ef_search;
    }
    if (step.nprobe != 0) {
      written["nprobe"] = step.nprobe;
    }
    if (step.promised_recall) {
      written["promised_recall"] = *step.promised_recall;
    }
    if (step.target_missed) {
      written["target_missed"] = true;
    }
  }
  return {{"sequence", plan.sequence},
          {"simd", plan.simd},
          {"distances", plan.distances},
          {"steps", std::move(steps)}};
}

void PrintJson(const std::string& id, const SearchResponse& response, bool with_vectors,
               Console& console) {
  Json hits = Json::array();
  for (const Hit& hit : response.hits) {
    Json object = {{"id", hit.id},
                   {"score", eval::ShortestDouble(hit.score)},
                   {"payload", PayloadJson(hit.payload)}};
    if (with_vectors) {
      object["vector"] = VectorJson(hit.vector);
    }
    hits.push_back(std::move(object));
  }
  Json line = {{"query", id},
               {"hits", std::move(hits)},
               {"metric", MetricName(response.metric)},
               {"higher_is_better", response.higher_is_better},
               {"took_us", response.took_us}};
  if (response.degraded) {
    line["degraded"] = true;
  }
  if (response.plan) {
    line["plan"] = PlanJson(*response.plan);
  }
  WriteJsonLine(console, line);
}

std::string EffortText(const PlanStep& step) {
  return step.ef_search != 0 ? "ef_search " + std::to_string(step.ef_search)
         : step.nprobe != 0  ? "nprobe " + std::to_string(step.nprobe)
                             : "-";
}

std::string PromiseText(const PlanStep& step) {
  const std::string promised =
      step.promised_recall ? FormatFixed(*step.promised_recall, 3) : std::string("-");
  return step.target_missed ? promised + " (below target)" : promised;
}

void PrintPlan(const Plan& plan, Console& console) {
  TablePrinter table({"source", "strategy", "codes", "rows", "matches", "distances", "rescored",
                      "candidates", "effort", "promised", "fallback"});
  for (const PlanStep& step : plan.steps) {
    table.Row({step.source, step.strategy, step.codes.empty() ? "-" : step.codes,
               std::to_string(step.rows), std::to_string(step.matches),
               std::to_string(step.distances), std::to_string(step.rescored),
               std::to_string(step.candidates), EffortText(step), PromiseText(step),
               step.fallback ? "yes" : "no"});
  }
  console.Line("plan at sequence " + std::to_string(plan.sequence) + ", " + plan.simd + ":");
  table.Print(console);
}

void PrintTable(const std::string& id, const SearchResponse& response, bool with_vectors,
                Console& console) {
  console.Line("query " + Printable(id) + ": " + std::to_string(response.hits.size()) +
               " hits in " + FormatMicros(static_cast<double>(response.took_us)) + " (" +
               std::string(MetricName(response.metric)) +
               (response.higher_is_better ? ", higher is better)" : ", lower is better)"));
  std::vector<std::string> header = {"rank", "id", "score", "payload"};
  if (with_vectors) {
    header.emplace_back("vector");
  }
  TablePrinter table(std::move(header));
  for (size_t i = 0; i < response.hits.size(); ++i) {
    const Hit& hit = response.hits[i];
    table.Row({std::to_string(i + 1), hit.id, FormatFixed(hit.score, 6), hit.payload,
               with_vectors ? JsonText(VectorJson(hit.vector)) : ""});
  }
  table.Print(console);
  if (response.plan) {
    PrintPlan(*response.plan, console);
  }
}

Status PrintResponse(const std::string& id, const SearchResponse& response, bool with_vectors,
                     Console& console) {
  if (console.json()) {
    PrintJson(id, response, with_vectors, console);
  } else {
    PrintTable(id, response, with_vectors, console);
  }
  if (console.broken()) {
    return console.Close();
  }
  if (response.degraded) {
    console.Message("degraded: a segment that cannot be read was answered exactly from the store");
  }
  return OkStatus();
}

/// Queries that were left out under --on-error skip.
class SkippedQueries {
 public:
  explicit SkippedQueries(Console& console) : console_(console) {}

  /// Takes note of one and says so in its place of the output.
  void Add(const std::string& id, const Status& error) {
    ids_.push_back(id);
    if (console_.json()) {
      WriteJsonLine(
          console_,
          {{"query", id},
           {"error", {{"code", StatusCodeName(error.code())}, {"message", error.message()}}}});
    }
    if (ids_.size() <= kMaxListed) {
      console_.Message("skipped: query " + id + ": " + error.message());
    }
  }

  void Summarise(size_t total) const {
    if (!ids_.empty()) {
      console_.Message("skipped " + std::to_string(ids_.size()) + " of " + std::to_string(total) +
                       " queries: " + eval::NameList(ids_));
    }
  }

 private:
  static constexpr size_t kMaxListed = 1000;

  Console& console_;
  std::vector<std::string> ids_;
};

/// The error of a query that ends the call, with what to do about it.
Status EndingError(const SearchCommandArguments& args, const std::string& id, const Status& error) {
  if (error.code() != StatusCode::kInvalidArgument || !(args.queries || args.text)) {
    return error;
  }
  Status named = error;
  if (!args.queries) {
    return named.WithContext("--text");
  }
  named.WithContext("query " + id);
  return InvalidArgumentError(named.message() + " (--on-error skip leaves such queries out)")
      .WithField(error.field(), error.limit());
}

/// Searches every prepared query in turn and prints its line.
Status SearchAll(const SearchCommandArguments& args, const std::vector<PreparedQuery>& queries,
                 SearchOptions options, Collection& collection, Console& console) {
  const bool skip = args.on_error == "skip" && args.queries;
  ProgressBar bar = ProgressBar::BesideResults(console, "search", queries.size(), "queries");
  SkippedQueries skipped(console);
  for (size_t q = 0; q < queries.size(); ++q) {
    const PreparedQuery& query = queries[q];
    Result<SearchResponse> response = query.error;
    if (query.error.ok()) {
      options.filter = query.filter;
      response = collection.Search(query.vector, options);
    }
    if (response.ok()) {
      LEADLINE_RETURN_IF_ERROR(PrintResponse(query.id, *response, args.with_vectors, console));
    } else if (skip && response.status().code() == StatusCode::kInvalidArgument) {
      bar.Erase();
      skipped.Add(query.id, response.status());
    } else {
      return EndingError(args, query.id, response.status());
    }
    bar.Update(q + 1);
  }
  bar.Erase();
  skipped.Summarise(queries.size());
  return OkStatus();
}

Status SearchGiven(const SearchCommandArguments& args, const OpenedCollection& opened,
                   const SearchOptions& options, std::vector<eval::InputQuery> given,
                   Console& console) {
  if (args.id) {
    LEADLINE_ASSIGN_OR_RETURN(const SearchResponse response,
                              opened.collection->SearchId(*args.id, options));
    return PrintResponse(*args.id, response, args.with_vectors, console);
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<PreparedQuery> queries,
                            PrepareQueries(*opened.collection, std::move(given), options));
  const auto bad = std::find_if(queries.begin(), queries.end(),
                                [](const PreparedQuery& query) { return !query.error.ok(); });
  if (bad != queries.end() && args.on_error == "stop") {
    return EndingError(args, bad->id, bad->error);  // before any line is printed
  }
  return SearchAll(args, queries, options, *opened.collection, console);
}

Result<ExitCode> RunSearch(const SearchCommandArguments& args, Console& console) {
  LEADLINE_RETURN_IF_ERROR(CheckOneInput(args));
  LEADLINE_ASSIGN_OR_RETURN(SearchOptions options, OptionsOf(args));
  std::vector<eval::InputQuery> given;
  if (!args.id) {
    LEADLINE_ASSIGN_OR_RETURN(given, ReadInput(args));
  }
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened, OpenForReading(args.where));
  LEADLINE_ASSIGN_OR_RETURN(options.snapshot, opened.database->TakeSnapshot());
  options.cancel = stop.token();
  LEADLINE_RETURN_IF_ERROR(SearchGiven(args, opened, options, std::move(given), console));
  return ExitCode::kDone;
}

CommandBody DeclareSearchCommand(Arguments& arguments) {
  auto args = std::make_shared<SearchCommandArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Text(&args->vector, "--vector", "JSON", "search by this vector, [n, n, ..]");
  arguments.Text(
      &args->queries, "--queries", "FILE",
      "search by every query of a file: any vector format, or JSONL with vector or text");
  arguments.Text(&args->text, "--text", "STR", "search by text, embedded as the collection's are");
  arguments.Text(&args->id, "--id", "ID", "search by the stored vector of this record");
  arguments.Choice(
      &args->format, "--format",
      {"auto", "jsonl", "csv", "beir", "fvecs", "bvecs", "fbin", "u8bin", "i8bin", "npy", "hdf5"},
      "format of --queries");
  DeclareSearch(arguments, &args->search);
  DeclareMode(arguments, &args->search);
  arguments.Text(&args->fields, "--fields", "A,B", "payload paths to return; all unless given");
  arguments.Text(&args->group_by, "--group-by", "PATH", "at most one hit per value of this path");
  arguments.Text(&args->min_score, "--min-score", "X", "worst acceptable score");
  arguments.Choice(&args->on_error, "--on-error", {"stop", "skip"},
                   "what a query of --queries does that cannot be searched");
  arguments.Flag(&args->with_vectors, "--with-vectors", "return the vectors too");
  arguments.Flag(&args->explain, "--explain", "report the plan that ran");
  return [args](Console& console) { return RunSearch(*args, console); };
}

}  // namespace

Command SearchCommand() {
  return {
      "search", "Find the records nearest to a vector, a text or a stored record",
      R"(Exactly one of --vector, --queries, --text and --id. All queries of one call see the same moment.
The score is the metric's own value: cosine similarity, inner product, or squared l2 distance.

With --json one line a query: {"query":ID,"hits":[{"id","score","payload"}],"metric",
"higher_is_better","took_us"}, with "plan" under --explain. ID is the id of the query in its file,
the id given to --id, or "0".

All queries of a file are checked and embedded before the first is searched. One that cannot be
searched (wrong vector size, a text without a known word, a filter that does not parse) stops the
command with exit code 2 and nothing printed; with --on-error skip it is left out, counted and listed
on standard error, and with --json a line {"query":ID,"error":{"code","message"}} stands for it.)",
      DeclareSearchCommand};
}

}  // namespace leadline::cli
