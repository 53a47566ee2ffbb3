#pragma once

#include <map>
#include <memory>
#include <string>

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include "channel.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/common.pb.h"

namespace leadline::rpc {

/// What came back, trailers included.
struct RawAnswer {
  grpc::Status status;
  std::map<std::string, std::string> trailers;

  [[nodiscard]] v1::Error error() const {
    v1::Error error;
    const auto found = trailers.find("leadline-error-bin");
    EXPECT_TRUE(found != trailers.end() && error.ParseFromString(found->second));
    return error;
  }
};

/// One call with metadata of the test's choice.
inline RawAnswer CallRaw(const std::string& address, const std::string& path,
                         const google::protobuf::Message& request,
                         const std::map<std::string, std::string>& metadata) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  for (const auto& [key, value] : metadata) {
    context.AddMetadata(key, value);
  }
  const grpc::Slice slice(request.SerializeAsString());
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, path, bytes, &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  RawAnswer raw;
  call->Finish(&answer, &raw.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok));
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    raw.trailers.emplace(std::string(key.data(), key.size()),
                         std::string(value.data(), value.size()));
  }
  return raw;
}

/// An empty request of `method` but for the collection.
inline std::unique_ptr<google::protobuf::Message> RequestFor(const Method& method,
                                                             const std::string& collection) {
  std::unique_ptr<google::protobuf::Message> request(method.request->New());
  if (method.collection != nullptr) {
    request->GetReflection()->SetString(request.get(), method.collection, collection);
  }
  return request;
}

}  // namespace leadline::rpc
