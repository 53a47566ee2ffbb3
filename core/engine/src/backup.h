#pragma once

#include <memory>
#include <string>

#include "database_core.h"
#include "leadline/core/database.h"
#include "long_call.h"

namespace leadline::engine {

/// Copies one pinned state of `core` into the new directory `target`, while writes go on: every
/// table is read through its checksums and written to a fresh store, then the segment files follow.
/// The copy is made beside it and renamed at the end, so it is whole or absent. Segment files
/// are verified as copied; damaged ones are left out and named in the report.
/// Errors: kAlreadyExists (`target`, or `target`.partial that no earlier backup left),
/// kInvalidArgument (no name), kResourceExhausted (also when less than min_free_bytes would stay
/// free), store and I/O faults, what stops `call`; then nothing is left.
Result<CopyReport> BackupDatabase(const std::shared_ptr<DatabaseCore>& core,
                                  const std::string& target, LongCall* call);

/// Opens `from` read-only, verifies it and copies it to `to` as BackupDatabase does.
Result<CopyReport> RestoreDatabase(const std::string& from, const std::string& to,
                                   const CallOptions& call, FileSystem* file_system);

}  // namespace leadline::engine
