#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"

namespace leadline::cli {
namespace {

struct CountArguments {
  DatabaseArguments where;
  std::optional<std::string> filter;
};

Result<ExitCode> RunCount(const CountArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<Filter> filter, ParseFilterFlag(args.filter));
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened, OpenForReading(args.where));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t count, opened.collection->Count(filter));
  if (console.json()) {
    WriteJsonLine(console, {{"count", count}});
  } else {
    console.Line(std::to_string(count));
  }
  return ExitCode::kDone;
}

CommandBody DeclareCount(Arguments& arguments) {
  auto args = std::make_shared<CountArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Text(&args->filter, "--filter", "EXPR", "count only records that match");
  return [args](Console& console) { return RunCount(*args, console); };
}

}  // namespace

Command CountCommand() {
  return {"count", "Count records", "--json: {\"count\":N}.", DeclareCount};
}

}  // namespace leadline::cli
