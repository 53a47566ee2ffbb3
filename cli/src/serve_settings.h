#pragma once

#include <cstdint>
#include <string>

#include "arguments.h"
#include "database_opening.h"
#include "leadline/core/options.h"
#include "leadline/core/status.h"
#include "leadline/rpc/token_store.h"
#include "listen_arguments.h"
#include "serve_logs.h"

namespace leadline::cli {

/// All that decides how a server runs.
struct ServeSettings {
  DatabaseArguments where;
  ListenArguments listen;
  bool reflection = false;
  std::string durability = "sync";
  std::string backups;
  uint64_t threads = 1;
  uint64_t memory_budget_bytes = 0;
  bool lock_memory = false;
  uint64_t seal_idle_ms = 5000;
  uint64_t background_nice = 5;  ///< searches come first
  uint64_t searches = 0;
  uint64_t gather_us = 0;
  uint64_t drain_ms = 10'000;
  uint64_t rate = 0;
  ServeLogArguments logs;
};

/// Flags, keys of a file, names of the environment, help and documentation come from here.
void DeclareServeSettings(Arguments& arguments, ServeSettings* target);

/// What the database is opened with. Looks at everything that can be found wrong without opening it
/// or listening: addresses and who reaches them, TLS files, tokens, directories. kInvalidArgument
/// about a flag, kFailedPrecondition about a directory that is missing; the errors of reading.
Result<DatabaseOptions> CheckServeSettings(const ServeSettings& settings, rpc::TokenStore* tokens);

}  // namespace leadline::cli
