#include "openapi.h"

#include <map>
#include <set>

#include <google/protobuf/descriptor.h>
#include <nlohmann/json.hpp>

#include "http_routes.h"
#include "leadline/core/version.h"
#include "leadline/rpc/json_wire.h"
#include "leadline/v1/common.pb.h"
#include "leadline/v1/maintenance.pb.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

const v1::FieldRule& RuleOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::bounds);
}

/// Collects the schemas of messages, each once.
class Schemas {
 public:
  /// A reference to the schema of `type`, or the list that stands for it.
  Json Of(const Descriptor& type) {
    if (const FieldDescriptor* bare = BareField(type)) {
      return FieldSchema(*bare);
    }
    if (seen_.insert(type.name()).second) {
      Json schema = {{"type", "object"}};
      Json properties = Json::object();
      AddProperties(type, &properties);
      schema["properties"] = std::move(properties);
      schema["additionalProperties"] = false;
      schemas_[type.name()] = std::move(schema);
    }
    return {{"$ref", "#/components/schemas/" + type.name()}};
  }

  /// The request without what the path says.
  Json OfRequest(const Descriptor& type, const std::set<std::string>& in_path) {
    Json properties = Json::object();
    AddProperties(type, &properties);
    for (const std::string& name : in_path) {
      properties.erase(name);
    }
    return {
        {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  }

  Json FieldSchema(const FieldDescriptor& field) {
    const v1::FieldRule& rule = RuleOf(field);
    if (field.is_map()) {
      Json schema = {
          {"type", "object"},
          {"additionalProperties", Of(*field.message_type()->map_value()->message_type())}};
      schema["maxProperties"] = rule.max_items();
      return schema;
    }
    if (!field.is_repeated()) {
      return ItemSchema(field);
    }
    Json schema = {{"type", "array"}, {"items", ItemSchema(field)}};
    if (rule.has_max_items()) {
      schema["maxItems"] = rule.max_items();
    }
    return schema;
  }

  [[nodiscard]] const Json& all() const { return schemas_; }

 private:
  void AddProperties(const Descriptor& type, Json* properties) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (RuleOf(field).grpc_only()) {
        continue;
      }
      if (RuleOf(field).inlined()) {
        AddProperties(*field.message_type(), properties);
      } else {
        (*properties)[field.name()] = Nullable(FieldSchema(field));
      }
    }
  }

  /// null says the same as nothing.
  static Json Nullable(Json schema) {
    if (schema.contains("$ref")) {
      schema = {{"allOf", Json::array({std::move(schema)})}};
    }
    if (schema.contains("enum")) {
      schema["enum"].push_back(nullptr);
    }
    schema["nullable"] = true;
    return schema;
  }

  /// Of the field, or of one of its items.
  Json ItemSchema(const FieldDescriptor& field) {
    const v1::FieldRule& rule = RuleOf(field);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Of(*field.message_type());
      case FieldDescriptor::CPPTYPE_BOOL:
        return {{"type", "boolean"}};
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumSchema(*field.enum_type());
      case FieldDescriptor::CPPTYPE_STRING:
        return rule.json() ? Json{{"type", "object"}} : StringSchema(rule);
      default:
        return NumberSchema(field, rule);
    }
  }

  static Json EnumSchema(const google::protobuf::EnumDescriptor& type) {
    Json words = Json::array();
    for (int i = 0; i < type.value_count(); ++i) {
      if (type.value(i)->number() != 0) {
        words.push_back(EnumWord(*type.value(i)));
      }
    }
    return {{"type", "string"}, {"enum", std::move(words)}};
  }

  static Json StringSchema(const v1::FieldRule& rule) {
    Json schema = {{"type", "string"}};
    if (rule.has_min_bytes()) {
      schema["minLength"] = rule.min_bytes() > 0 ? 1 : 0;
    }
    if (rule.has_max_bytes()) {
      // Bytes of UTF-8: longer than this is refused, and so is less with letters of several bytes.
      schema["maxLength"] = rule.max_bytes();
    }
    if (rule.name()) {
      schema["pattern"] = rule.min_bytes() > 0 ? "^[A-Za-z0-9_-]+$" : "^[A-Za-z0-9_-]*$";
    }
    return schema;
  }

  static Json NumberSchema(const FieldDescriptor& field, const v1::FieldRule& rule) {
    const bool real = field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT ||
                      field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
    Json schema = {{"type", real ? "number" : "integer"}};
    if (rule.has_min() && real) {
      schema["minimum"] = rule.min();
      schema["maximum"] = rule.max();
    } else if (rule.has_min()) {
      schema["minimum"] = static_cast<int64_t>(rule.min());
      schema["maximum"] = static_cast<int64_t>(rule.max());
    }
    return schema;
  }

  Json schemas_ = Json::object();
  std::set<std::string> seen_;
};

