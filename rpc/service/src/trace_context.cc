#include "leadline/rpc/trace_context.h"

#include <algorithm>

#include "random_name.h"

namespace leadline::rpc {
namespace {

constexpr size_t kTraceparentBytes = 55;  // "00-" 32 "-" 16 "-" 2

/// -1 for what is no lower-case hexadecimal digit.
int DigitOf(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Reads two digits a byte; false where one is none.
template <size_t kBytes>
bool ReadHex(std::string_view text, std::array<uint8_t, kBytes>* bytes) {
  for (size_t i = 0; i < kBytes; ++i) {
    const int high = DigitOf(text[2 * i]);
    const int low = DigitOf(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    (*bytes)[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

template <size_t kBytes>
bool AllZero(const std::array<uint8_t, kBytes>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

std::string TraceContext::TraceIdHex() const {
  return ToHex(trace_id.data(), trace_id.size());
}

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kTraceparentBytes || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  TraceContext context;
  std::array<uint8_t, 1> version{};
  std::array<uint8_t, 1> flags{};
  if (!ReadHex(text.substr(0, 2), &version) || !ReadHex(text.substr(3), &context.trace_id) ||
      !ReadHex(text.substr(36), &context.parent_id) || !ReadHex(text.substr(53), &flags)) {
    return std::nullopt;
  }
  // What a newer version adds stands behind one more dash.
  const bool longer = text.size() > kTraceparentBytes;
  const bool bad_end = longer && (version[0] == 0 || text[kTraceparentBytes] != '-');
  if (version[0] == 0xFF || bad_end || AllZero(context.trace_id) || AllZero(context.parent_id)) {
    return std::nullopt;
  }
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

}  // namespace leadline::rpc
