#pragma once

/// The W3C Trace Context (https://www.w3.org/TR/trace-context/) of a call.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leadline::rpc {

/// Where a call stands in the trace of whoever called.
struct TraceContext {
  std::array<uint8_t, 16> trace_id{};
  /// The caller's span; zeros where the trace begins with this call.
  std::array<uint8_t, 8> parent_id{};
  bool sampled = false;

  /// 32 lower-case hexadecimal digits, as logs and the audit log show it.
  [[nodiscard]] std::string TraceIdHex() const;
};

/// The header `traceparent`. Nothing for whatever the standard calls invalid: another length or
/// separator, upper case, version ff, ids of zeros. Newer versions are read by their first fields.
std::optional<TraceContext> ParseTraceparent(std::string_view text);

}  // namespace leadline::rpc
