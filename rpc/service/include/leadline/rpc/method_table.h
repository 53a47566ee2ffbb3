#pragma once

/// The methods of the service, read from the descriptors of rpc/proto: what a transport needs to
/// know of a call before it looks at the body.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "leadline/v1/options.pb.h"

namespace leadline::rpc {

/// How many messages travel each way.
enum class CallShape {
  kUnary,    ///< one request, one response
  kPages,    ///< one request, many responses
  kAnswers,  ///< one response for each request, in order
};

/// One method. Lives for the whole process.
struct Method {
  std::string path;  ///< as gRPC sends it: "/leadline.v1.Records/Upsert"
  v1::MethodRule rule;
  CallShape shape = CallShape::kUnary;
  const google::protobuf::Message* request = nullptr;  ///< prototypes
  const google::protobuf::Message* response = nullptr;
  /// The request's field that names the collection, or null.
  const google::protobuf::FieldDescriptor* collection = nullptr;
};

/// Reflection, by the two names that tools know. Offered where ServiceOptions::reflection says so.
inline constexpr std::array<std::string_view, 2> kReflectionPaths = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};

/// All of them, those of grpc.health.v1 and of reflection included, ordered by path.
const std::vector<Method>& Methods();

/// Null where there is none.
const Method* FindMethod(std::string_view path);

}  // namespace leadline::rpc
