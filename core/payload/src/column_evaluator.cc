#include "column_evaluator.h"

#include <utility>

#include "row_set.h"

namespace leadline {
namespace {

RowBits SetOf(const ColumnView& column, Block block, size_t rows) {
  RowBits bits(rows);
  AddRowSet(column.blocks[block], &bits);
  return bits;
}

/// Adds the rows of all entries of a sorted view that stand in relation `op` to `value`.
template <typename View, typename Value>
void AddCompared(const View& view, CompareOp op, const Value& value, RowBits* bits) {
  const size_t low = op == CompareOp::kGreater ? 0 : view.LowerBound(value);
  const size_t high =
      op == CompareOp::kLess || op == CompareOp::kGreaterEqual ? 0 : view.UpperBound(value);
  switch (op) {
    case CompareOp::kEqual:
      return view.AddRows(low, high, bits);
    case CompareOp::kNotEqual:
      view.AddRows(0, low, bits);
      return view.AddRows(high, view.size(), bits);
    case CompareOp::kLess:
      return view.AddRows(0, low, bits);
    case CompareOp::kLessEqual:
      return view.AddRows(0, high, bits);
    case CompareOp::kGreater:
      return view.AddRows(high, view.size(), bits);
    case CompareOp::kGreaterEqual:
      return view.AddRows(low, view.size(), bits);
  }
}

/// The blocks of rows whose values of a type are not all indexed.
bool MayHideText(const LeafPredicate& leaf) {
  return !leaf.texts().empty();
}

bool MayHideNumber(const LeafPredicate& leaf) {
  return !leaf.numbers().empty();
}

/// Bounds when `found` holds the rows known to match and unindexed values may add others.
RowBounds WithOpaque(const LeafPredicate& leaf, const ColumnView& column, RowBits found) {
  RowBounds bounds{found, std::nullopt};
  if (MayHideText(leaf)) {
    AddRowSet(column.blocks[kOpaqueText], &bounds.possible);
  }
  if (MayHideNumber(leaf)) {
    AddRowSet(column.blocks[kOpaqueNumber], &bounds.possible);
  }
  if (bounds.possible != found) {
    bounds.sure = std::move(found);
  }
  return bounds;
}

RowBits Compared(const LeafPredicate& leaf, const ColumnView& column, size_t rows) {
  RowBits found(rows);
  const CompareOp op = leaf.node().op;
  if (!leaf.bools().empty()) {
    const bool wanted = leaf.bools()[0] == (op == CompareOp::kEqual);
    AddRowSet(column.blocks[wanted ? kTrue : kFalse], &found);
  } else if (!leaf.numbers().empty()) {
    AddCompared(column.numbers, op, leaf.numbers()[0], &found);
  } else {
    AddCompared(column.texts, op, std::string_view(leaf.texts()[0]), &found);
  }
  return found;
}

RowBits Between(const LeafPredicate& leaf, const ColumnView& column, size_t rows) {
  RowBits found(rows);
  const FilterLiteral& low = leaf.node().literals[0];
  const FilterLiteral& high = leaf.node().literals[1];
  if (const auto* number = std::get_if<ExactNumber>(&low)) {
    column.numbers.AddRows(column.numbers.LowerBound(*number),
                           column.numbers.UpperBound(std::get<ExactNumber>(high)), &found);
  } else {
    column.texts.AddRows(column.texts.LowerBound(std::get<std::string>(low)),
                         column.texts.UpperBound(std::get<std::string>(high)), &found);
  }
  return found;
}

/// To be called with the number of each dictionary entry that is read.
Status CheckAtEntry(size_t entry, const CallControl& control) {
  return entry % CallControl::kCheckInterval == 0 ? control.Check() : OkStatus();
}

Result<RowBits> Like(const LeafPredicate& leaf, const ColumnView& column, size_t rows,
                     const CallControl& control) {
  RowBits found(rows);
  const std::string& prefix = leaf.like().prefix();
  for (size_t i = column.texts.LowerBound(prefix); i < column.texts.size(); ++i) {
    LEADLINE_RETURN_IF_ERROR(CheckAtEntry(i, control));
    const std::string_view text = column.texts.text(i);
    if (text.substr(0, prefix.size()) != prefix) {
      break;
    }
    if (leaf.like().Matches(text)) {
      column.texts.AddRows(i, i + 1, &found);
    }
  }
  return found;
}

/// Rows with a value equal to one literal, as value or element.
RowBits Having(const FilterLiteral& literal, const ColumnView& column, size_t rows) {
  RowBits found(rows);
  if (const auto* truth = std::get_if<bool>(&literal)) {
    AddRowSet(column.blocks[*truth ? kTrue : kFalse], &found);
  } else if (const auto* number = std::get_if<ExactNumber>(&literal)) {
    AddCompared(column.numbers, CompareOp::kEqual, *number, &found);
  } else {
    const std::string_view text = std::get<std::string>(literal);
    AddCompared(column.texts, CompareOp::kEqual, text, &found);
  }
  return found;
}

RowBits In(const LeafPredicate& leaf, const ColumnView& column, size_t rows) {
  RowBits found(rows);
  for (const FilterLiteral& literal : leaf.node().literals) {
    if (const auto* number = std::get_if<ExactNumber>(&literal)) {
      AddCompared(column.numbers, CompareOp::kEqual, *number, &found);
    } else if (const auto* text = std::get_if<std::string>(&literal)) {
      AddCompared(column.texts, CompareOp::kEqual, std::string_view(*text), &found);
    } else {
      AddRowSet(column.blocks[std::get<bool>(literal) ? kTrue : kFalse], &found);
    }
  }
  return found;
}

/// Rows with all literals among their values; with `hidden`, also rows where values that are not
/// indexed might be the ones that lack.
RowBits HavingAll(const LeafPredicate& leaf, const ColumnView& column, bool hidden, size_t rows) {
  RowBits all = RowBits::All(rows);
  for (const FilterLiteral& literal : leaf.node().literals) {
    RowBits one = Having(literal, column, rows);
    if (hidden && std::holds_alternative<std::string>(literal)) {
      AddRowSet(column.blocks[kOpaqueText], &one);
    } else if (hidden && std::holds_alternative<ExactNumber>(literal)) {
      AddRowSet(column.blocks[kOpaqueNumber], &one);
    }
    all.And(one);
  }
  return all;
}

/// CONTAINS asks for elements in arrays but substrings in strings. The postings do not tell the two
/// apart, the sets of rows with arrays and with strings do, unless a row has several values here.
Result<RowBounds> Contains(const LeafPredicate& leaf, const ColumnView& column, size_t rows,
                           const CallControl& control) {
  RowBounds elements;
  if (leaf.node().kind == FilterNodeKind::kContainsAny) {
    elements = WithOpaque(leaf, column, In(leaf, column, rows));
  } else {
    elements = {HavingAll(leaf, column, true, rows), HavingAll(leaf, column, false, rows)};
  }
  RowBits strings(rows);
  for (size_t i = 0; !leaf.texts().empty() && i < column.texts.size(); ++i) {
    LEADLINE_RETURN_IF_ERROR(CheckAtEntry(i, control));
    if (leaf.AcceptsText(column.texts.text(i))) {
      column.texts.AddRows(i, i + 1, &strings);
    }
  }
  const RowBits arrays = SetOf(column, kArray, rows);
  const RowBits direct = SetOf(column, kDirectText, rows);
  RowBits sure = elements.lower();
  sure.And(arrays);
  RowBits sure_strings = strings;
  sure_strings.And(direct);
  sure.Or(sure_strings);
  sure.AndNot(SetOf(column, kMulti, rows));

  RowBits possible = std::move(elements.possible);
  possible.And(arrays);
  if (MayHideText(leaf)) {
    AddRowSet(column.blocks[kOpaqueText], &strings);
  }
  strings.And(direct);
  possible.Or(strings);
  if (possible == sure) {
    return RowBounds{std::move(possible), std::nullopt};
  }
  return RowBounds{std::move(possible), std::move(sure)};
}

}  // namespace

Result<RowBounds> EvaluateLeaf(const FilterNode& node, const ColumnView* column, bool complete,
                               size_t rows, const CallControl& control) {
  LEADLINE_RETURN_IF_ERROR(control.Check());
  if (column == nullptr) {
    if (!complete) {
      return RowBounds{RowBits::All(rows), RowBits(rows)};
    }
    return RowBounds{node.kind == FilterNodeKind::kIsNull ? RowBits::All(rows) : RowBits(rows),
                     std::nullopt};
  }
  const LeafPredicate leaf(node);
  switch (node.kind) {
    case FilterNodeKind::kExists:
      return RowBounds{SetOf(*column, kPresent, rows), std::nullopt};
    case FilterNodeKind::kIsNull: {
      RowBits null = SetOf(*column, kNotNull, rows);
      null.Complement();
      return RowBounds{std::move(null), std::nullopt};
    }
    case FilterNodeKind::kCompare:
      return WithOpaque(leaf, *column, Compared(leaf, *column, rows));
    case FilterNodeKind::kIn:
      return WithOpaque(leaf, *column, In(leaf, *column, rows));
    case FilterNodeKind::kBetween:
      return WithOpaque(leaf, *column, Between(leaf, *column, rows));
    case FilterNodeKind::kLike: {
      LEADLINE_ASSIGN_OR_RETURN(RowBits found, Like(leaf, *column, rows, control));
      return WithOpaque(leaf, *column, std::move(found));
    }
    case FilterNodeKind::kContainsAny:
    case FilterNodeKind::kContainsAll:
      return Contains(leaf, *column, rows, control);
    case FilterNodeKind::kAnd:
    case FilterNodeKind::kOr:
    case FilterNodeKind::kNot:
      break;
  }
  return RowBounds{RowBits::All(rows), RowBits(rows)};
}

}  // namespace leadline
