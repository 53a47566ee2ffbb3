#include <set>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "handlers.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/reflection.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

const DescriptorPool& Pool() {
  return *DescriptorPool::generated_pool();
}

/// The services that calls can name, without their methods.
std::set<std::string> ServiceNames() {
  std::set<std::string> names;
  for (const Method& method : Methods()) {
    names.insert(method.path.substr(1, method.path.rfind('/') - 1));
  }
  return names;
}

/// Adds `file` behind all that it imports.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>* seen,
             v1::FileDescriptorResponse* response) {
  if (!seen->insert(&file).second) {
    return;
  }
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), seen, response);
  }
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response->add_file_descriptor_proto(proto.SerializeAsString());
}

/// Answers with `file`, or that there is none.
void AnswerWith(const FileDescriptor* file, v1::ReflectionResponse* response) {
  if (file == nullptr) {
    v1::ReflectionError* error = response->mutable_error_response();
    error->set_error_code(static_cast<int>(StatusCode::kNotFound));
    error->set_error_message("not found");
    return;
  }
  std::set<const FileDescriptor*> seen;
  AddFile(*file, &seen, response->mutable_file_descriptor_response());
}

const FileDescriptor* FileOfExtension(const v1::ExtensionRequest& request) {
  const Descriptor* type = Pool().FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* extension =
      type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, request.extension_number());
  return extension == nullptr ? nullptr : extension->file();
}

void AnswerNumbers(const std::string& name, v1::ReflectionResponse* response) {
  const Descriptor* type = Pool().FindMessageTypeByName(name);
  if (type == nullptr) {
    AnswerWith(nullptr, response);
    return;
  }
  v1::ExtensionNumberResponse* numbers = response->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(name);
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  for (const FieldDescriptor* extension : extensions) {
    numbers->add_extension_number(extension->number());
  }
}

Status Reflect(const ServiceParts& /*parts*/, const CallContext& /*context*/,
               const v1::ReflectionRequest& request, v1::ReflectionResponse* response) {
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case v1::ReflectionRequest::kFileByFilename:
      AnswerWith(Pool().FindFileByName(request.file_by_filename()), response);
      break;
    case v1::ReflectionRequest::kFileContainingSymbol:
      AnswerWith(Pool().FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case v1::ReflectionRequest::kFileContainingExtension:
      AnswerWith(FileOfExtension(request.file_containing_extension()), response);
      break;
    case v1::ReflectionRequest::kAllExtensionNumbersOfType:
      AnswerNumbers(request.all_extension_numbers_of_type(), response);
      break;
    case v1::ReflectionRequest::kListServices:
      for (const std::string& name : ServiceNames()) {
        response->mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case v1::ReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      return InvalidFieldError("nothing asked for", "message_request", "none", "one of its kinds");
  }
  return {};
}

}  // namespace

void AddReflectionHandlers(const ServiceParts& parts, HandlerTable* table) {
  for (const std::string_view path : kReflectionPaths) {
    table->AddAnswer(path, parts, Reflect);
  }
}

}  // namespace leadline::rpc
