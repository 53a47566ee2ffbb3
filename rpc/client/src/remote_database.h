#pragma once

#include <memory>
#include <string>
#include <vector>

#include "leadline/core/database.h"
#include "remote_state.h"

namespace leadline::rpc {

/// A database of a server. See Database and Client.
class RemoteDatabase final : public Database {
 public:
  explicit RemoteDatabase(std::shared_ptr<RemoteState> state) : state_(std::move(state)) {}

  Result<std::shared_ptr<Collection>> CreateCollection(const std::string& name,
                                                       const CollectionOptions& options) override;
  Result<std::shared_ptr<Collection>> OpenCollection(const std::string& name) override;
  Result<std::shared_ptr<Collection>> AlterCollection(const std::string& name,
                                                      const CollectionChanges& changes) override;
  Status DropCollection(const std::string& name) override;
  Result<std::vector<std::string>> ListCollections() override;
  Result<std::shared_ptr<const Snapshot>> TakeSnapshot() override;
  Status Refresh() override;
  Status Flush() override;
  Result<DatabaseStats> Stats() override;
  Result<CopyReport> Backup(const std::string& to, const CallOptions& options) override;
  Result<CheckReport> Check(const CallOptions& options) override;
  Status Close() override;

  [[nodiscard]] const std::shared_ptr<RemoteState>& state() const { return state_; }

 private:
  Status Call(const char* path, const google::protobuf::Message& request,
              google::protobuf::Message* response, const Channel::Limits& limits = {}) const;

  /// The same for what changes nothing, which may be sent again.
  Status Read(const char* path, const google::protobuf::Message& request,
              google::protobuf::Message* response) const;

  const std::shared_ptr<RemoteState> state_;
};

}  // namespace leadline::rpc
