#include <memory>

#include "batch_source.h"
#include "batch_writer.h"
#include "chunker.h"
#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "leadline/core/clock.h"
#include "leadline/core/options.h"
#include "progress_bar.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

/// Of the rows sent in one message to a server, which takes 16 MiB with all that surrounds them.
constexpr size_t kRemoteBatchBytes = size_t{12} << 20;

struct IngestArguments {
  DatabaseArguments where;
  std::vector<std::string> paths;
  std::string format = "auto";
  std::string durability = "sync";
  std::string chunk = "none";
  std::string on_error = "stop";
  uint64_t id_offset = 0;
  uint64_t batch = 1000;
  uint64_t threads = 2;
};

void PrintAcknowledged(const BatchWriter& writer, Console& console) {
  if (console.json()) {
    WriteJsonLine(console, {{"acked", writer.acked()}, {"sequence", writer.sequence()}});
    console.Flush();
  }
}

/// Moves rows from source to writer until the end, an error or a signal.
Status IngestAll(BatchSource& source, BatchWriter& writer, const SignalStop& stop,
                 Console& console) {
  ProgressBar bar = console.json() ? ProgressBar::BesideResults(console, "ingest", 0, "rows")
                                   : ProgressBar(console, "ingest", 0, "rows");
  for (;;) {
    PreparedBatch batch = source.Next();
    const uint64_t before = writer.acked();
    Status written = writer.Write(batch.rows);
    if (writer.acked() > before) {
      PrintAcknowledged(writer, console);
    }
    bar.Update(writer.acked(), batch.share);
    if (!written.ok()) {
      batch.fatal.IgnoreError();
      return written;
    }
    LEADLINE_RETURN_IF_ERROR(std::move(batch.fatal));
    if (batch.last) {
      return OkStatus();
    }
    if (stop.requested()) {
      return CancelledError("stopped by a signal");
    }
  }
}

void PrintSummary(const BatchWriter& writer, double seconds, Console& console) {
  const double rate = seconds > 0 ? static_cast<double>(writer.acked()) / seconds : 0;
  for (const std::string& message : writer.listed()) {
    console.Message("skipped: " + message);
  }
  if (writer.skipped() > writer.listed().size()) {
    console.Message("and " + std::to_string(writer.skipped() - writer.listed().size()) +
                    " more rows, not listed");
  }
  if (console.json()) {
    Json summary = {
        {"acked", writer.acked()},     {"sequence", writer.sequence()}, {"done", true},
        {"skipped", writer.skipped()}, {"errors", writer.listed()},     {"seconds", seconds},
        {"rows_per_s", rate}};
    WriteJsonLine(console, summary);
    return;
  }
  std::string line = "ingested " + std::to_string(writer.acked()) + " rows in " +
                     FormatFixed(seconds, 2) + " s (" + FormatFixed(rate, 0) + " rows/s)";
  if (writer.skipped() > 0) {
    line += ", skipped " + std::to_string(writer.skipped());
  }
  console.Line(line);
}

