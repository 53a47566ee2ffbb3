#pragma once

#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "leadline/core/database.h"

namespace leadline::cli {

/// Words every database command begins with.
struct DatabaseArguments {
  std::string database;
  std::string collection;
};

void DeclareDatabase(Arguments& arguments, DatabaseArguments* target);
void DeclareCollection(Arguments& arguments, DatabaseArguments* target);
/// DB COLLECTION.
void DeclareDatabaseAndCollection(Arguments& arguments, DatabaseArguments* target);

/// A collection and the database that holds it; the database closes last.
struct OpenedCollection {
  std::unique_ptr<Database> database;
  std::shared_ptr<Collection> collection;
};

/// Opens beside a running writer; writes nothing.
Result<std::unique_ptr<Database>> OpenForReading(const std::string& path,
                                                 uint32_t search_threads = 1);
Result<OpenedCollection> OpenForReading(const DatabaseArguments& arguments,
                                        uint32_t search_threads = 1);
/// Opens as the one writer; kFailedPrecondition names the process that is it already.
Result<std::unique_ptr<Database>> OpenForWriting(const std::string& path);
Result<OpenedCollection> OpenForWriting(const DatabaseArguments& arguments,
                                        const DatabaseOptions& options = {});
/// Releases the collection, then closes the database; call it before telling that all went well.
Status CloseAfterWriting(OpenedCollection opened);

/// Parses "--filter"; the error names the flag.
Result<std::optional<Filter>> ParseFilterFlag(const std::optional<std::string>& text);
/// Parses "sync", "os" or "interval:MS" into `options`.
Status ParseDurabilityFlag(const std::string& text, DatabaseOptions* options);

}  // namespace leadline::cli
