#include "leadline/core/payload_columns.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "column_evaluator.h"
#include "column_view.h"
#include "leadline/core/filter_tree.h"
#include "payload_columns_format.h"

namespace leadline {
namespace {

constexpr size_t kNoParent = static_cast<size_t>(-1);

/// Index of each node's connective, kNoParent for the root.
std::vector<size_t> ParentsOf(const std::vector<FilterNode>& nodes) {
  std::vector<size_t> parents(nodes.size(), kNoParent);
  std::vector<size_t> stack;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (uint32_t k = 0; k < nodes[i].arity; ++k) {
      parents[stack.back()] = i;
      stack.pop_back();
    }
    stack.push_back(i);
  }
  return parents;
}

void Negate(RowBounds* bounds) {
  if (bounds->sure.has_value()) {
    std::swap(bounds->possible, *bounds->sure);
    bounds->sure->Complement();
  }
  bounds->possible.Complement();
}

/// total = total AND (OR) operand, bound by bound.
void Fold(FilterNodeKind kind, const RowBounds& operand, RowBounds* total) {
  if (operand.sure.has_value() && !total->sure.has_value()) {
    total->sure = total->possible;
  }
  const auto fold = [kind](const RowBits& from, RowBits* into) {
    if (kind == FilterNodeKind::kAnd) {
      into->And(from);
    } else {
      into->Or(from);
    }
  };
  fold(operand.possible, &total->possible);
  if (total->sure.has_value()) {
    fold(operand.lower(), &*total->sure);
  }
}

}  // namespace

Candidates::Candidates(std::vector<uint64_t> words, bool exact)
    : words_(std::move(words)), exact_(exact) {
  for (const uint64_t word : words_) {
    count_ += static_cast<size_t>(std::popcount(word));
  }
  if (count_ * sizeof(uint32_t) < words_.size() * sizeof(uint64_t)) {
    rows_ = ToVector();
    words_ = {};
  }
}

void Candidates::FillWords(uint64_t* words, size_t n) const {
  const size_t held = std::min(n, words_.size());
  std::copy_n(words_.data(), held, words);
  std::fill(words + held, words + n, uint64_t{0});
  for (const uint32_t row : rows_) {
    if (row / 64 < n) {
      words[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
}

std::vector<uint32_t> Candidates::ToVector() const {
  std::vector<uint32_t> rows;
  rows.reserve(count_);
  ForEach([&rows](uint32_t row) { rows.push_back(row); });
  return rows;
}

struct PayloadColumns::Rep {
  std::vector<ColumnView> columns;  ///< ascending by path
  size_t rows = 0;
  bool complete = true;

  [[nodiscard]] const ColumnView* Find(const std::string& path) const {
    const auto at =
        std::lower_bound(columns.begin(), columns.end(), std::string_view(path),
                         [](const ColumnView& c, std::string_view p) { return c.path < p; });
    return at != columns.end() && at->path == path ? &*at : nullptr;
  }
};

PayloadColumns::PayloadColumns(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

PayloadColumns::~PayloadColumns() = default;

Result<std::unique_ptr<PayloadColumns>> PayloadColumns::Open(std::string_view bytes, size_t rows) {
  if (rows >= std::numeric_limits<uint32_t>::max()) {
    return InvalidFieldError("segment has too many rows", "rows", std::to_string(rows),
                             std::to_string(std::numeric_limits<uint32_t>::max() - 1));
  }
  if (bytes.size() < kColumnsHeaderBytes || DecodeFixed32(bytes.data()) != kColumnsMagic) {
    return DamagedColumns("header is missing");
  }
  if (const uint32_t version = DecodeFixed32(bytes.data() + 4); version != kColumnsVersion) {
    return UnimplementedError(
        "payload columns have an unknown version: version=" + std::to_string(version) +
        " limit=" + std::to_string(kColumnsVersion));
  }
  const uint32_t row_bound = DecodeFixed32(bytes.data() + 8);
  const uint32_t paths = DecodeFixed32(bytes.data() + 12);
  const uint32_t flags = DecodeFixed32(bytes.data() + 16);
  if (row_bound > rows) {
    return DamagedColumns("row bound is beyond the segment");
  }
  if (flags > kColumnsIncomplete || DecodeFixed32(bytes.data() + 20) != 0 ||
      DecodeFixed64(bytes.data() + 24) != bytes.size()) {
    return DamagedColumns("header contradicts the section");
  }
  if (paths > kMaxColumnPaths ||
      paths > (bytes.size() - kColumnsHeaderBytes) / kDirectoryEntryBytes) {
    return DamagedColumns("directory does not fit");
  }
  auto rep = std::make_unique<Rep>();
  rep->rows = rows;
  rep->complete = flags == 0;
  rep->columns.resize(paths);
  uint64_t position = kColumnsHeaderBytes + paths * kDirectoryEntryBytes;
  for (size_t i = 0; i < paths; ++i) {
    const std::string_view entry =
        bytes.substr(kColumnsHeaderBytes + i * kDirectoryEntryBytes, kDirectoryEntryBytes);
    LEADLINE_RETURN_IF_ERROR(
        ColumnView::Open(bytes, entry, row_bound, &position, &rep->columns[i]));
    if (i > 0 && rep->columns[i - 1].path >= rep->columns[i].path) {
      return DamagedColumns("paths are out of order");
    }
  }
  if (position != bytes.size()) {
    return DamagedColumns("bytes behind the last block");
  }
  return std::unique_ptr<PayloadColumns>(new PayloadColumns(std::move(rep)));
}

size_t PayloadColumns::paths() const {
  return rep_->columns.size();
}

Candidates PayloadColumns::Evaluate(const Filter& filter) const {
  return std::move(Evaluate(filter, CallControl())).value();
}

Result<Candidates> PayloadColumns::Evaluate(const Filter& filter,
                                            const CallControl& control) const {
  const std::vector<FilterNode>& nodes = filter.tree().nodes;
  const std::vector<size_t> parents = ParentsOf(nodes);
  // Operands are folded into their connective as they come, so that a wide AND holds one total.
  std::vector<std::optional<RowBounds>> totals(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    RowBounds bounds;
    if (IsConnective(nodes[i].kind)) {
      bounds = std::move(*totals[i]);
      totals[i].reset();
      if (nodes[i].kind == FilterNodeKind::kNot) {
        Negate(&bounds);
      }
    } else {
      LEADLINE_ASSIGN_OR_RETURN(
          bounds, EvaluateLeaf(nodes[i], rep_->Find(FilterPathText(nodes[i].path)), rep_->complete,
                               rep_->rows, control));
    }
    std::optional<RowBounds>& total = totals[parents[i] == kNoParent ? i : parents[i]];
    if (total.has_value()) {
      Fold(nodes[parents[i]].kind, bounds, &*total);
    } else {
      total = std::move(bounds);
    }
  }
  RowBounds& whole = *totals.back();
  const bool exact = !whole.sure.has_value() || *whole.sure == whole.possible;
  return Candidates(std::move(whole.possible.words()), exact);
}

}  // namespace leadline
