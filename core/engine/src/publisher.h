#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "compaction_policy.h"
#include "database_core.h"
#include "group_builder.h"

namespace leadline::engine {

/// A build between its start and its publication.
struct PendingBuild {
  BuildRange range;
  BuildRequest request;
};

/// Freezes the tail where the range includes it, pins a snapshot and starts to log kills. Takes the
/// commit lock. Nothing when `pick` finds nothing to do.
Result<std::optional<PendingBuild>> StartBuild(
    DatabaseCore* core, CollectionState* collection,
    const std::function<std::optional<BuildRange>(const ReadState&)>& pick);

/// Publishes a finished build in the order of the format's contract: files are durable already;
/// synced manifest batch, swap of the in-memory groups with the kills of the meantime re-applied,
/// and only then the inputs are retired. Takes the commit lock.
Status PublishBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
                    const GroupEntry& entry);

/// Forgets a build that failed or was abandoned.
void AbandonBuild(DatabaseCore* core, CollectionState* collection);

}  // namespace leadline::engine
