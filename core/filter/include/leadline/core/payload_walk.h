#pragma once

/// One pass over a payload that reports the values found at paths, without building a document.
/// The evaluator of filters and the builder of payload columns both see payloads through it, so
/// they cannot disagree about what a path means. Not installed.

#include <cstdint>
#include <string_view>

#include "leadline/core/exact_number.h"

namespace leadline {

/// A value that is no container.
struct PayloadScalar {
  enum class Type : uint8_t { kNull, kBool, kNumber, kString };

  Type type = Type::kNull;
  bool truth = false;
  ExactNumber number;
  std::string_view text;  ///< valid during the call only
};

/// Receives what a walk finds. A place is a number the sink gives to a path; kNowhere prunes.
///
/// A key step over an object takes its member. A step over an array takes the member of each of
/// its elements that is an object; arrays directly inside arrays are not entered. So a path may
/// reach several values in one payload.
class PayloadSink {
 public:
  static constexpr int kNowhere = -1;

  virtual ~PayloadSink() = default;
  /// The place of `key` below `place`, or kNowhere. The root object is place 0.
  virtual int Child(int place, std::string_view key) = 0;
  /// A scalar at the path itself.
  virtual void OnScalar(int place, const PayloadScalar& value) = 0;
  /// An object at the path itself.
  virtual void OnObject(int place) = 0;
  /// An array at the path itself: its scalar elements follow, then its end.
  virtual void OnArray(int place) = 0;
  virtual void OnElement(int place, const PayloadScalar& value) = 0;
  virtual void OnArrayEnd(int place) = 0;
};

/// Walks `json`; an empty text counts as `{}`. False when it is not a JSON object of at most
/// kMaxPayloadDepth levels (the sink has then seen a part of it). Iterative.
bool WalkPayload(std::string_view json, PayloadSink* sink);

}  // namespace leadline
