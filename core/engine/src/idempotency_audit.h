#pragma once

#include <optional>
#include <string>
#include <vector>

#include "idempotency_entry.h"
#include "leadline/storage/store.h"
#include "long_call.h"

namespace leadline::engine {

/// One key of Table::kMeta that breaks I9, and how repair mends it.
struct IdempotencyProblem {
  std::string key;
  std::optional<std::string> mended;  ///< the value it has to have; nullopt: it has to go
  std::string where;
  std::string detail;
};

struct IdempotencyFindings {
  std::vector<IdempotencyProblem> problems;
  IdempotencyRange range;  ///< one that holds every entry that can be read
};

/// Reads every entry of an idempotency key and every turn: each can be read, each entry has its
/// turn and no other, and the range holds them all. A turn may name an entry that is gone.
/// `snapshot` null reads the newest state. An error is only what stopped the call or was not read.
/// Cost: two reads an entry.
Result<IdempotencyFindings> AuditIdempotency(kv::Store* store, const kv::StoreSnapshot* snapshot,
                                             LongCall* call);

}  // namespace leadline::engine
