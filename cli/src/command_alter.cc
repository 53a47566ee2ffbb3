#include <memory>

#include "collection_json.h"
#include "command.h"
#include "database_opening.h"
#include "index_arguments.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct AlterArguments {
  DatabaseArguments where;
  std::string vector;
  std::string index;
  std::string codes;
  std::optional<uint64_t> m;
  std::optional<uint64_t> ef_construction;
  std::optional<uint64_t> nlist;
  std::optional<std::string> language;
};

std::optional<uint32_t> Narrow(const std::optional<uint64_t>& value) {
  return value ? std::optional(static_cast<uint32_t>(*value)) : std::nullopt;
}

Result<CollectionChanges> MakeChanges(const AlterArguments& args) {
  CollectionChanges changes;
  VectorFieldChanges field;
  field.name = args.vector;
  if (!args.index.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(field.index, ParseIndexKind(args.index));
  }
  if (!args.codes.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(field.codes, ParseCodeType(args.codes));
  }
  field.m = Narrow(args.m);
  field.ef_construction = Narrow(args.ef_construction);
  field.nlist = Narrow(args.nlist);
  if (field.index || field.codes || field.m || field.ef_construction || field.nlist) {
    changes.vectors.push_back(field);
  } else if (!args.vector.empty() || !args.language) {
    return InvalidArgumentError(
        "nothing to change: give --index, --codes, --M, --ef-construction, --nlist or --language");
  }
  changes.language = args.language;
  return changes;
}

/// Codes that the index will not have are wrong usage here as they are in `create`, which need not
/// ask the collection for its index.
Status AsUsageError(const Status& refused, const AlterArguments& args) {
  const bool of_codes = refused.code() == StatusCode::kUnimplemented && refused.field() == "codes";
  return of_codes ? InvalidArgumentError(refused.message())
                        .WithField(args.codes.empty() ? "--index" : "--codes", refused.limit())
                  : refused;
}

Result<ExitCode> RunAlter(const AlterArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const CollectionChanges changes, MakeChanges(args));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenDatabaseForWriting(args.where));
  Result<std::shared_ptr<Collection>> altered =
      database->AlterCollection(args.where.collection, changes);
  if (!altered.ok()) {
    return AsUsageError(altered.status(), args);
  }
  const CollectionOptions stored = (*altered)->options();
  altered->reset();
  LEADLINE_RETURN_IF_ERROR(database->Close());
  if (console.json()) {
    WriteJsonLine(console, CollectionJson(args.where.collection, stored));
  } else {
    console.Line("altered " + args.where.collection + "; `optimize` builds what differs");
  }
  return ExitCode::kDone;
}

CommandBody DeclareAlter(Arguments& arguments) {
  auto args = std::make_shared<AlterArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Text(&args->vector, "--vector-field", "NAME",
                 "the vector whose index changes; the default one unless given");
  arguments.Choice(&args->index, "--index", IndexWords(),
                   "index of segments that are built from now on");
  arguments.Choice(&args->codes, "--codes", CodesWords(), "what these indexes search on");
  arguments.Number(&args->m, "--M", "links of a node in hnsw", kMinM, kMaxM);
  arguments.Number(&args->ef_construction, "--ef-construction", "candidates while hnsw is built", 1,
                   kMaxEfConstruction);
  arguments.Number(&args->nlist, "--nlist", "lists of ivf; 0 chooses from the row count", 0,
                   kMaxNlist);
  arguments.Text(&args->language, "--language", "CODE", "language of the texts, informational")
      .MayBeEmpty();
  return [args](Console& console) { return RunAlter(*args, console); };
}

}  // namespace

Command AlterCommand() {
  return {
      "alter", "Change how a collection is indexed",
      "What is not given stays. Segments that are there answer as they are until they are built\n"
      "again: those of 20,000 rows or more in the background of the next writer, all of them by\n"
      "`optimize`. Dimension, metric and text fields are fixed for the life of the collection.\n"
      "--json: the options as stored, {\"name\",\"vectors\":[..],\"text_fields\",..}.",
      DeclareAlter};
}

}  // namespace leadline::cli
