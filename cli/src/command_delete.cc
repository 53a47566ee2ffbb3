#include <algorithm>
#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "progress_bar.h"
#include "signal_stop.h"

namespace leadline::cli {
namespace {

struct DeleteArguments {
  DatabaseArguments where;
  std::vector<std::string> ids;
  std::optional<std::string> filter;
};

/// Deletes in batches that the engine takes; adds to the count and sets the last sequence.
Status DeleteIds(Collection& collection, const std::vector<std::string>& ids, WriteResult* total) {
  for (size_t begin = 0; begin < ids.size(); begin += kMaxBatchRecords) {
    const size_t end = std::min(ids.size(), begin + kMaxBatchRecords);
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = ids.begin() + static_cast<std::ptrdiff_t>(end);
    LEADLINE_ASSIGN_OR_RETURN(const WriteResult part,
                              collection.Delete(std::vector<std::string>(first, last)));
    total->sequence = part.sequence;
    total->deleted += part.deleted;
  }
  return OkStatus();
}

/// For the progress bar; 0 where nobody sees it. What keeps it from counting is the delete's to
/// tell.
uint64_t RecordsToDelete(Collection& collection, const Filter& filter, const SignalStop& stop,
                         const Console& console) {
  if (!console.interactive()) {
    return 0;
  }
  ReadOptions options;
  options.cancel = stop.token();
  const Result<uint64_t> matches = collection.Count(filter, options);
  return matches.ok() ? *matches : 0;
}

/// Deletes what matches now; stopped in between, the error tells how much that was.
Result<WriteResult> DeleteMatching(Collection& collection, const Filter& filter, bool remote,
                                   const SignalStop& stop, Console& console) {
  uint64_t deleted = 0;
  ProgressBar bar(console, "delete", RecordsToDelete(collection, filter, stop, console), "records");
  DeleteOptions options;
  options.cancel = stop.token();
  options.progress = [&](const WriteResult& so_far) {
    deleted = so_far.deleted;
    bar.Update(deleted);
  };
  Result<WriteResult> done = collection.DeleteWhere(filter, options);
  if (done.ok()) {
    return done;
  }
  // No server tells how far it came.
  const std::string so_far = "deleted=" + (remote ? "unknown" : std::to_string(deleted));
  Status failed = done.status();
  if (failed.code() == StatusCode::kCancelled) {
    return CancelledError("stopped by a signal: " + so_far);
  }
  return deleted > 0 ? failed.WithContext("not all was deleted, " + so_far) : failed;
}

Result<ExitCode> RunDelete(const DeleteArguments& args, Console& console) {
  if (args.ids.empty() == !args.filter) {
    return InvalidArgumentError("give either ids or --filter EXPR");
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<Filter> filter, ParseFilterFlag(args.filter));
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(OpenedCollection opened, OpenForWriting(args.where));
  WriteResult done;
  if (filter) {
    LEADLINE_ASSIGN_OR_RETURN(done, DeleteMatching(*opened.collection, *filter,
                                                   args.where.remote.given(), stop, console));
  } else {
    LEADLINE_RETURN_IF_ERROR(DeleteIds(*opened.collection, args.ids, &done));
  }
  LEADLINE_RETURN_IF_ERROR(CloseAfterWriting(std::move(opened)));
  if (console.json()) {
    WriteJsonLine(console, {{"deleted", done.deleted}, {"sequence", done.sequence}});
  } else {
    console.Line("deleted " + std::to_string(done.deleted) + " records");
  }
  return ExitCode::kDone;
}

CommandBody DeclareDelete(Arguments& arguments) {
  auto args = std::make_shared<DeleteArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Positionals(&args->ids, "ID", "ids of the records").Optional();
  arguments.Text(&args->filter, "--filter", "EXPR", "delete every record that matches");
  return [args](Console& console) { return RunDelete(*args, console); };
}

}  // namespace

Command DeleteCommand() {
  return {"delete", "Delete records by id or by filter",
          "Unknown ids are no error and are not counted. Ctrl-C stops --filter between batches; "
          "what was\n"
          "deleted stays deleted.\n"
          "--json: {\"deleted\":N,\"sequence\":S}.",
          DeclareDelete};
}

}  // namespace leadline::cli
