#pragma once

/// Payload columns: the index that turns a filter into a set of rows of one segment. Built from the
/// rows' payloads when a segment is sealed, kept as section kPayloadIndex, read in place. The byte
/// layout is in core/payload/src/payload_columns_format.h and storage/FORMAT.md.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/filter.h"
#include "leadline/core/status.h"

namespace leadline {

/// Bounds of what is indexed. Rows with values beyond them stay correct: they are candidates for
/// every filter that might match them.
inline constexpr size_t kMaxColumnPaths = 1024;
/// Longest canonical text of an indexed path.
inline constexpr size_t kMaxColumnPathBytes = 1024;
/// Longest string that gets a dictionary entry.
inline constexpr size_t kMaxKeywordBytes = 256;
/// Numbers and strings indexed for one row at one path.
inline constexpr size_t kMaxIndexedElements = 256;
/// All dictionary strings of one path together.
inline constexpr size_t kMaxDictionaryBytes = size_t{64} << 20;

/// Collects the columns of one segment. Externally synchronised.
class PayloadColumnsBuilder {
 public:
  PayloadColumnsBuilder();
  ~PayloadColumnsBuilder();
  PayloadColumnsBuilder(const PayloadColumnsBuilder&) = delete;
  PayloadColumnsBuilder& operator=(const PayloadColumnsBuilder&) = delete;

  /// Takes the payload of `row`; rows ascend, and a row left out counts as `{}`, as does an empty
  /// text. Errors: kInvalidArgument for a row out of order or a malformed payload; nothing can be
  /// added or finished after an error.
  Status Add(uint32_t row, std::string_view payload_json);

  /// The serialised columns; at most once. Errors: kFailedPrecondition after a failed Add.
  Result<std::string> Finish();

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

/// The rows a filter may match, ascending and without duplicates. Immutable value, thread-safe.
class Candidates {
 public:
  /// Takes a bitmap of `rows` bits; bits past the end must be zero.
  Candidates(std::vector<uint64_t> words, bool exact);

  /// Number of rows in the set.
  [[nodiscard]] size_t count() const { return count_; }

  /// True: exactly the matching rows. False: a superset, each row must be tested by
  /// CompiledFilter::Matches. Never a subset.
  [[nodiscard]] bool exact() const { return exact_; }

  /// Overwrites `words[0 .. n)` with the set as bits, row r in bit r % 64 of word r / 64; rows that
  /// do not fit are dropped.
  void FillWords(uint64_t* words, size_t n) const;

  [[nodiscard]] std::vector<uint32_t> ToVector() const;

  /// Calls visit(row) for each row, ascending.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (const uint32_t row : rows_) {
      visit(row);
    }
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<uint32_t>(i * 64 + static_cast<size_t>(__builtin_ctzll(word))));
      }
    }
  }

  /// Memory held, for caches.
  [[nodiscard]] size_t size_bytes() const {
    return sizeof *this + words_.capacity() * sizeof(uint64_t) +
           rows_.capacity() * sizeof(uint32_t);
  }

 private:
  // One of the two is empty, whichever needs more memory.
  std::vector<uint64_t> words_;
  std::vector<uint32_t> rows_;
  size_t count_ = 0;
  bool exact_ = false;
};

/// Opened columns. Immutable, thread-safe; reads from the bytes it was opened on.
class PayloadColumns {
 public:
  /// Checks every byte, so that Evaluate needs no checks of its own; `bytes` must outlive the
  /// object. `rows` is the segment's number of rows, below 2^32.
  /// Errors: kDataLoss naming the broken rule, kUnimplemented for a newer version.
  /// Cost: one pass over the bytes.
  static Result<std::unique_ptr<PayloadColumns>> Open(std::string_view bytes, size_t rows);

  ~PayloadColumns();
  PayloadColumns(const PayloadColumns&) = delete;
  PayloadColumns& operator=(const PayloadColumns&) = delete;

  /// Rows of [0, rows) that match `filter`, or a superset of them: see Candidates::exact.
  /// Iterative; memory is at most two bitmaps of the rows per level of the filter. Looks at
  /// `control` before each predicate and every 1,024 dictionary entries one has to read.
  /// Errors: kCancelled, kDeadlineExceeded.
  [[nodiscard]] Result<Candidates> Evaluate(const Filter& filter, const CallControl& control) const;

  /// Evaluate without a deadline.
  [[nodiscard]] Candidates Evaluate(const Filter& filter) const;

  /// Number of indexed paths.
  [[nodiscard]] size_t paths() const;

 private:
  struct Rep;
  explicit PayloadColumns(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace leadline
