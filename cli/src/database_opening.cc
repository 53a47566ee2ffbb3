#include "database_opening.h"

#include <utility>

namespace leadline::cli {

void DeclareDatabase(Arguments& arguments, DatabaseArguments* target) {
  arguments.Positional(&target->database, "DB", "directory of the database");
}

void DeclareAnyDatabase(Arguments& arguments, DatabaseArguments* target) {
  arguments.Positional(&target->database, "DB", "directory of the database; left out with --remote")
      .ReplacedBy(std::string(kRemoteOption));
  DeclareRemote(arguments, &target->remote);
}

void DeclareCollection(Arguments& arguments, DatabaseArguments* target) {
  arguments.Positional(&target->collection, "COLLECTION", "name of the collection");
}

void DeclareAnyDatabaseAndCollection(Arguments& arguments, DatabaseArguments* target) {
  DeclareAnyDatabase(arguments, target);
  DeclareCollection(arguments, target);
}

Result<std::unique_ptr<Database>> OpenDatabaseForReading(const DatabaseArguments& arguments,
                                                         uint32_t search_threads) {
  if (arguments.remote.given()) {
    return Connect(arguments.remote);
  }
  DatabaseOptions options;
  options.read_only = true;
  options.search_threads = search_threads;
  return Database::Open(arguments.database, options);
}

Result<OpenedCollection> OpenForReading(const DatabaseArguments& arguments,
                                        uint32_t search_threads) {
  OpenedCollection opened;
  LEADLINE_ASSIGN_OR_RETURN(opened.database, OpenDatabaseForReading(arguments, search_threads));
  LEADLINE_ASSIGN_OR_RETURN(opened.collection,
                            opened.database->OpenCollection(arguments.collection));
  return opened;
}

Result<std::unique_ptr<Database>> OpenDatabaseForWriting(const DatabaseArguments& arguments,
                                                         const DatabaseOptions& options) {
  return arguments.remote.given() ? Connect(arguments.remote)
                                  : Database::Open(arguments.database, options);
}

Result<OpenedCollection> OpenForWriting(const DatabaseArguments& arguments,
                                        const DatabaseOptions& options) {
  OpenedCollection opened;
  LEADLINE_ASSIGN_OR_RETURN(opened.database, OpenDatabaseForWriting(arguments, options));
  LEADLINE_ASSIGN_OR_RETURN(opened.collection,
                            opened.database->OpenCollection(arguments.collection));
  return opened;
}

Status CloseAfterWriting(OpenedCollection opened) {
  opened.collection.reset();
  return opened.database->Close();
}

Result<std::optional<Filter>> ParseFilterFlag(const std::optional<std::string>& text) {
  if (!text) {
    return std::optional<Filter>();
  }
  Result<Filter> parsed = Filter::Parse(*text);
  if (!parsed.ok()) {
    return parsed.status().WithContext("--filter");
  }
  return std::optional<Filter>(*std::move(parsed));
}

Status ParseDurabilityFlag(const std::string& text, DatabaseOptions* options) {
  static constexpr std::string_view kInterval = "interval:";
  static constexpr uint64_t kMaxIntervalMs = 60000;
  if (text == "sync") {
    options->durability = Durability::kSync;
    return OkStatus();
  }
  if (text == "os") {
    options->durability = Durability::kOs;
    return OkStatus();
  }
  if (text.starts_with(kInterval)) {
    LEADLINE_ASSIGN_OR_RETURN(
        const uint64_t millis,
        ParseNumber("--durability interval", text.substr(kInterval.size()), 1, kMaxIntervalMs));
    options->durability = Durability::kInterval;
    options->interval_ms = static_cast<uint32_t>(millis);
    return OkStatus();
  }
  return InvalidFieldError("unknown durability", "--durability", text, "sync|interval:MS|os");
}

}  // namespace leadline::cli
