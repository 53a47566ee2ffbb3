#pragma once

#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "leadline/core/database.h"
#include "remote_arguments.h"

namespace leadline::cli {

/// Words every database command begins with.
struct DatabaseArguments {
  std::string database;
  std::string collection;
  RemoteArguments remote = {};

  /// The directory, or the address of the server.
  [[nodiscard]] const std::string& place() const {
    return remote.given() ? remote.address : database;
  }
};

/// DB, a directory of this machine.
void DeclareDatabase(Arguments& arguments, DatabaseArguments* target);
/// DB, or --remote in its place.
void DeclareAnyDatabase(Arguments& arguments, DatabaseArguments* target);
void DeclareCollection(Arguments& arguments, DatabaseArguments* target);
/// DB COLLECTION, or --remote in the place of DB.
void DeclareAnyDatabaseAndCollection(Arguments& arguments, DatabaseArguments* target);

/// A collection and the database that holds it; the database closes last.
struct OpenedCollection {
  std::unique_ptr<Database> database;
  std::shared_ptr<Collection> collection;
};

/// Opens beside a running writer; writes nothing. A server is connected to: what it is and does is
/// its own matter, `search_threads` and options too.
Result<std::unique_ptr<Database>> OpenDatabaseForReading(const DatabaseArguments& arguments,
                                                         uint32_t search_threads = 1);
Result<OpenedCollection> OpenForReading(const DatabaseArguments& arguments,
                                        uint32_t search_threads = 1);
/// Opens as the one writer; kFailedPrecondition names the process that is it already. Or connects.
Result<std::unique_ptr<Database>> OpenDatabaseForWriting(const DatabaseArguments& arguments,
                                                         const DatabaseOptions& options = {});
Result<OpenedCollection> OpenForWriting(const DatabaseArguments& arguments,
                                        const DatabaseOptions& options = {});
/// Releases the collection, then closes the database; call it before telling that all went well.
Status CloseAfterWriting(OpenedCollection opened);

/// Parses "--filter"; the error names the flag.
Result<std::optional<Filter>> ParseFilterFlag(const std::optional<std::string>& text);
/// Parses "sync", "os" or "interval:MS" into `options`.
Status ParseDurabilityFlag(const std::string& text, DatabaseOptions* options);

}  // namespace leadline::cli
