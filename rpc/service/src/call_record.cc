#include "leadline/rpc/call_record.h"

#include <algorithm>

namespace leadline::rpc {

std::string_view TransportName(Transport transport) {
  return transport == Transport::kGrpc ? "grpc" : "http";
}

RequestId::RequestId(std::string_view text)
    : size_(static_cast<uint8_t>(std::min(text.size(), kMaxBytes))) {
  std::copy_n(text.data(), size_, text_.data());
}

bool RequestId::Valid(std::string_view text) {
  return !text.empty() && text.size() <= kMaxBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

}  // namespace leadline::rpc