Result<ExitCode> RunIngest(const IngestArguments& args, Console& console) {
  DatabaseOptions options;
  LEADLINE_RETURN_IF_ERROR(ParseDurabilityFlag(args.durability, &options));
  LEADLINE_ASSIGN_OR_RETURN(const Chunking chunking, ParseChunking(args.chunk));
  BatchSourceOptions reading;
  LEADLINE_ASSIGN_OR_RETURN(reading.format, eval::ParseFileFormat(args.format));
  reading.paths = args.paths;
  reading.id_offset = args.id_offset;
  reading.batch_rows = args.batch;
  reading.threads = args.threads;
  if (args.where.remote.given()) {
    reading.batch_bytes = kRemoteBatchBytes;
  }
  for (const std::string& path : args.paths) {
    LEADLINE_RETURN_IF_ERROR(FileSystem::Posix()->FileExists(path));
  }

  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(OpenedCollection opened, OpenForWriting(args.where, options));
  std::shared_ptr<const Embedder> embedder;
  if (!opened.collection->options().embedder.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(embedder, opened.collection->OpenEmbedder());
  }
  LEADLINE_ASSIGN_OR_RETURN(
      const RecordPreparer preparer,
      RecordPreparer::Create(opened.collection->options(), embedder, chunking));
  BatchWriter writer(*opened.collection, args.on_error == "skip");
  const int64_t started = Clock::System()->MonotonicNanos();
  Status ended;
  {
    BatchSource source(preparer, reading);
    ended = IngestAll(source, writer, stop, console);
  }
  const double seconds = static_cast<double>(Clock::System()->MonotonicNanos() - started) / 1e9;
  Status closed = CloseAfterWriting(std::move(opened));
  if (!ended.ok()) {
    closed.IgnoreError();
    if (writer.acked() > 0) {
      console.Message("acknowledged " + std::to_string(writer.acked()) + " rows; they stay");
    }
    return ended;
  }
  LEADLINE_RETURN_IF_ERROR(std::move(closed));
  PrintSummary(writer, seconds, console);
  return ExitCode::kDone;
}

CommandBody DeclareIngest(Arguments& arguments) {
  auto args = std::make_shared<IngestArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Positionals(&args->paths, "PATH", "files, or folders in BEIR layout");
  arguments.Choice(&args->format, "--format",
                   {"auto", "jsonl", "csv", "beir", "fvecs", "bvecs", "ivecs", "fbin", "ibin",
                    "u8bin", "i8bin", "npy", "hdf5"},
                   "format of the files; auto looks at name and first bytes");
  arguments.Number(&args->id_offset, "--id-offset",
                   "first id where rows have none and are numbered", 0, uint64_t{1} << 62);
  arguments.Number(&args->batch, "--batch",
                   "rows committed together; 256 MiB end a batch early, 12 MiB with --remote", 1,
                   kMaxBatchRecords);
  arguments.Number(&args->threads, "--threads",
                   "threads that read and embed ahead of the writer; rows keep their order", 1,
                   kMaxThreads);
  arguments
      .Text(&args->durability, "--durability", "sync|interval:MS|os",
            "what an acknowledgement means: on stable storage; there within MS (1 to 60000); "
            "handed to the system")
      .NotWith(std::string(kRemoteOption), "the server was started with a durability of its own");
  arguments.Text(&args->chunk, "--chunk", "none|sentences:N|tokens:N,OVERLAP",
                 "cut the last text field before embedding; N from 1 to 100000, OVERLAP below N");
  arguments.Choice(&args->on_error, "--on-error", {"stop", "skip"}, "what a bad row does");
  return [args](Console& console) { return RunIngest(*args, console); };
}

}  // namespace

Command IngestCommand() {
  return {
      "ingest", "Import records, acknowledged in file order",
      R"(A JSONL record has `id` or `_id`, `vector` or `vectors`, `payload`, and `expires_at_ms` (Unix
milliseconds after which it is gone); every other field joins the payload. Files that hold only
vectors are numbered from --id-offset, on from file to file. Where the collection has an embedder,
records without a vector are embedded: the values of the text fields, joined by a blank.

With --json a line {"acked":ROWS,"sequence":S} follows each acknowledged batch: the first ROWS rows
of the input are there, whole, after a crash or power cut (--durability sync). A last line adds
"done", "skipped", "errors", "seconds" and "rows_per_s". A bad row stops the import with its row and
exit code 2; rows before it stay. --on-error skip leaves bad rows out, counts and lists them.

--chunk writes a record per piece, with id DOC#0, DOC#1, ... and the payload keys "doc_id" and
"chunk", which the input must not have, nor a vector of its own; chunks left over from an earlier
import of a document are deleted in the same batch. Tokens are words. Ctrl-C finishes the batch in
flight and exits with 130.)",
      DeclareIngest};
}

}  // namespace leadline::cli
