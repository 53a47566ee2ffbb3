#include "leadline/rpc/service.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "call_book.h"
#include "caller_use.h"
#include "handlers.h"
#include "lane_names.h"
#include "leadline/core/version.h"
#include "leadline/rpc/field_rules.h"
#include "leadline/simd/level.h"
#include "leadline/v1/health.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/reflection.pb.h"
#include "leadline/v1/search.pb.h"
#include "metric_families.h"
#include "search_gatherer.h"

namespace leadline::rpc {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kHealthPath = "/grpc.health.v1.Health/Check";
constexpr std::string_view kSearchPath = "/leadline.v1.Search/Search";
constexpr int64_t kNanosPerMicro = 1000;
/// Advice to whoever met a limit of which nobody knows when it lets go.
constexpr int64_t kRetryAfterMs = 100;

/// One more than processors: while one search ends and its answer is sent, another one goes on.
size_t SlotsOf(const ServiceOptions& options) {
  const size_t processors = std::thread::hardware_concurrency();
  return options.search_slots != 0 ? options.search_slots : std::max<size_t>(1, processors) + 1;
}

/// Notes why a call is turned away.
void NoteRefusal(const Status& status, CallRecord* record) {
  if (status.code() == StatusCode::kUnauthenticated) {
    record->refusal = Refusal::kUnauthenticated;
  } else if (status.code() == StatusCode::kPermissionDenied) {
    record->refusal = Refusal::kPermission;
  }
}

/// Advice beside an error of the library. `record` may be null.
void NoteOutcome(const Status& status, CallRecord* record) {
  if (record != nullptr && status.code() == StatusCode::kResourceExhausted &&
      record->retry_after_ms == 0) {
    record->retry_after_ms = kRetryAfterMs;
  }
}

/// Who waits, where the call has to: its token, or else where it comes from.
WhoAsks CallerOf(const CallRecord* record) {
  return [record] {
    return !record->token_id.empty() || !record->peer ? record->token_id : record->peer();
  };
}

/// The call waits no longer.
void NoteTurn(Clock* clock, CallRecord* record) {
  record->began_nanos = clock->MonotonicNanos();
  record->queue_nanos += record->began_nanos - record->submitted_nanos;
}

/// Adds to the record's work what passes since the call began or, after that, since the last of
/// these ended.
class WorkTime {
 public:
  WorkTime(Clock* clock, CallRecord* record) : clock_(clock), record_(record) {
    if (record_ != nullptr && record_->began_nanos == 0) {
      record_->began_nanos = clock_->MonotonicNanos();
    }
  }

  WorkTime(const WorkTime&) = delete;
  WorkTime& operator=(const WorkTime&) = delete;

  ~WorkTime() {
    if (record_ != nullptr) {
      const int64_t now = clock_->MonotonicNanos();
      record_->work_nanos += now - record_->began_nanos;
      record_->began_nanos = now;
    }
  }

 private:
  Clock* const clock_;
  CallRecord* const record_;
};

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
  Parts(Database* served, const ServiceOptions& options, Clock* clock)
      : database(served),
        use(clock),
        book(options, clock),
        leases(clock),
        jobs(clock, {options.evaluations, options.evaluation_queue}) {}

  Database* const database;
  CallerUse use;
  CallBook book;
  LeaseTable leases;
  HandlerTable handlers;
  std::unique_ptr<SearchGatherer> gatherer;  // null where every search is answered by itself
  JobTable jobs;                             // last: what runs in it uses the database
};

struct Service::OpenAnswer {
  const Method* method;
  CallContext context;
  google::protobuf::Message* response;
  Answered answered;
  std::unique_ptr<AnswerSteps> steps;
};

