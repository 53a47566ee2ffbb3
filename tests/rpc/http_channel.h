#pragma once

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "channel.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/error_wire.h"
#include "leadline/rpc/json_wire.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/common.pb.h"
#include "leadline/v1/evaluation.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "raw_http.h"
#include "remote_database.h"
#include "status_matchers.h"

namespace leadline::rpc {

/// Sends what the client sends by gRPC as HTTP and JSON instead. Thread-safe.
class HttpChannel final : public Channel {
 public:
  explicit HttpChannel(int port) : Channel("unix:/nowhere", "", kCallTimeoutMs), http_(port) {}

  Status Call(const std::string& path, const google::protobuf::Message& request,
              google::protobuf::Message* response, const Limits& limits) override {
    if (limits.cancel != nullptr && limits.cancel->cancelled()) {
      return CancelledError("cancelled before the call");
    }
    const std::string& http = FindMethod(path)->rule.http();
    const std::unique_ptr<google::protobuf::Message> body(request.New());
    body->CopyFrom(request);
    SpellOut(body.get());
    const std::string target = TakeTarget(http.substr(http.find(' ') + 1), body.get());
    std::string text;
    if (http.starts_with("POST")) {
      WriteJson(*body, &text);
    }
    const std::string deadline =
        limits.timeout_ms > 0 ? "Leadline-Timeout-Ms: " + std::to_string(limits.timeout_ms) + "\r\n"
                              : "";
    MutexLock lock(&mutex_);
    const HttpAnswer answer = http_.Ask(http.substr(0, http.find(' ')), target, text, "", deadline);
    return answer.status == 200 ? ReadJson(answer.body, response) : ErrorOf(answer);
  }

  void CallAsync(const std::string& path, const google::protobuf::Message& request,
                 google::protobuf::Message* response, const Limits& limits,
                 const Ended& ended) override {
    ended(Call(path, request, response, limits));
  }

  /// HTTP has no streams: looks at a job until it has ended.
  Status Listen(const std::string& /*path*/, const google::protobuf::Message& request,
                google::protobuf::Message* response, const Limits& limits,
                const std::function<void()>& heard) override {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(limits.timeout_ms);
    v1::GetJobRequest get;
    get.set_job(static_cast<const v1::WatchJobRequest&>(request).job());
    auto* job = static_cast<v1::Job*>(response);
    do {
      if (limits.timeout_ms > 0 && std::chrono::steady_clock::now() >= end) {
        return DeadlineExceededError("out of time");
      }
      job->Clear();
      LEADLINE_RETURN_IF_ERROR(
          Call("/leadline.v1.Evaluation/Get", get, job, {0, false, limits.cancel}));
      heard();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } while (job->state() == v1::JOB_STATE_WAITING || job->state() == v1::JOB_STATE_RUNNING);
    return {};
  }

 private:
  static constexpr int64_t kCallTimeoutMs = 60'000;

  static Status ErrorOf(const HttpAnswer& answer) {
    if (answer.status == 0) {
      return UnavailableError("the connection ended");
    }
    v1::Error error;
    const Status read = ReadJson(answer.Json().value("error", nlohmann::json()).dump(), &error);
    return read.ok() ? ReadError(error) : UnavailableError("no answer: " + answer.body);
  }

  /// The path of `pattern`, with fields that it then takes from the body. Names are encoded whole.
  static std::string TakeTarget(std::string pattern, google::protobuf::Message* body) {
    for (size_t open = 0; (open = pattern.find('{')) != std::string::npos;) {
      const size_t close = pattern.find('}');
      const auto* field =
          body->GetDescriptor()->FindFieldByName(pattern.substr(open + 1, close - open - 1));
      std::string encoded;
      for (const char c : body->GetReflection()->GetString(*body, field)) {
        static constexpr char kDigits[] = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
      }
      body->GetReflection()->ClearField(body, field);
      pattern.replace(open, close - open + 1, encoded);
    }
    return pattern;
  }

  static void Floats(const std::string& bytes, google::protobuf::RepeatedField<float>* out) {
    out->Resize(static_cast<int>(bytes.size() / sizeof(float)), 0);
    std::memcpy(out->mutable_data(), bytes.data(), bytes.size());
  }

  static void SpellOut(v1::Record* record) {
    if (!record->vector_f32().empty()) {
      Floats(record->vector_f32(), record->mutable_vector());
    }
    for (auto& [name, vector] : *record->mutable_vectors()) {
      if (!vector.f32().empty()) {
        Floats(vector.f32(), vector.mutable_values());
      }
    }
  }

  static void SpellOut(google::protobuf::RepeatedPtrField<v1::EvaluationQuery>* queries) {
    for (v1::EvaluationQuery& query : *queries) {
      if (!query.vector_f32().empty()) {
        Floats(query.vector_f32(), query.mutable_vector());
        query.clear_vector_f32();
      }
    }
  }

  /// Numbers in place of the bytes that only gRPC has.
  static void SpellOut(google::protobuf::Message* message) {
    if (auto* upsert = dynamic_cast<v1::UpsertRequest*>(message)) {
      for (v1::Record& record : *upsert->mutable_records()) {
        SpellOut(&record);
      }
    } else if (auto* write = dynamic_cast<v1::WriteRequest*>(message)) {
      for (v1::Change& change : *write->mutable_changes()) {
        if (change.has_upsert()) {
          SpellOut(change.mutable_upsert());
        }
      }
    } else if (auto* search = dynamic_cast<v1::SearchRequest*>(message)) {
      if (!search->vector_f32().empty()) {
        Floats(search->vector_f32(), search->mutable_vector());
      }
    } else if (auto* run = dynamic_cast<v1::StartRunRequest*>(message)) {
      SpellOut(run->mutable_queries());
    } else if (auto* ann = dynamic_cast<v1::StartAnnRequest*>(message)) {
      SpellOut(ann->mutable_queries());
    } else if (auto* batch = dynamic_cast<v1::SearchBatchRequest*>(message)) {
      const size_t row = batch->matrix_dim() * sizeof(float);
      for (size_t at = 0; row > 0 && at < batch->matrix_f32().size(); at += row) {
        Floats(batch->matrix_f32().substr(at, row), batch->add_vectors()->mutable_values());
      }
    }
  }

  Mutex mutex_;
  RawHttp http_ LEADLINE_GUARDED_BY(mutex_);
};

inline std::unique_ptr<Database> ConnectOverHttp(int port) {
  auto state = std::make_shared<RemoteState>();
  state->channel = std::make_shared<HttpChannel>(port);
  Result<std::unique_ptr<Retrier>> retrier = Retrier::Make(state->channel, 0);
  EXPECT_OK(retrier);
  state->retrier = *std::move(retrier);
  state->leases = std::make_shared<LeaseKeeper>(state->channel);
  return std::make_unique<RemoteDatabase>(std::move(state));
}

}  // namespace leadline::rpc
