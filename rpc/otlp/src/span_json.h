#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace leadline::rpc {

/// What is kept of a call until it is sent.
struct Span {
  std::string trace_id;   ///< lower-case hexadecimal digits, as OTLP's JSON form has ids
  std::string parent_id;  ///< empty where the trace begins here
  std::string span_id;
  std::string method;  ///< "leadline.v1.Search/Search"
  std::string transport;
  std::string collection;
  std::string request_id;
  std::string code;  ///< "OK", "NOT_FOUND"
  int code_number = 0;
  int64_t began_unix_nanos = 0;
  int64_t total_nanos = 0;
  int64_t queue_nanos = 0;
  int64_t work_nanos = 0;
};

/// An ExportTraceServiceRequest in its JSON form.
std::string SpansJson(const std::string& service_name, const std::vector<Span>& spans);

}  // namespace leadline::rpc
