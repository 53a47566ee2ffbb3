#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "progress_bar.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct OptimizeArguments {
  DatabaseArguments where;
  uint64_t threads = 1;
};

Status OptimizeOne(Database& database, const std::string& name, const SignalStop& stop,
                   Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database.OpenCollection(name));
  {
    ProgressBar bar(console, name, 0, "");
    CallOptions call;
    call.cancel = stop.token();
    call.progress = [&bar](std::string_view stage, double share) { bar.UpdateStage(stage, share); };
    LEADLINE_RETURN_IF_ERROR(collection->Optimize(call));
  }
  LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection->Stats());
  if (console.json()) {
    WriteJsonLine(console, {{"collection", name},
                            {"rows", stats.rows},
                            {"segments", stats.segments},
                            {"segment_rows", stats.segment_rows},
                            {"segment_bytes", stats.segment_bytes}});
  } else {
    console.Line(name + ": " + std::to_string(stats.rows) + " rows in " +
                 std::to_string(stats.segments) + " segments, " + FormatBytes(stats.segment_bytes));
  }
  return OkStatus();
}

Result<ExitCode> RunOptimize(const OptimizeArguments& args, Console& console) {
  const SignalStop stop;
  DatabaseOptions options;
  options.background_threads = static_cast<uint32_t>(args.threads);
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenDatabaseForWriting(args.where, options));
  std::vector<std::string> names = {args.where.collection};
  if (args.where.collection.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(names, database->ListCollections());
  }
  ExitCode outcome = ExitCode::kDone;
  for (const std::string& name : names) {
    Status optimized = OptimizeOne(*database, name, stop, console);
    if (optimized.code() == StatusCode::kDataLoss) {
      console.Error(optimized);
      outcome = ExitCode::kCouldNotRun;
      continue;
    }
    LEADLINE_RETURN_IF_ERROR(optimized);
  }
  LEADLINE_RETURN_IF_ERROR(database->Close());
  return outcome;
}

CommandBody DeclareOptimize(Arguments& arguments) {
  auto args = std::make_shared<OptimizeArguments>();
  DeclareAnyDatabase(arguments, &args->where);
  arguments
      .Positional(&args->where.collection, "COLLECTION", "name of the collection; all if missing")
      .Optional();
  arguments.Number(&args->threads, "--threads", "threads that build indexes", 1, kMaxThreads)
      .NotWith(std::string(kRemoteOption), "the server has threads of its own");
  return [args](Console& console) { return RunOptimize(*args, console); };
}

}  // namespace

Command OptimizeCommand() {
  return {"optimize", "Seal and index every row, then compact",
          "Returns when every row is in a sealed, indexed segment and compaction has nothing to "
          "do.\nStopped in between, nothing is lost: the next call goes on.",
          DeclareOptimize};
}

}  // namespace leadline::cli
