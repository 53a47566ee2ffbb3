// Bodies of HTTP requests: what is read is written as JSON that reads as the same message.
// Input: the key of a method (KeyOf, two bytes), then the text.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "fuzzed_service.h"
#include "leadline/rpc/field_rules.h"
#include "leadline/rpc/json_wire.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Message;

std::string Written(const Message& message) {
  std::string text;
  WriteJson(message, &text);
  Require(nlohmann::json::accept(text));
  return text;
}

void Exercise(std::string_view input) {
  const Method& method = MethodAt(TakeNumber(&input));
  const std::unique_ptr<Message> message(method.request->New());
  const Status read = ReadJson(input, message.get());
  if (!read.ok()) {
    Require(read.code() == StatusCode::kInvalidArgument);
    return;
  }
  Require(input.empty() || nlohmann::json::accept(input));
  const Status checked = CheckFields(*message);
  Require(checked.ok() || checked.code() == StatusCode::kInvalidArgument);
  const std::string text = Written(*message);
  const std::unique_ptr<Message> again(method.request->New());
  Require(ReadJson(text, again.get()).ok());
  Require(Written(*again) == text);
}

}  // namespace
}  // namespace leadline::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  leadline::rpc::Exercise({reinterpret_cast<const char*>(data), size});
  return 0;
}
