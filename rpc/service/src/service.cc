#include "leadline/rpc/service.h"

#include <exception>
#include <thread>
#include <utility>

#include "handlers.h"
#include "leadline/rpc/field_rules.h"
#include "leadline/v1/health.pb.h"

namespace leadline::rpc {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kHealthPath = "/grpc.health.v1.Health/Check";

size_t SlotsOf(const ServiceOptions& options) {
  const size_t processors = std::thread::hardware_concurrency();
  return options.search_slots != 0 ? options.search_slots : std::max<size_t>(1, processors);
}

/// Runs `work`; whatever it throws becomes an error, so that one call cannot end the others.
template <typename Work>
auto Contained(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return OutOfMemoryError();
  } catch (const std::exception& error) {
    return InternalError(std::string("unexpected exception: ") + error.what());
  }
}

}  // namespace

struct Service::Parts {
  explicit Parts(Clock* clock) : leases(clock) {}

  LeaseTable leases;
  HandlerTable handlers;
};

Service::Service(Database* database, TokenStore* tokens, const ServiceOptions& options)
    : tokens_(tokens), parts_(std::make_unique<Parts>(Clock::System())) {
  const ServiceParts parts{database, &parts_->leases, options.backup_directory};
  AddCollectionHandlers(parts, &parts_->handlers);
  AddRecordHandlers(parts, &parts_->handlers);
  AddSearchHandlers(parts, &parts_->handlers);
  AddSnapshotHandlers(parts, &parts_->handlers);
  AddMaintenanceHandlers(parts, &parts_->handlers);
  const auto lane = [this](v1::Work work) -> std::unique_ptr<Lane>& {
    return lanes_[static_cast<size_t>(work)];
  };
  lane(v1::WORK_SEARCH) = NewCallerLane(SlotsOf(options), options.search_queue);
  lane(v1::WORK_BLOCKING) = NewThreadLane(options.blocking_threads, options.blocking_queue);
  lane(v1::WORK_LONG) = NewThreadLane(options.long_threads, options.long_queue);
}

Service::~Service() = default;

Result<Caller> Service::Authenticate(std::string_view authorization) {
  LEADLINE_ASSIGN_OR_RETURN(const bool required, tokens_->required());
  if (!required) {
    return Caller{"", v1::ROLE_ADMIN, true, {}};
  }
  if (authorization.empty()) {
    return Caller{};
  }
  if (!authorization.starts_with(kBearer)) {
    return Status(StatusCode::kUnauthenticated, "authorization is not of the form: Bearer TOKEN");
  }
  return tokens_->Authenticate(authorization.substr(kBearer.size()));
}

Status Service::Submit(const Method& method, std::function<void()> work) {
  if (!ready() && method.path != kHealthPath) {
    return UnavailableError("the server is stopping");
  }
  Lane* lane = lanes_[static_cast<size_t>(method.rule.work())].get();
  if (lane == nullptr) {
    work();
    return {};
  }
  return lane->Submit(std::move(work))
             ? OkStatus()
             : ResourceExhaustedError("too many calls wait; try again later");
}

Status Service::CheckRequest(const Method& method, const CallContext& context,
                             const google::protobuf::Message& request) {
  LEADLINE_RETURN_IF_ERROR(CheckFields(request));
  if (method.collection == nullptr) {
    return {};
  }
  const std::string collection = request.GetReflection()->GetString(request, method.collection);
  return context.caller->MayTouch(collection)
             ? OkStatus()
             : PermissionDeniedError("the token is for other collections: collection=" +
                                     collection);
}

Status Service::Answer(const Method& method, const CallContext& context,
                       const google::protobuf::Message& request,
                       google::protobuf::Message* response) {
  return Contained([&]() -> Status {
    if (method.path == kHealthPath) {
      static_cast<v1::HealthResponse*>(response)->set_status(
          ready() ? v1::HealthResponse::SERVING : v1::HealthResponse::NOT_SERVING);
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(CheckRequest(method, context, request));
    const HandlerTable::Answer* answer = parts_->handlers.FindAnswer(method);
    return answer != nullptr ? (*answer)(context, request, response)
                             : InternalError("no handler for " + method.path);
  });
}

Result<std::unique_ptr<PageSource>> Service::StartPages(const Method& method,
                                                        const CallContext& context,
                                                        const google::protobuf::Message& request) {
  return Contained([&]() -> Result<std::unique_ptr<PageSource>> {
    LEADLINE_RETURN_IF_ERROR(CheckRequest(method, context, request));
    const HandlerTable::StartPages* start = parts_->handlers.FindPages(method);
    if (start == nullptr) {
      return InternalError("no handler for " + method.path);
    }
    return (*start)(context, request);
  });
}

Result<bool> Service::NextPage(PageSource* pages, const CallContext& context,
                               google::protobuf::Message* response) {
  return Contained([&]() { return pages->Next(context, response); });
}

void Service::Tick() {
  parts_->leases.DropExpired();
}

}  // namespace leadline::rpc
