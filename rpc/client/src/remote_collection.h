#pragma once

#include <memory>
#include <string>

#include "channel.h"
#include "leadline/core/collection.h"
#include "leadline/v1/collections.pb.h"
#include "leadline/v1/search.pb.h"
#include "remote_state.h"

namespace leadline::rpc {

/// A collection of a server. See Collection.
class RemoteCollection final : public Collection {
 public:
  RemoteCollection(std::shared_ptr<RemoteState> state,
                   const v1::CollectionDescription& description);

  [[nodiscard]] const std::string& name() const override { return name_; }

  [[nodiscard]] const CollectionOptions& options() const override { return options_; }

  Result<WriteResult> Write(const WriteBatch& batch) override;
  Result<WriteResult> Upsert(std::vector<Record> records) override;
  Result<WriteResult> Delete(const std::vector<std::string>& ids) override;
  Result<WriteResult> DeleteWhere(const Filter& filter, const DeleteOptions& options) override;
  Result<std::vector<std::optional<Record>>> Get(const std::vector<std::string>& ids,
                                                 const ReadOptions& options) override;
  Result<uint64_t> Count(const std::optional<Filter>& filter, const ReadOptions& options) override;
  Result<ScrollPage> Scroll(const ScrollOptions& options) override;
  Result<SearchResponse> Search(VectorView query, const SearchOptions& options) override;
  void SearchAsync(VectorView query, const SearchOptions& options,
                   const SearchAnswered& answered) override;
  Result<std::vector<SearchResponse>> SearchBatch(MatrixView queries,
                                                  const SearchOptions& options) override;
  Result<SearchResponse> SearchText(std::string_view text, const SearchOptions& options) override;
  Result<SearchResponse> SearchId(std::string_view id, const SearchOptions& options) override;
  Result<std::shared_ptr<const Embedder>> OpenEmbedder() override;
  Result<CollectionStats> Stats() override;
  Status Optimize(const CallOptions& options) override;

 private:
  /// Calls with the name of this collection in the request.
  template <typename Request>
  Status Call(const char* path, Request* request, google::protobuf::Message* response,
              const Channel::Limits& limits, Repeat repeat) const;
  /// Sends a change of one batch, with `key` or, where that is empty, with one of its own.
  template <typename Request>
  Result<WriteResult> SendWrite(const char* path, Request* request, const std::string& key) const;
  Status WriteOptions(const SearchOptions& options, v1::SearchRequest* request) const;
  Result<SearchResponse> SearchFor(v1::SearchRequest* request, const SearchOptions& options) const;
  /// Appends the answers to `rows` of `queries`, few enough for one call.
  Status SearchRows(MatrixView queries, size_t begin, size_t end, const v1::SearchOptions& options,
                    const Channel::Limits& limits, std::vector<SearchResponse>* out) const;

  const std::shared_ptr<RemoteState> state_;
  const std::string name_;
  const CollectionOptions options_;
  const std::string embedder_version_;
};

}  // namespace leadline::rpc
