// Input: filter text, a newline, a payload. What parses must survive its own canonical text, every
// payload must pass either the filter or its opposite, and payload columns must agree.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "leadline/core/filter.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/payload_json.h"

namespace leadline {
namespace {

void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void CheckColumns(const Filter& filter, std::string_view payload, bool matches) {
  PayloadColumnsBuilder builder;
  if (!builder.Add(0, payload).ok()) {
    return;
  }
  const Result<std::string> bytes = builder.Finish();
  Require(bytes.ok());
  const Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(*bytes, 1);
  Require(columns.ok());
  const Candidates found = (*columns)->Evaluate(filter);
  Require(found.count() == 1 || !matches);
  Require(!found.exact() || found.count() == (matches ? 1U : 0U));
}

void CheckPayload(std::string_view payload) {
  const Status valid = ValidatePayload(payload);
  const Result<std::string> merged = MergePatch("{\"a\":{\"b\":1},\"c\":[1]}", payload);
  Require(merged.ok() == valid.ok() || payload.empty() || payload.size() > 1000);
  if (merged.ok()) {
    Require(ValidatePayload(*merged).ok());
  }
  const std::vector<std::string> path = {"a", "b"};
  GroupKey(payload, path).status().IgnoreError();
  const std::string paths[] = {"a.b", "tags", "a"};
  SelectFields(payload, paths).status().IgnoreError();
}

}  // namespace
}  // namespace leadline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using leadline::Filter;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\n');
  const std::string_view text = input.substr(0, split);
  const std::string_view payload =
      split == std::string_view::npos ? std::string_view() : input.substr(split + 1);
  leadline::CheckPayload(payload);
  const leadline::Result<Filter> filter = Filter::Parse(text);
  if (!filter.ok()) {
    return 0;
  }
  const leadline::Result<Filter> again = Filter::Parse(filter->ToString());
  leadline::Require(again.ok() && *again == *filter && again->nodes() == filter->nodes() &&
                    again->depth() == filter->depth());
  const bool matches = leadline::Matches(*filter, payload);
  const leadline::Result<Filter> opposite = Filter::Not(*filter);
  leadline::Require(!opposite.ok() || leadline::Matches(*opposite, payload) != matches);
  leadline::CheckColumns(*filter, payload, matches);
  return 0;
}
