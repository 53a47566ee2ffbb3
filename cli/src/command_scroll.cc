#include <algorithm>
#include <memory>

#include "command.h"
#include "database_opening.h"
#include "progress_bar.h"
#include "record_json.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxLimit = uint64_t{1} << 40;
constexpr size_t kPageRecords = 1000;

struct ScrollArguments {
  DatabaseArguments where;
  std::optional<std::string> filter;
  std::optional<std::string> cursor;
  std::optional<uint64_t> limit;
  bool with_vectors = false;
};

void PrintPage(const std::vector<Record>& records, bool with_vectors, Console& console) {
  TablePrinter table(with_vectors ? std::vector<std::string>{"id", "payload", "vector"}
                                  : std::vector<std::string>{"id", "payload"});
  for (const Record& record : records) {
    if (console.json()) {
      WriteJsonLine(console, RecordJson(record, with_vectors));
    } else {
      table.Row({record.id, record.payload, with_vectors ? VectorsText(record) : ""});
    }
  }
  if (!console.json()) {
    table.Print(console);
  }
}

/// For the progress bar; 0 where nobody sees it, or finding out would cost as much as printing.
Result<uint64_t> RecordsToPrint(Collection& collection, const ScrollOptions& options,
                                uint64_t limit, const Console& console) {
  if (!console.interactive() || options.filter || !options.cursor.empty()) {
    return uint64_t{0};
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t all, collection.Count(std::nullopt, options.read));
  return std::min(all, limit);
}

/// The next page, of fewer records where as many as `options` asks for are more than a server sends
/// at a time.
Result<ScrollPage> NextPage(Collection& collection, ScrollOptions options) {
  for (;;) {
    Result<ScrollPage> page = collection.Scroll(options);
    if (page.ok() || page.status().field() != "response bytes" || options.limit == 1) {
      return page;
    }
    options.limit /= 2;
  }
}

/// Prints page after page of one snapshot; returns the cursor behind the last record printed.
Result<std::string> PrintPages(Collection& collection, ScrollOptions options, uint64_t limit,
                               bool with_vectors, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t total,
                            RecordsToPrint(collection, options, limit, console));
  ProgressBar bar = ProgressBar::BesideResults(console, "scroll", total, "records");
  for (uint64_t left = limit; left > 0;) {
    options.limit = static_cast<size_t>(std::min<uint64_t>(left, kPageRecords));
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, NextPage(collection, options));
    PrintPage(page.records, with_vectors, console);
    if (console.broken()) {
      return console.Close();
    }
    left -= page.records.size();
    bar.Update(limit - left);
    options.cursor = page.next_cursor;
    if (page.next_cursor.empty()) {
      break;
    }
  }
  return options.cursor;
}

Result<ExitCode> RunScroll(const ScrollArguments& args, Console& console) {
  ScrollOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.filter, ParseFilterFlag(args.filter));
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened, OpenForReading(args.where));
  LEADLINE_ASSIGN_OR_RETURN(options.read.snapshot, opened.database->TakeSnapshot());
  options.read.with_vectors = args.with_vectors;
  options.read.cancel = stop.token();
  options.cursor = args.cursor.value_or("");
  LEADLINE_ASSIGN_OR_RETURN(const std::string cursor,
                            PrintPages(*opened.collection, std::move(options),
                                       args.limit.value_or(kMaxLimit), args.with_vectors, console));
  if (!cursor.empty()) {
    console.Message("more records follow: --cursor " + cursor);
  }
  return ExitCode::kDone;
}

CommandBody DeclareScroll(Arguments& arguments) {
  auto args = std::make_shared<ScrollArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Text(&args->filter, "--filter", "EXPR", "only records that match");
  arguments.Number(&args->limit, "--limit", "print at most this many records", 1, kMaxLimit);
  arguments
      .Text(&args->cursor, "--cursor", "CURSOR",
            "go on where an earlier call stopped; empty starts at the beginning")
      .MayBeEmpty();
  arguments.Flag(&args->with_vectors, "--with-vectors", "print the vectors too");
  return [args](Console& console) { return RunScroll(*args, console); };
}

}  // namespace

Command ScrollCommand() {
  return {"scroll", "Print records in insertion order, all of one moment",
          "With --json one line a record, in the form that `ingest` reads. Where --limit cut the\n"
          "list, a message on standard error gives the cursor to go on with.",
          DeclareScroll};
}

}  // namespace leadline::cli
