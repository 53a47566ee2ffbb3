// Requests as a transport hands them on: parsed, placed, checked, answered, and the answer written.
// Input: up to 16 requests, each a key of its method (KeyOf), its length and its bytes, both
// numbers of two bytes. No request may cause an error of the server's own, whatever came before it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>

#include <google/protobuf/arena.h>
#include <nlohmann/json.hpp>

#include "fuzzed_service.h"
#include "leadline/rpc/error_wire.h"
#include "leadline/rpc/json_wire.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Message;

constexpr int kMaxRequests = 16;
constexpr int kMaxPages = 4;
constexpr int64_t kDeadlineNanos = 2'000'000'000;

/// Answers over HTTP are JSON, whatever is in them.
void CheckAnswer(const Status& status, const Message& response) {
  Require(!IsOurFault(status.code()));
  std::string json;
  if (status.ok()) {
    WriteJson(response, &json);
  } else {
    WriteJson(WriteError(status, 0), &json);
  }
  Require(nlohmann::json::accept(json));
  Require(response.SerializeAsString().size() == response.ByteSizeLong());
}

void Pages(Service* service, const Method& method, const CallContext& context,
           const Message& request) {
  Result<std::unique_ptr<PageSource>> pages = service->StartPages(method, context, request);
  Require(!IsOurFault(pages.status().code()));
  for (int i = 0; pages.ok() && i < kMaxPages; ++i) {
    const std::unique_ptr<Message> response(method.response->New());
    const Result<bool> more = service->NextPage(pages->get(), context, response.get());
    CheckAnswer(more.status(), *response);
    if (!more.ok() || !*more) {
      return;
    }
  }
}

/// True where the call may have left a snapshot open or a job behind.
bool Call(Service* service, const Method& method, std::string_view bytes) {
  CallRecord record;
  Result<Caller> caller = service->Admit({.method = &method, .path = method.path}, &record);
  Require(caller.ok());
  const CallContext context{&*caller, nullptr, Clock::System()->MonotonicNanos() + kDeadlineNanos,
                            &record};
  google::protobuf::Arena arena;
  Message* request = method.request->New(&arena);
  if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    service->Ended(record, InvalidArgumentError("damaged"));
    return false;
  }
  std::binary_semaphore done(0);
  const Status submitted = service->Submit(method, &record, [&] {
    if (method.shape == CallShape::kPages) {
      Pages(service, method, context, *request);
    } else {
      Message* response = method.response->New(&arena);
      const Status status = service->Answer(method, context, *request, response);
      CheckAnswer(status, *response);
    }
    done.release();
  });
  Require(submitted.ok());
  done.acquire();
  service->Ended(record, OkStatus());
  return method.path == "/leadline.v1.Snapshots/Open" ||
         method.path.starts_with("/leadline.v1.Evaluation/Start");
}

void Exercise(FuzzedService* served, std::string_view input) {
  bool leases = false;
  for (int i = 0; !input.empty() && i < kMaxRequests; ++i) {
    const Method& method = MethodAt(TakeNumber(&input));
    const uint16_t length = TakeNumber(&input);
    leases = Call(served->service(), method, Take(&input, length)) || leases;
  }
  served->EndInput(leases);
}

}  // namespace
}  // namespace leadline::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const kServed = new leadline::rpc::FuzzedService;
  leadline::rpc::Exercise(kServed, {reinterpret_cast<const char*>(data), size});
  return 0;
}
