#pragma once

/// What answers each method. A file handlers_<service>.cc for every service of rpc/proto.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "job_table.h"
#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_context.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/page_source.h"
#include "leadline/v1/search.pb.h"
#include "lease_table.h"
#include "search_gatherer.h"

namespace leadline::rpc {

/// What handlers work on. Borrowed; outlives them.
struct ServiceParts {
  Database* database = nullptr;
  LeaseTable* leases = nullptr;
  JobTable* jobs = nullptr;
  Clock* clock = nullptr;
  std::string backup_directory;  ///< empty: no backups
  std::function<std::string()> metrics;
};

/// One answer that is made in steps, because as a whole it would keep others waiting. Externally
/// synchronised.
class AnswerSteps {
 public:
  virtual ~AnswerSteps() = default;

  /// Adds the next part to `response` and says whether another follows.
  virtual Result<bool> Next(const CallContext& context, google::protobuf::Message* response) = 0;

  /// Turns of its caller that the last part took, at least 1: a call with one query is one.
  [[nodiscard]] virtual uint64_t turns() const = 0;
};

/// Handlers by method. Filled once, then only read.
class HandlerTable {
 public:
  using Answer = std::function<Status(const CallContext&, const google::protobuf::Message&,
                                      google::protobuf::Message*)>;
  using StartSteps = std::function<Result<std::unique_ptr<AnswerSteps>>(
      const CallContext&, const google::protobuf::Message&)>;
  using StartPages = std::function<Result<std::unique_ptr<PageSource>>(
      const CallContext&, const google::protobuf::Message&)>;

  /// `answer` answers each request of `path`.
  template <typename Request, typename Response>
  void AddAnswer(std::string_view path, const ServiceParts& parts,
                 Status (*answer)(const ServiceParts&, const CallContext&, const Request&,
                                  Response*)) {
    answers_[FindMethod(path)] = [parts, answer](const CallContext& context,
                                                 const google::protobuf::Message& request,
                                                 google::protobuf::Message* response) {
      return answer(parts, context, static_cast<const Request&>(request),
                    static_cast<Response*>(response));
    };
  }

  /// `start` gives the steps that answer each request of `path`, which stays until the last.
  template <typename Request>
  void AddSteps(std::string_view path, const ServiceParts& parts,
                Result<std::unique_ptr<AnswerSteps>> (*start)(const ServiceParts&,
                                                              const CallContext&, const Request&)) {
    steps_[FindMethod(path)] = [parts, start](const CallContext& context,
                                              const google::protobuf::Message& request) {
      return start(parts, context, static_cast<const Request&>(request));
    };
  }

  /// `start` gives the pages of `path`.
  template <typename Request>
  void AddPages(std::string_view path, const ServiceParts& parts,
                Result<std::unique_ptr<PageSource>> (*start)(const ServiceParts&,
                                                             const CallContext&, const Request&)) {
    pages_[FindMethod(path)] = [parts, start](const CallContext& context,
                                              const google::protobuf::Message& request) {
      return start(parts, context, static_cast<const Request&>(request));
    };
  }

  /// Null where there is none.
  [[nodiscard]] const Answer* FindAnswer(const Method& method) const {
    const auto found = answers_.find(&method);
    return found != answers_.end() ? &found->second : nullptr;
  }

  [[nodiscard]] const StartSteps* FindSteps(const Method& method) const {
    const auto found = steps_.find(&method);
    return found != steps_.end() ? &found->second : nullptr;
  }

  [[nodiscard]] const StartPages* FindPages(const Method& method) const {
    const auto found = pages_.find(&method);
    return found != pages_.end() ? &found->second : nullptr;
  }

 private:
  std::map<const Method*, Answer> answers_;
  std::map<const Method*, StartSteps> steps_;
  std::map<const Method*, StartPages> pages_;
};

/// What a search needs to be answered with others. Nullopt where it has to be answered by itself:
/// a snapshot, a plan or groups are asked for, or many hits; and where anything is wrong with it.
std::optional<GatherableSearch> ReadGatherable(Database* database,
                                               const v1::SearchRequest& request);

void AddCollectionHandlers(const ServiceParts& parts, HandlerTable* table);
void AddRecordHandlers(const ServiceParts& parts, HandlerTable* table);
void AddSearchHandlers(const ServiceParts& parts, HandlerTable* table);
void AddSnapshotHandlers(const ServiceParts& parts, HandlerTable* table);
void AddEvaluationHandlers(const ServiceParts& parts, HandlerTable* table);
void AddMaintenanceHandlers(const ServiceParts& parts, HandlerTable* table);
void AddReflectionHandlers(const ServiceParts& parts, HandlerTable* table);

}  // namespace leadline::rpc
