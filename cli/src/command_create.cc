#include <memory>

#include "collection_json.h"
#include "collection_limits.h"
#include "command.h"
#include "database_opening.h"
#include "index_arguments.h"
#include "leadline/text/embedder.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct CreateArguments {
  DatabaseArguments where;
  std::optional<uint64_t> dim;
  std::string metric;
  IndexArguments index;
  std::vector<std::string> text_fields;
  std::vector<std::string> extra_vectors;
  std::string embedder;
  std::string language;
};

/// Dimension and metric of the default vector, from the flags or the embedder.
Status SetDefaultVector(const CreateArguments& args, VectorField* field) {
  std::string metric = args.metric;
  std::optional<uint64_t> dim = args.dim;
  if (!args.embedder.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const auto embedder, OpenEmbedder(args.embedder));
    if (dim && *dim != embedder->dim()) {
      return InvalidFieldError("the embedder makes vectors of another size", "--dim",
                               std::to_string(*dim), std::to_string(embedder->dim()));
    }
    dim = embedder->dim();
    metric = metric.empty() ? "cosine" : metric;
  }
  if (!dim) {
    return InvalidArgumentError("--dim is required without --embedder");
  }
  if (metric.empty()) {
    return InvalidArgumentError("--metric is required without --embedder (cosine|l2|ip)");
  }
  field->dim = static_cast<uint32_t>(*dim);
  LEADLINE_ASSIGN_OR_RETURN(field->metric, ParseMetric(metric));
  return OkStatus();
}

/// Parses "NAME:DIM:METRIC".
Result<VectorField> ParseExtraVector(const std::string& text, VectorField field) {
  const std::vector<std::string> parts = SplitList(text, ':');
  if (parts.size() != 3) {
    return InvalidFieldError("not a vector field", "--extra-vector", text, "NAME:DIM:METRIC");
  }
  field.name = parts[0];
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t dim,
                            ParseNumber("--extra-vector DIM", parts[1], 1, kMaxDim));
  field.dim = static_cast<uint32_t>(dim);
  LEADLINE_ASSIGN_OR_RETURN(field.metric, ParseMetric(parts[2]));
  return field;
}

Result<CollectionOptions> MakeOptions(const CreateArguments& args) {
  CollectionOptions options;
  LEADLINE_ASSIGN_OR_RETURN(VectorField field, MakeIndexField(args.index));
  const VectorField shared = field;
  LEADLINE_RETURN_IF_ERROR(SetDefaultVector(args, &field));
  options.vectors.push_back(field);
  for (const std::string& extra : args.extra_vectors) {
    LEADLINE_ASSIGN_OR_RETURN(VectorField parsed, ParseExtraVector(extra, shared));
    options.vectors.push_back(std::move(parsed));
  }
  options.text_fields = args.text_fields;
  if (!args.embedder.empty() && options.text_fields.empty()) {
    options.text_fields = {"title", "text"};
  }
  options.embedder = args.embedder;
  options.language = args.language;
  return options;
}

Result<ExitCode> RunCreate(const CreateArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const CollectionOptions options, MakeOptions(args));
  LEADLINE_RETURN_IF_ERROR(CheckCollection(args.where.collection, options));
  DatabaseOptions opening;
  opening.create_if_missing = true;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenDatabaseForWriting(args.where, opening));
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection,
                            database->CreateCollection(args.where.collection, options));
  const CollectionOptions stored = collection->options();
  collection.reset();
  LEADLINE_RETURN_IF_ERROR(database->Close());
  if (stored.embedder.empty() && !stored.text_fields.empty()) {
    console.Message(
        "note: the text fields are stored, but nothing embeds them without --embedder; records "
        "and queries must bring vectors");
  }
  if (console.json()) {
    WriteJsonLine(console, CollectionJson(args.where.collection, stored));
  } else {
    const VectorField& field = stored.vectors.front();
    console.Line("created " + args.where.collection + ": " + std::to_string(field.dim) +
                 " dimensions, " + std::string(MetricName(field.metric)) + ", index " +
                 std::string(IndexKindName(field.index)) + ", codes " +
                 std::string(CodeTypeName(field.codes)));
  }
  return ExitCode::kDone;
}

CommandBody DeclareCreate(Arguments& arguments) {
  auto args = std::make_shared<CreateArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Number(&args->dim, "--dim", "numbers in a vector; not needed with --embedder", 1,
                   kMaxDim);
  arguments.Choice(&args->metric, "--metric", {"cosine", "l2", "ip"},
                   "how vectors are compared; with --embedder cosine unless given");
  DeclareIndex(arguments, &args->index);
  arguments.Texts(&args->text_fields, "--text", "FIELD",
                  "payload field to embed, in the order given; with --embedder title and text "
                  "unless given");
  arguments.Texts(&args->extra_vectors, "--extra-vector", "NAME:DIM:METRIC",
                  "another named vector beside the default one");
  arguments.Text(&args->embedder, "--embedder", "NAME",
                 "embed the text fields; 'static' is the model shipped with the program");
  arguments.Text(&args->language, "--language", "CODE", "language of the texts, informational")
      .MayBeEmpty();
  return [args](Console& console) { return RunCreate(*args, console); };
}

}  // namespace

Command CreateCommand() {
  return {
      "create", "Create a collection, and the database where it is missing",
      "What is chosen here is fixed for the life of the collection, but for the index (`alter`).\n"
      "--json: the options as stored, {\"name\",\"vectors\":[..],\"text_fields\",..}.",
      DeclareCreate};
}

}  // namespace leadline::cli
