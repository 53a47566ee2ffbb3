#pragma once

/// Descriptions and states of collections and databases between processes.

#include <string>

#include "leadline/core/collection.h"
#include "leadline/core/database.h"
#include "leadline/core/options.h"
#include "leadline/core/status.h"
#include "leadline/v1/collections.pb.h"
#include "leadline/v1/maintenance.pb.h"

namespace leadline::rpc {

/// Options as the request means them: the embedder's dimension where none is given, cosine where no
/// metric is, `title` and `text` where an embedder has no text fields. kInvalidArgument, kNotFound
/// (unknown embedder).
Result<CollectionOptions> ReadCreateRequest(const v1::CreateCollectionRequest& in);
/// kInvalidArgument for an index that is not given after all.
Result<CollectionChanges> ReadAlterRequest(const v1::AlterCollectionRequest& in);
void WriteAlterRequest(const std::string& name, const CollectionChanges& changes,
                       v1::AlterCollectionRequest* out);
void WriteCreateRequest(const std::string& name, const CollectionOptions& options,
                        v1::CreateCollectionRequest* out);

void WriteDescription(const std::string& name, const CollectionOptions& options,
                      v1::CollectionDescription* out);
CollectionOptions ReadDescription(const v1::CollectionDescription& in);

void WriteStats(const CollectionStats& stats, v1::CollectionStatsResponse* out);
CollectionStats ReadStats(const v1::CollectionStatsResponse& in);
void WriteStats(const DatabaseStats& stats, v1::DatabaseStatsResponse* out);
DatabaseStats ReadStats(const v1::DatabaseStatsResponse& in);

void WriteCheckReport(const CheckReport& report, v1::CheckResponse* out);
CheckReport ReadCheckReport(const v1::CheckResponse& in);

}  // namespace leadline::rpc
