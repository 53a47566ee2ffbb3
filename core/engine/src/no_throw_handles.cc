#include "no_throw_handles.h"

#include <utility>

#include "leadline/core/no_throw.h"

namespace leadline::engine {
namespace {

class NoThrowCollection final : public Collection {
 public:
  explicit NoThrowCollection(std::shared_ptr<Collection> collection)
      : collection_(std::move(collection)) {}

  [[nodiscard]] const std::string& name() const override { return collection_->name(); }

  [[nodiscard]] const CollectionOptions& options() const override { return collection_->options(); }

  Result<WriteResult> Write(const WriteBatch& batch) override {
    return NoThrow([&] { return collection_->Write(batch); });
  }

  Result<WriteResult> Upsert(std::vector<Record> records) override {
    return NoThrow([&] { return collection_->Upsert(std::move(records)); });
  }

  Result<WriteResult> Delete(const std::vector<std::string>& ids) override {
    return NoThrow([&] { return collection_->Delete(ids); });
  }

  Result<WriteResult> DeleteWhere(const Filter& filter, const DeleteOptions& options) override {
    return NoThrow([&] { return collection_->DeleteWhere(filter, options); });
  }

  Result<std::vector<std::optional<Record>>> Get(const std::vector<std::string>& ids,
                                                 const ReadOptions& options) override {
    return NoThrow([&] { return collection_->Get(ids, options); });
  }

  Result<uint64_t> Count(const std::optional<Filter>& filter, const ReadOptions& options) override {
    return NoThrow([&] { return collection_->Count(filter, options); });
  }

  Result<ScrollPage> Scroll(const ScrollOptions& options) override {
    return NoThrow([&] { return collection_->Scroll(options); });
  }

  Result<SearchResponse> Search(VectorView query, const SearchOptions& options) override {
    return NoThrow([&] { return collection_->Search(query, options); });
  }

  Result<std::vector<SearchResponse>> SearchBatch(MatrixView queries,
                                                  const SearchOptions& options) override {
    return NoThrow([&] { return collection_->SearchBatch(queries, options); });
  }

  Result<SearchResponse> SearchText(std::string_view text, const SearchOptions& options) override {
    return NoThrow([&] { return collection_->SearchText(text, options); });
  }

  Result<SearchResponse> SearchId(std::string_view id, const SearchOptions& options) override {
    return NoThrow([&] { return collection_->SearchId(id, options); });
  }

  [[nodiscard]] Result<std::shared_ptr<const Embedder>> OpenEmbedder() override {
    return NoThrow([&] { return collection_->OpenEmbedder(); });
  }

  Result<CollectionStats> Stats() override {
    return NoThrow([&] { return collection_->Stats(); });
  }

  Status Optimize(const CallOptions& options) override {
    return NoThrow([&] { return collection_->Optimize(options); });
  }

 private:
  const std::shared_ptr<Collection> collection_;
};

class NoThrowDatabase final : public Database {
 public:
  explicit NoThrowDatabase(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::shared_ptr<Collection>> CreateCollection(const std::string& name,
                                                       const CollectionOptions& options) override {
    return NoThrow([&] { return database_->CreateCollection(name, options); });
  }

  Result<std::shared_ptr<Collection>> OpenCollection(const std::string& name) override {
    return NoThrow([&] { return database_->OpenCollection(name); });
  }

  Result<std::shared_ptr<Collection>> AlterCollection(const std::string& name,
                                                      const CollectionChanges& changes) override {
    return NoThrow([&] { return database_->AlterCollection(name, changes); });
  }

  Status DropCollection(const std::string& name) override {
    return NoThrow([&] { return database_->DropCollection(name); });
  }

  Result<std::vector<std::string>> ListCollections() override {
    return NoThrow([&] { return database_->ListCollections(); });
  }

  Result<std::shared_ptr<const Snapshot>> TakeSnapshot() override {
    return NoThrow([&] { return database_->TakeSnapshot(); });
  }

  Status Refresh() override {
    return NoThrow([&] { return database_->Refresh(); });
  }

  Status Flush() override {
    return NoThrow([&] { return database_->Flush(); });
  }

  Result<DatabaseStats> Stats() override {
    return NoThrow([&] { return database_->Stats(); });
  }

  Result<CopyReport> Backup(const std::string& to, const CallOptions& options) override {
    return NoThrow([&] { return database_->Backup(to, options); });
  }

  Result<CheckReport> Check(const CallOptions& options) override {
    return NoThrow([&] { return database_->Check(options); });
  }

  Status Close() override {
    return NoThrow([&] { return database_->Close(); });
  }

 private:
  const std::unique_ptr<Database> database_;
};

}  // namespace

std::unique_ptr<Database> WithoutThrowing(std::unique_ptr<Database> database) {
  return std::make_unique<NoThrowDatabase>(std::move(database));
}

std::shared_ptr<Collection> WithoutThrowing(std::shared_ptr<Collection> collection) {
  return std::make_shared<NoThrowCollection>(std::move(collection));
}

}  // namespace leadline::engine