std::string RoleWord(v1::Role role) {
  return EnumWord(*v1::Role_descriptor()->FindValueByNumber(role));
}

Json Content(Json schema) {
  return {{"application/json", {{"schema", std::move(schema)}}}};
}

Json AnswerContent(const Method& method, Schemas* schemas) {
  const Descriptor& type = *method.response->GetDescriptor();
  if (&type == v1::MetricsResponse::descriptor()) {
    return {{"text/plain", {{"schema", {{"type", "string"}}}}}};
  }
  return Content(schemas->Of(type));
}

Json ErrorAnswer(Schemas* schemas) {
  const Json error = {{"type", "object"},
                      {"properties", {{"error", schemas->Of(*v1::Error::descriptor())}}},
                      {"required", {"error"}}};
  return {{"description", "What was wrong, and whether the same call may succeed later."},
          {"content", Content(error)}};
}

/// The names in braces of a path.
std::set<std::string> NamesIn(const std::string& path) {
  std::set<std::string> names;
  for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
    names.insert(path.substr(open + 1, path.find('}', open) - open - 1));
  }
  return names;
}

Json MethodOperation(const Route& route, Schemas* schemas) {
  const Method& method = *route.method;
  const Descriptor& request = *method.request->GetDescriptor();
  const size_t slash = method.path.rfind('/');
  const std::string service = method.path.substr(method.path.rfind('.', slash) + 1,
                                                 slash - method.path.rfind('.', slash) - 1);
  const std::set<std::string> in_path = NamesIn(route.path);
  Json operation = {{"operationId", service + method.path.substr(slash + 1)},
                    {"tags", {service}},
                    {"description", "Role: " + RoleWord(method.rule.role()) + "."}};
  for (const std::string& name : in_path) {
    operation["parameters"].push_back(
        {{"name", name},
         {"in", "path"},
         {"required", true},
         {"schema", schemas->FieldSchema(*request.FindFieldByName(name))}});
  }
  if (route.verb == "POST") {
    operation["requestBody"] = {{"required", false},
                                {"content", Content(schemas->OfRequest(request, in_path))}};
  }
  operation["responses"] = {
      {"200", {{"description", "Done."}, {"content", AnswerContent(method, schemas)}}},
      {"default", ErrorAnswer(schemas)}};
  return operation;
}

Json PageOperation(const Route& route) {
  Json operation = {
      {"operationId", "page" + route.path}, {"tags", {"Pages"}}, {"security", Json::array()}};
  operation["responses"]["200"] = {{"description", "Serving."},
                                   {"content", Content({{"type", "object"}})}};
  if (route.page == Page::kHealth || route.page == Page::kReady) {
    operation["responses"]["503"] = {{"description", "Draining."},
                                     {"content", Content({{"type", "object"}})}};
  }
  return operation;
}

std::string MakeDocument() {
  Schemas schemas;
  Json paths = Json::object();
  for (const Route& route : Routes()) {
    std::string verb = route.verb;
    for (char& c : verb) {
      c = static_cast<char>(c | 0x20);
    }
    paths[route.path][verb] =
        route.method != nullptr ? MethodOperation(route, &schemas) : PageOperation(route);
  }
  Json document = {{"openapi", "3.0.3"},
                   {"info", {{"title", "Leadline"}, {"version", std::string(Version())}}},
                   {"paths", std::move(paths)}};
  document["components"] = {
      {"schemas", schemas.all()},
      {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}};
  // A server without tokens asks for none.
  document["security"] = {{{"token", Json::array()}}, Json::object()};
  return document.dump();
}

}  // namespace

const std::string& OpenApiDocument() {
  static const std::string* const kDocument = new std::string(MakeDocument());
  return *kDocument;
}

}  // namespace leadline::rpc
