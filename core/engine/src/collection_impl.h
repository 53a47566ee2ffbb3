#pragma once

#include <memory>
#include <string>
#include <vector>

#include "database_handle.h"
#include "leadline/core/collection.h"
#include "read_view.h"

namespace leadline::engine {

/// The public Collection over the shared handle. Immutable itself; see Collection for threads.
class CollectionImpl final : public Collection {
 public:
  CollectionImpl(std::shared_ptr<DatabaseHandle> database, CollectionEntry entry)
      : database_(std::move(database)), entry_(std::move(entry)) {}

  [[nodiscard]] const std::string& name() const override { return entry_.name; }

  [[nodiscard]] const CollectionOptions& options() const override { return entry_.options; }

  Result<WriteResult> Write(const WriteBatch& batch) override;
  Result<WriteResult> Upsert(std::vector<Record> records) override;
  Result<WriteResult> Delete(const std::vector<std::string>& ids) override;
  Result<WriteResult> DeleteWhere(const Filter& filter, const DeleteOptions& options) override;

  Result<std::vector<std::optional<Record>>> Get(const std::vector<std::string>& ids,
                                                 const ReadOptions& options) override;
  Result<uint64_t> Count(const std::optional<Filter>& filter, const ReadOptions& options) override;
  Result<ScrollPage> Scroll(const ScrollOptions& options) override;

  Result<SearchResponse> Search(VectorView query, const SearchOptions& options) override;
  Result<std::vector<SearchResponse>> SearchBatch(MatrixView queries,
                                                  const SearchOptions& options) override;
  Result<SearchResponse> SearchText(std::string_view text, const SearchOptions& options) override;
  Result<SearchResponse> SearchId(std::string_view id, const SearchOptions& options) override;

  [[nodiscard]] Result<std::shared_ptr<const Embedder>> OpenEmbedder() override;

  Result<CollectionStats> Stats() override;
  Status Optimize(const CallOptions& options) override;

 private:
  /// State of this very collection in `core`; kNotFound once it was dropped.
  Result<std::shared_ptr<CollectionState>> StateIn(DatabaseCore* core) const;
  Result<CallControl> Control(int64_t timeout_ms, const CancelToken* cancel);
  Result<ReadView> View(const std::shared_ptr<const Snapshot>& snapshot,
                        const std::optional<Filter>& filter);
  Result<WriteResult> Commit(std::vector<PreparedOp> ops, WriteKey key = {});
  Result<std::vector<SearchResponse>> SearchRows(MatrixView queries, const SearchOptions& options,
                                                 bool share_scan);
  Result<uint64_t> ScanCount(const ReadView& view, const CallControl& control);

  const std::shared_ptr<DatabaseHandle> database_;
  const CollectionEntry entry_;
};

}  // namespace leadline::engine
