#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace leadline::rpc {

/// One operation on one record as its caller saw it. Times are of one clock.
struct RegisterOperation {
  enum class Kind { kWrite, kDelete, kRead };

  Kind kind = Kind::kRead;
  std::optional<int> value;  ///< written, or read; nothing where a read found no record
  int64_t began = 0;
  /// kUnknown where no answer came: the operation may have happened at any time after it began, or
  /// not at all.
  int64_t ended = kUnknown;

  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();
};

/// Searches for an order of the operations of one record that one caller after the other could have
/// seen, in which each lies between its begin and its end (J. Wing, C. Gong, "Testing and verifying
/// concurrent objects", 1993; G. Lowe's memory of visited states). At most 64 operations.
class RegisterChecker {
 public:
  explicit RegisterChecker(std::vector<RegisterOperation> operations)
      : operations_(std::move(operations)) {
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (operations_[i].ended != RegisterOperation::kUnknown) {
        answered_ |= uint64_t{1} << i;
      }
    }
  }

  [[nodiscard]] bool Linearizable() { return Search(0, std::nullopt); }

  [[nodiscard]] std::string Shown() const {
    std::string text;
    for (const RegisterOperation& operation : operations_) {
      static constexpr const char* kNames[] = {"write", "delete", "read"};
      text +=
          std::string(kNames[static_cast<size_t>(operation.kind)]) + " " +
          (operation.value ? std::to_string(*operation.value) : "none") + " [" +
          std::to_string(operation.began) + ", " +
          (operation.ended == RegisterOperation::kUnknown ? "?" : std::to_string(operation.ended)) +
          "]\n";
    }
    return text;
  }

 private:
  /// True where the operations outside `done` can follow on a record that holds `value`.
  bool Search(uint64_t done, std::optional<int> value) {
    if ((answered_ & ~done) == 0) {
      return true;  // those without an answer need not have happened
    }
    if (!visited_.insert({done, value}).second) {
      return false;
    }
    int64_t first_end = RegisterOperation::kUnknown;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((done >> i & 1) == 0) {
        first_end = std::min(first_end, operations_[i].ended);
      }
    }
    for (size_t i = 0; i < operations_.size(); ++i) {
      const RegisterOperation& next = operations_[i];
      const bool may_be_next = (done >> i & 1) == 0 && next.began <= first_end;
      const bool reads_wrong = next.kind == RegisterOperation::Kind::kRead &&
                               next.ended != RegisterOperation::kUnknown && next.value != value;
      if (!may_be_next || reads_wrong) {
        continue;
      }
      const bool changes = next.kind != RegisterOperation::Kind::kRead;
      if (Search(done | uint64_t{1} << i, changes ? next.value : value)) {
        return true;
      }
    }
    return false;
  }

  const std::vector<RegisterOperation> operations_;
  uint64_t answered_ = 0;
  std::set<std::pair<uint64_t, std::optional<int>>> visited_;
};

}  // namespace leadline::rpc
