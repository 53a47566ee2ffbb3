#include <algorithm>
#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"

namespace leadline::cli {
namespace {

struct DeleteArguments {
  DatabaseArguments where;
  std::vector<std::string> ids;
  std::optional<std::string> filter;
};

/// Deletes in batches that the engine takes; returns the last sequence and the total.
Result<WriteResult> DeleteIds(Collection& collection, const std::vector<std::string>& ids) {
  WriteResult total;
  for (size_t begin = 0; begin < ids.size(); begin += kMaxBatchRecords) {
    const size_t end = std::min(ids.size(), begin + kMaxBatchRecords);
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = ids.begin() + static_cast<std::ptrdiff_t>(end);
    LEADLINE_ASSIGN_OR_RETURN(const WriteResult part,
                              collection.Delete(std::vector<std::string>(first, last)));
    total.sequence = part.sequence;
    total.deleted += part.deleted;
  }
  return total;
}

Result<ExitCode> RunDelete(const DeleteArguments& args, Console& console) {
  if (args.ids.empty() == !args.filter) {
    return InvalidArgumentError("give either ids or --filter EXPR");
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<Filter> filter, ParseFilterFlag(args.filter));
  LEADLINE_ASSIGN_OR_RETURN(OpenedCollection opened, OpenForWriting(args.where));
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult done, filter
                                                        ? opened.collection->DeleteWhere(*filter)
                                                        : DeleteIds(*opened.collection, args.ids));
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
  DeclareDatabaseAndCollection(arguments, &args->where);
  arguments.Positionals(&args->ids, "ID", "ids of the records").Optional();
  arguments.Text(&args->filter, "--filter", "EXPR", "delete every record that matches");
  return [args](Console& console) { return RunDelete(*args, console); };
}

}  // namespace

Command DeleteCommand() {
  return {"delete", "Delete records by id or by filter",
          "Unknown ids are no error and are not counted.\n"
          "--json: {\"deleted\":N,\"sequence\":S}.",
          DeclareDelete};
}

}  // namespace leadline::cli
