// The groundedness judge on any bytes: first byte = tier, then response and contexts, separated by
// NUL. Every score must be a number in [0, 1] or have a reason, every span must lie in its text.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "leadline/eval/ground.h"

namespace leadline {
namespace {

void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void RequireSound(const GroundValue& value) {
  if (value.defined()) {
    Require(std::isfinite(*value.value) && *value.value >= 0 && *value.value <= 1);
  } else {
    Require(!value.reason.empty());
  }
}

void RequireSound(const GroundInput& input, const GroundReport& report) {
  RequireSound(report.score);
  for (const GroundSentence& sentence : report.sentences) {
    RequireSound(sentence.score);
    Require(sentence.begin <= sentence.end && sentence.end <= input.response.size());
    if (sentence.evidence.context) {
      Require(*sentence.evidence.context < input.contexts.size());
      Require(sentence.evidence.end <= input.contexts[*sentence.evidence.context].size());
    }
  }
}

}  // namespace
}  // namespace leadline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  leadline::GroundInput input;
  std::string* part = &input.response;
  for (size_t i = 1; i < size; ++i) {
    if (data[i] == 0) {
      part = &input.contexts.emplace_back();
    } else {
      part->push_back(static_cast<char>(data[i]));
    }
  }
  const auto judge = leadline::GroundJudge::Create({data[0] % 2});
  leadline::Require(judge.ok());
  const auto report = judge->Judge(input);
  if (report.ok()) {
    leadline::RequireSound(input, *report);
  }
  return 0;
}
