#include "span_json.h"

#include <nlohmann/json.hpp>

#include "leadline/core/version.h"

namespace leadline::rpc {
namespace {

using Json = nlohmann::json;

constexpr int kServerKind = 2;
constexpr int kErrorStatus = 2;

Json Text(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

/// 64-bit integers are strings in this form.
Json Number(const char* key, int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};
}

Json SpanJson(const Span& span) {
  Json attributes =
      Json::array({Text("rpc.system", span.transport), Text("rpc.method", span.method),
                   Text("leadline.request_id", span.request_id),
                   Number("rpc.grpc.status_code", span.code_number),
                   Number("leadline.queue_us", span.queue_nanos / 1000),
                   Number("leadline.work_us", span.work_nanos / 1000)});
  if (!span.collection.empty()) {
    attributes.push_back(Text("db.collection.name", span.collection));
  }
  Json json = {{"traceId", span.trace_id},
               {"spanId", span.span_id},
               {"name", span.method},
               {"kind", kServerKind},
               {"startTimeUnixNano", std::to_string(span.began_unix_nanos)},
               {"endTimeUnixNano", std::to_string(span.began_unix_nanos + span.total_nanos)},
               {"attributes", std::move(attributes)}};
  if (!span.parent_id.empty()) {
    json["parentSpanId"] = span.parent_id;
  }
  if (span.code_number != 0) {
    json["status"] = {{"code", kErrorStatus}, {"message", span.code}};
  }
  return json;
}

}  // namespace

std::string SpansJson(const std::string& service_name, const std::vector<Span>& spans) {
  Json list = Json::array();
  for (const Span& span : spans) {
    list.push_back(SpanJson(span));
  }
  const Json scope = {{"name", "leadline"}, {"version", std::string(Version())}};
  const Json scope_spans = {{"scope", scope}, {"spans", std::move(list)}};
  const Json resource = {{"attributes", Json::array({Text("service.name", service_name)})}};
  const Json resource_spans = {{"resource", resource}, {"scopeSpans", Json::array({scope_spans})}};
  const Json request = {{"resourceSpans", Json::array({resource_spans})}};
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace leadline::rpc