Service::Service(Database* database, TokenStore* tokens, const ServiceOptions& options)
    : tokens_(tokens),
      clock_(options.clock != nullptr ? options.clock : Clock::System()),
      parts_(std::make_unique<Parts>(database, options, clock_)) {
  const ServiceParts parts{database, &parts_->leases,          &parts_->jobs,
                           clock_,   options.backup_directory, [this] { return MetricsText(); }};
  AddCollectionHandlers(parts, &parts_->handlers);
  AddRecordHandlers(parts, &parts_->handlers);
  AddSearchHandlers(parts, &parts_->handlers);
  AddSnapshotHandlers(parts, &parts_->handlers);
  AddEvaluationHandlers(parts, &parts_->handlers);
  AddMaintenanceHandlers(parts, &parts_->handlers);
  if (options.reflection) {
    AddReflectionHandlers(parts, &parts_->handlers);
  }
  const auto lane = [this](v1::Work work) -> std::unique_ptr<Lane>& {
    return lanes_[static_cast<size_t>(work)];
  };
  CallerUse* const use = options.ahead_yields ? &parts_->use : nullptr;
  lane(v1::WORK_SEARCH) = NewCallerLane(SlotsOf(options), options.search_queue, use);
  lane(v1::WORK_BLOCKING) = NewThreadLane(options.blocking_threads, options.blocking_queue, use);
  lane(v1::WORK_LONG) = NewThreadLane(options.long_threads, options.long_queue, use);
  if (options.gather_micros > 0) {
    parts_->gatherer = std::make_unique<SearchGatherer>(
        lane(v1::WORK_SEARCH).get(), clock_,
        static_cast<int64_t>(options.gather_micros) * kNanosPerMicro,
        parts_->book.mutable_metrics());
  }
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

Result<Caller> Service::Admit(const Arrival& arrival, CallRecord* record) {
  parts_->book.Arrived(arrival, record);
  if (arrival.method == nullptr || !Offers(*arrival.method)) {
    return UnimplementedError("no such method: " + std::string(arrival.path.substr(0, 256)));
  }
  Result<Caller> caller = Authenticate(arrival.authorization);
  if (!caller.ok()) {
    NoteRefusal(caller.status(), record);
    return caller;
  }
  record->token_id = caller->token_id;
  const Status role = CheckRole(*arrival.method, *caller);
  if (!role.ok()) {
    NoteRefusal(role, record);
    return role;
  }
  if (arrival.method->rule.role() > v1::ROLE_PUBLIC) {
    LEADLINE_RETURN_IF_ERROR(parts_->book.TakeOne(*caller, record));
  }
  return caller;
}

bool Service::Offers(const Method& method) const {
  const bool reflects = method.request->GetDescriptor() == v1::ReflectionRequest::descriptor();
  return !reflects || parts_->handlers.FindAnswer(method) != nullptr;
}

void Service::Ended(const CallRecord& record, const Status& status) {
  parts_->book.Ended(record, status);
}

Status Service::Submit(const Method& method, CallRecord* record, std::function<void()> work) {
  if (!ready() && method.path != kHealthPath) {
    record->refusal = Refusal::kStopping;
    return UnavailableError("the server is stopping");
  }
  Lane* lane = lanes_[static_cast<size_t>(method.rule.work())].get();
  record->submitted_nanos = clock_->MonotonicNanos();
  if (lane == nullptr) {
    record->began_nanos = record->submitted_nanos;
    work();
    return {};
  }
  auto turn = [this, record, work = std::move(work)] {
    NoteTurn(clock_, record);
    work();
  };
  // Once it was taken the call may end before this thread goes on.
  const bool taken = MayBeGathered(method) ? lane->SubmitAlong(CallerOf(record), std::move(turn))
                                           : lane->Submit(CallerOf(record), std::move(turn));
  if (taken) {
    return {};
  }
  record->refusal = Refusal::kQueue;
  record->retry_after_ms = kRetryAfterMs;
  return ResourceExhaustedError("too many calls wait; try again later");
}

bool Service::MayBeGathered(const Method& method) const {
  return parts_->gatherer != nullptr && method.path == kSearchPath;
}

Status Service::Health(const std::string& name, v1::HealthResponse* response) const {
  const std::vector<Method>& methods = Methods();
  const bool known =
      name.empty() || std::any_of(methods.begin(), methods.end(), [&](const Method& method) {
        return method.path.starts_with("/" + name + "/") && Offers(method);
      });
  if (!known) {
    return NotFoundError("no such service: " + name.substr(0, 256));
  }
  response->set_status(ready() ? v1::HealthResponse::SERVING : v1::HealthResponse::NOT_SERVING);
  return {};
}

void Service::EndStage(CallRecord* record, int64_t CallRecord::*stage) {
  const int64_t now = clock_->MonotonicNanos();
  record->*stage += now - record->began_nanos;
  record->began_nanos = now;
}

Status Service::CheckRequest(const Method& method, const CallContext& context,
                             const google::protobuf::Message& request) {
  LEADLINE_RETURN_IF_ERROR(CheckFields(request));
  if (method.collection == nullptr) {
    return {};
  }
  const std::string collection = request.GetReflection()->GetString(request, method.collection);
  if (context.record != nullptr) {
    context.record->collection = collection;
  }
  if (context.caller->MayTouch(collection)) {
    return {};
  }
  Status refused =
      PermissionDeniedError("the token is for other collections: collection=" + collection);
  if (context.record != nullptr) {
    NoteRefusal(refused, context.record);
  }
  return refused;
}

Result<bool> Service::Handle(const Method& method, const CallContext& context,
                             const google::protobuf::Message& request,
                             google::protobuf::Message* response,
                             std::unique_ptr<AnswerSteps>* steps) {
  if (method.path == kHealthPath) {
    LEADLINE_RETURN_IF_ERROR(Health(static_cast<const v1::HealthRequest&>(request).service(),
                                    static_cast<v1::HealthResponse*>(response)));
    return false;
  }
  if (method.shape == CallShape::kAnswers && context.record != nullptr) {
    LEADLINE_RETURN_IF_ERROR(parts_->book.TakeOne(*context.caller, context.record));
  }
  LEADLINE_RETURN_IF_ERROR(CheckRequest(method, context, request));
  if (const HandlerTable::StartSteps* start = parts_->handlers.FindSteps(method)) {
    LEADLINE_ASSIGN_OR_RETURN(*steps, (*start)(context, request));
    return (*steps)->Next(context, response);
  }
  const HandlerTable::Answer* answer = parts_->handlers.FindAnswer(method);
  if (answer == nullptr) {
    return InternalError("no handler for " + method.path);
  }
  LEADLINE_RETURN_IF_ERROR((*answer)(context, request, response));
  return false;
}

Result<bool> Service::Begin(const Method& method, const CallContext& context,
                            const google::protobuf::Message& request,
                            google::protobuf::Message* response,
                            std::unique_ptr<AnswerSteps>* steps) {
  const WorkTime time(clock_, context.record);
  return Contained([&] { return Handle(method, context, request, response, steps); });
}

Result<bool> Service::GoOn(AnswerSteps* steps, const CallContext& context,
                           google::protobuf::Message* response) {
  const WorkTime time(clock_, context.record);
  return Contained([&] { return steps->Next(context, response); });
}

void Service::NoteAnswer(const Status& status, const google::protobuf::Message& response,
                         CallRecord* record) {
  NoteOutcome(status, record);
  if (status.ok() && record != nullptr &&
      response.GetDescriptor() == v1::WriteResponse::descriptor()) {
    const auto& written = static_cast<const v1::WriteResponse&>(response);
    record->sequence = written.sequence();
    record->count += written.count();
  }
}

Status Service::Answer(const Method& method, const CallContext& context,
                       const google::protobuf::Message& request,
                       google::protobuf::Message* response) {
  std::unique_ptr<AnswerSteps> steps;
  Result<bool> more = Begin(method, context, request, response, &steps);
  while (more.ok() && *more) {
    more = GoOn(steps.get(), context, response);
  }
  NoteAnswer(more.status(), *response, context.record);
  return more.status();
}

bool Service::Gather(const Method& method, const CallContext& context,
                     const google::protobuf::Message& request, google::protobuf::Message* response,
                     const Answered& answered) {
  std::optional<GatherableCall> call;
  {
    const WorkTime time(clock_, context.record);
    Contained([&] {
      const auto& search = static_cast<const v1::SearchRequest&>(request);
      LEADLINE_RETURN_IF_ERROR(CheckRequest(method, context, request));
      std::optional<GatherableSearch> read = ReadGatherable(parts_->database, search);
      if (read) {
        call = GatherableCall{*std::move(read),
                              &search.options(),
                              context,
                              static_cast<v1::SearchResponse*>(response),
                              answered,
                              [this, &method, context, &request, response, answered] {
                                AnswerAlone(method, context, request, response, answered);
                              }};
      }
      return OkStatus();
    }).IgnoreError();  // alone it fails again, and says why
  }
  if (!call) {
    return false;
  }
  parts_->gatherer->Answer(*std::move(call));
  return true;
}

void Service::AnswerInTurns(const Method& method, const CallContext& context,
                            const google::protobuf::Message& request,
                            google::protobuf::Message* response, Answered answered) {
  if (!MayBeGathered(method) || !Gather(method, context, request, response, answered)) {
    AnswerAlone(method, context, request, response, std::move(answered));
  }
}

void Service::AnswerAlone(const Method& method, const CallContext& context,
                          const google::protobuf::Message& request,
                          google::protobuf::Message* response, Answered answered) {
  std::unique_ptr<AnswerSteps> steps;
  Result<bool> more = Begin(method, context, request, response, &steps);
  if (steps == nullptr) {
    NoteAnswer(more.status(), *response, context.record);
    answered(more.status());
    return;
  }
  std::shared_ptr<OpenAnswer> open;
  const Status made = Contained([&] {
    open = std::make_shared<OpenAnswer>(
        OpenAnswer{&method, context, response, answered, std::move(steps)});
    return OkStatus();
  });
  if (!made.ok()) {
    NoteAnswer(made, *response, context.record);
    answered(made);
    return;
  }
  EndTurn(open, std::move(more));
}

void Service::TakeTurn(const std::shared_ptr<OpenAnswer>& open) {
  NoteTurn(clock_, open->context.record);
  EndTurn(open, GoOn(open->steps.get(), open->context, open->response));
}

void Service::EndTurn(const std::shared_ptr<OpenAnswer>& open, Result<bool> more) {
  CallRecord* const record = open->context.record;
  Lane* const lane = lanes_[static_cast<size_t>(open->method->rule.work())].get();
  const uint64_t turns = open->steps->turns();
  Status status = more.status();
  if (more.ok() && *more) {
    record->submitted_nanos = record->began_nanos;
    status = Contained([&] {
      lane->PutBack(CallerOf(record), turns, [this, open] { TakeTurn(open); });
      return OkStatus();
    });
    if (status.ok()) {
      return;  // it may have ended meanwhile
    }
  } else if (turns > 1) {
    Contained([&] {
      lane->Charge(CallerOf(record), turns);
      return OkStatus();
    }).IgnoreError();  // without memory the caller has its next turn too early
  }
  open->steps.reset();  // the snapshot too, before the caller knows
  NoteAnswer(status, *open->response, record);
  open->answered(status);
}

Result<std::unique_ptr<PageSource>> Service::StartPages(const Method& method,
                                                        const CallContext& context,
                                                        const google::protobuf::Message& request) {
  const WorkTime time(clock_, context.record);
  Result<std::unique_ptr<PageSource>> pages =
      Contained([&]() -> Result<std::unique_ptr<PageSource>> {
        LEADLINE_RETURN_IF_ERROR(CheckRequest(method, context, request));
        const HandlerTable::StartPages* start = parts_->handlers.FindPages(method);
        if (start == nullptr) {
          return InternalError("no handler for " + method.path);
        }
        return (*start)(context, request);
      });
  NoteOutcome(pages.status(), context.record);
  return pages;
}

Result<bool> Service::NextPage(PageSource* pages, const CallContext& context,
                               google::protobuf::Message* response) {
  const WorkTime time(clock_, context.record);
  Result<bool> more = Contained([&]() { return pages->Next(context, response); });
  NoteOutcome(more.status(), context.record);
  return more;
}

void Service::Drain() {
  draining_.store(true);
  parts_->jobs.Drain();
}

void Service::FinishJobs() {
  parts_->jobs.WaitForNone();
}

void Service::Tick() {
  parts_->leases.DropExpired();
  parts_->jobs.Tick();
  parts_->book.Tick(tokens_);
}

std::string Service::MetricsText() {
  MetricFamilies families = parts_->book.metrics().registry().Collect();
  for (size_t lane = 1; lane < lanes_.size(); ++lane) {
    AddMetric("leadline_queue_waiting", "Calls that wait for a slot or a worker.",
              {{"lane", kLaneNames[lane]}}, static_cast<double>(lanes_[lane]->waiting()),
              &families);
  }
  if (const AuditLog* audit = parts_->book.audit()) {
    AddMetric("leadline_audit_failures_total", "Lines of the audit log that were not written.", {},
              static_cast<double>(audit->failures()), &families);
    AddMetric("leadline_audit_left_out_total", "Refused calls without a line in the audit log.", {},
              static_cast<double>(audit->left_out()), &families);
  }
  AddMetric("leadline_ready", "0 while the server stops.", {}, ready() ? 1 : 0, &families);
  AddMetric("leadline_build_info", "Of this program.",
            {{"version", Version()}, {"simd", simd::CurrentLevel().name}}, 1, &families);
  AddEngineMetrics(parts_->database, &families);
  AddProcessMetrics(FileSystem::Posix(), &families);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace leadline::rpc
