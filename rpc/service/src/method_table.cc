#include "leadline/rpc/method_table.h"

#include <algorithm>

#include "leadline/v1/collections.pb.h"
#include "leadline/v1/evaluation.pb.h"
#include "leadline/v1/health.pb.h"
#include "leadline/v1/maintenance.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/reflection.pb.h"
#include "leadline/v1/search.pb.h"
#include "leadline/v1/snapshots.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

const Message* PrototypeOf(const Descriptor* type) {
  return MessageFactory::generated_factory()->GetPrototype(type);
}

CallShape ShapeOf(const MethodDescriptor& method) {
  if (method.client_streaming()) {
    return CallShape::kAnswers;
  }
  return method.server_streaming() ? CallShape::kPages : CallShape::kUnary;
}

Method Describe(const MethodDescriptor& descriptor) {
  Method method;
  method.path = "/" + descriptor.service()->full_name() + "/" + descriptor.name();
  method.rule = descriptor.options().GetExtension(v1::rule);
  method.shape = ShapeOf(descriptor);
  method.request = PrototypeOf(descriptor.input_type());
  method.response = PrototypeOf(descriptor.output_type());
  method.collection = descriptor.input_type()->FindFieldByName(method.rule.collection_field());
  return method;
}

/// Load balancers ask without a token. Watch is left out: whoever wants to know asks again.
Method HealthCheck() {
  Method method;
  method.path = "/grpc.health.v1.Health/Check";
  method.rule.set_role(v1::ROLE_PUBLIC);
  method.request = &v1::HealthRequest::default_instance();
  method.response = &v1::HealthResponse::default_instance();
  return method;
}

/// Gives away nothing that the published protos do not say, but not to strangers either.
Method Reflection(std::string_view path) {
  Method method;
  method.path = path;
  method.rule.set_role(v1::ROLE_READ);
  method.rule.set_any_scope(true);
  method.shape = CallShape::kAnswers;
  method.request = &v1::ReflectionRequest::default_instance();
  method.response = &v1::ReflectionResponse::default_instance();
  return method;
}

std::vector<Method> MakeTable() {
  std::vector<Method> methods = {HealthCheck()};
  for (const std::string_view path : kReflectionPaths) {
    methods.push_back(Reflection(path));
  }
  const google::protobuf::FileDescriptor* const files[] = {
      v1::CreateCollectionRequest::descriptor()->file(),
      v1::UpsertRequest::descriptor()->file(),
      v1::SearchRequest::descriptor()->file(),
      v1::OpenSnapshotRequest::descriptor()->file(),
      v1::InfoRequest::descriptor()->file(),
      v1::ScoreRequest::descriptor()->file()};
  for (const auto* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      const ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        methods.push_back(Describe(*service->method(m)));
      }
    }
  }
  std::sort(methods.begin(), methods.end(),
            [](const Method& a, const Method& b) { return a.path < b.path; });
  return methods;
}

}  // namespace

const std::vector<Method>& Methods() {
  static const std::vector<Method>* const kMethods = new std::vector<Method>(MakeTable());
  return *kMethods;
}

const Method* FindMethod(std::string_view path) {
  const std::vector<Method>& methods = Methods();
  const auto found = std::lower_bound(
      methods.begin(), methods.end(), path,
      [](const Method& method, std::string_view wanted) { return method.path < wanted; });
  return found != methods.end() && found->path == path ? &*found : nullptr;
}

}  // namespace leadline::rpc
