#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "leadline/rpc/call_record.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/service.h"
#include "status_matchers.h"

namespace leadline::rpc {

/// One call of `who`, as a transport makes it.
template <typename Request, typename Response>
class ServiceCall {
 public:
  ServiceCall(Service* service, const std::string& path, std::string who, Request request,
              const std::string& token = "")
      : service_(service), method_(FindMethod(path)), request_(std::move(request)) {
    record_.peer = [who = std::move(who)] { return who; };
    Result<Caller> caller = service->Admit(
        {.method = method_, .authorization = token.empty() ? "" : "Bearer " + token}, &record_);
    EXPECT_OK(caller);
    caller_ = *std::move(caller);
  }

  ServiceCall(const ServiceCall&) = delete;
  ServiceCall& operator=(const ServiceCall&) = delete;

  /// Calls `ended` once the answer is there.
  void Submit(std::function<void()> ended) {
    EXPECT_OK(service_->Submit(*method_, &record_, [this, ended = std::move(ended)] {
      service_->AnswerInTurns(*method_, {&caller_, &cancel, deadline_nanos, &record_}, request_,
                              &response, [this, ended](const Status& end) {
                                status = end;
                                ended();
                              });
    }));
  }

  [[nodiscard]] const CallRecord& record() const { return record_; }

  CancelToken cancel;
  int64_t deadline_nanos = 0;
  Response response;
  Status status;

 private:
  Service* const service_;
  const Method* const method_;
  const Request request_;
  CallRecord record_;
  Caller caller_;
};

}  // namespace leadline::rpc
