#pragma once

/// Payloads as JSON text: validation, filter evaluation, merge, projection and grouping. Not
/// installed. docs/filters.md defines what a filter means.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "leadline/core/filter.h"
#include "leadline/core/status.h"

namespace leadline {

/// Accepts what the write path may store: one JSON object (RFC 8259), valid UTF-8, at most
/// kMaxPayloadBytes, at most kMaxPayloadDepth levels of objects and arrays (the root is level 1),
/// numbers that fit a double, no key twice in one object. Iterative.
/// Errors: kInvalidArgument naming the byte offset or the limit.
Status ValidatePayload(std::string_view json);

/// Applies `patch` to `base` as RFC 7396 says: null removes, objects merge, all else replaces. Both
/// must be valid payloads; an empty base counts as `{}`. Keys come back sorted.
/// Errors: kInvalidArgument, also when the result breaks a limit of ValidatePayload.
Result<std::string> MergePatch(std::string_view base, std::string_view patch);

/// Keeps only the values at `paths` (filter path syntax) with the objects around them. Over an
/// array a path goes on in each element that is an object; other elements are left out. Missing
/// paths are left out; no paths give `{}`. Keys come back sorted.
/// Errors: kInvalidArgument for a malformed path or payload.
Result<std::string> SelectFields(std::string_view json, std::span<const std::string> paths);

/// Canonical text of the scalar at the path `keys` (of ParseFilterPath), for grouping: equal values
/// give equal keys, 1 and 1.0 too. Empty when the path is missing, null, an array or object, or
/// passes through an array: such rows belong to no group. Errors: kInvalidArgument for a malformed
/// payload.
Result<std::string> GroupKey(std::string_view json, std::span<const std::string> keys);

/// A filter made ready to test many payloads. Immutable, thread-safe.
class CompiledFilter {
 public:
  explicit CompiledFilter(const Filter& filter);
  CompiledFilter(const CompiledFilter&);
  CompiledFilter& operator=(const CompiledFilter&);
  CompiledFilter(CompiledFilter&&) noexcept;
  CompiledFilter& operator=(CompiledFilter&&) noexcept;
  ~CompiledFilter();

  /// True if the payload passes. Empty or malformed text counts as `{}` (the write path keeps
  /// malformed text out). Cost: one pass over the text, no document is built.
  [[nodiscard]] bool Matches(std::string_view payload_json) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

/// CompiledFilter(filter).Matches(payload_json), for a single payload.
bool Matches(const Filter& filter, std::string_view payload_json);

}  // namespace leadline
