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
  std::shared_ptr<KillLog> kills;
};

using PickBuild = std::function<std::optional<BuildRange>(const ReadState&)>;

/// Freezes the tail where the range is the tail, pins a snapshot and starts to log kills. Takes the
/// commit lock. Nothing when `pick` finds nothing to do. After an error or an exception nothing is
/// frozen or logged.
Result<std::optional<PendingBuild>> StartBuild(DatabaseCore* core, CollectionState* collection,
                                               const PickBuild& pick);

/// Publishes a finished build in the order of the format's contract: files are durable already;
/// synced manifest batch, swap of the in-memory groups with the kills of the meantime re-applied,
/// and only then the inputs are retired. Takes the commit lock.
///
/// On error nothing is published, and an exception becomes one. The new files are deleted while the
/// manifest cannot name them: they failed verification, the collection is gone, the store refused
/// the batch. After a write that itself failed they stay, since the log may hold it; the next open
/// tells.
Status PublishBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
                    const GroupEntry& entry);

/// Forgets a build that was published, failed or was abandoned.
void EndBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
              bool published);

}  // namespace leadline::engine
