#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "leadline/core/coding.h"
#include "leadline/core/exact_number.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/payload_walk.h"
#include "payload_columns_format.h"
#include "row_set.h"

namespace leadline {
namespace {

/// Values of one path over all rows; keeps offsets inside a dictionary below 2^32.
constexpr size_t kMaxColumnValues = size_t{1} << 28;
/// A dictionary in which most strings are different is kept only while they are short: long ones
/// are text, which filters seldom name in full.
constexpr size_t kMaxMeanUniqueTextBytes = 128;

/// Ascending rows, held as runs: most paths are in most rows.
class RowList {
 public:
  void Add(uint32_t row) {
    if (!runs_.empty() && row <= runs_.back().second + 1) {
      runs_.back().second = row;
    } else {
      runs_.emplace_back(row, row);
    }
  }

  void AddTo(std::vector<uint32_t>* rows) const {
    for (const auto& [first, last] : runs_) {
      for (uint32_t row = first; row <= last; ++row) {
        rows->push_back(row);
      }
    }
  }

 private:
  std::vector<std::pair<uint32_t, uint32_t>> runs_;
};

struct TextHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the name std wants

  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

template <typename T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

struct NumberAt {
  ExactNumber value;
  uint32_t row;

  friend bool operator==(const NumberAt& a, const NumberAt& b) = default;
};

/// What was seen at one path.
struct Column {
  std::string path;
  TextMap<int> children;
  std::array<RowList, kBlocks> sets;  ///< the row set blocks only
  std::vector<NumberAt> numbers;
  TextMap<uint32_t> texts;  ///< string -> id, in order of appearance
  std::vector<const std::string*> text_of_id;
  std::vector<std::pair<uint32_t, uint32_t>> postings;  ///< (id, row), rows ascending
  size_t text_bytes = 0;
  uint32_t direct_row = kNoRow;   ///< last row with a value at the path itself
  uint32_t element_row = kNoRow;  ///< row that `elements` counts for
  size_t elements = 0;
};

std::string NumberBlock(std::vector<NumberAt>* numbers) {
  std::sort(numbers->begin(), numbers->end(), [](const NumberAt& a, const NumberAt& b) {
    const auto order = a.value <=> b.value;
    return std::is_neq(order) ? std::is_lt(order) : a.row < b.row;
  });
  numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
  std::string out;
  if (numbers->empty()) {
    return out;
  }
  out.reserve(8 + numbers->size() * kNumberPairBytes);
  PutFixed64(&out, numbers->size());
  for (const NumberAt& number : *numbers) {
    PutFixed64(&out, number.value.bits());
  }
  for (const NumberAt& number : *numbers) {
    PutFixed32(&out, number.row);
  }
  for (const NumberAt& number : *numbers) {
    out += static_cast<char>(number.value.kind());
  }
  return out;
}

/// Rows of each text id, ascending and distinct.
std::vector<std::vector<uint32_t>> GroupPostings(const Column& column) {
  std::vector<std::vector<uint32_t>> rows(column.text_of_id.size());
  for (const auto& [id, row] : column.postings) {
    if (rows[id].empty() || rows[id].back() != row) {
      rows[id].push_back(row);
    }
  }
  return rows;
}

std::string DictionaryBlock(const Column& column) {
  const size_t n = column.text_of_id.size();
  if (n == 0) {
    return {};
  }
  std::vector<uint32_t> order(n);
  for (uint32_t id = 0; id < n; ++id) {
    order[id] = id;
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return *column.text_of_id[a] < *column.text_of_id[b]; });
  const std::vector<std::vector<uint32_t>> rows = GroupPostings(column);
  std::string texts;
  std::string postings;
  std::string out;
  std::string posting_offsets;
  PutFixed32(&out, static_cast<uint32_t>(n));
  PutFixed32(&out, 0);
  for (const uint32_t id : order) {
    PutFixed32(&out, static_cast<uint32_t>(texts.size()));
    PutFixed32(&posting_offsets, static_cast<uint32_t>(postings.size()));
    texts += *column.text_of_id[id];
    PutRowSet(&postings, rows[id]);
  }
  PutFixed32(&out, static_cast<uint32_t>(texts.size()));
  PutFixed32(&posting_offsets, static_cast<uint32_t>(postings.size()));
  return out + posting_offsets + texts + postings;
}

/// True when the dictionary is long text, nearly each one different.
bool IsLongText(const Column& column) {
  return column.text_of_id.size() * 2 > column.postings.size() &&
         column.text_bytes > column.text_of_id.size() * kMaxMeanUniqueTextBytes;
}

}  // namespace

/// Receives the walk of one payload after the other.
struct PayloadColumnsBuilder::Rep : public PayloadSink {
  std::vector<std::unique_ptr<Column>> columns;  ///< by place; 0 is the root, never written
  uint32_t row = 0;
  uint64_t row_bound = 0;
  bool incomplete = false;
  bool failed = false;

  Rep() { columns.push_back(std::make_unique<Column>()); }

  Column& At(int place) { return *columns[static_cast<size_t>(place)]; }

  int Child(int place, std::string_view key) override {
    Column& parent = At(place);
    if (const auto known = parent.children.find(key); known != parent.children.end()) {
      return known->second;
    }
    std::string path = FilterPathText({std::string(key)});
    if (place != 0) {
      path.insert(0, parent.path + ".");
    }
    if (columns.size() > kMaxColumnPaths || path.size() > kMaxColumnPathBytes) {
      incomplete = true;
      return kNowhere;
    }
    const int child = static_cast<int>(columns.size());
    parent.children.emplace(key, child);
    columns.push_back(std::make_unique<Column>());
    columns.back()->path = std::move(path);
    return child;
  }

  void OnScalar(int place, const PayloadScalar& value) override {
    Column& column = At(place);
    Touch(&column);
    if (value.type != PayloadScalar::Type::kNull) {
      column.sets[kNotNull].Add(row);
    }
    if (value.type == PayloadScalar::Type::kString) {
      column.sets[kDirectText].Add(row);
    }
    Record(&column, value);
  }

  void OnObject(int place) override {
    Touch(&At(place));
    At(place).sets[kNotNull].Add(row);
  }

  void OnArray(int place) override {
    OnObject(place);
    At(place).sets[kArray].Add(row);
  }

  void OnElement(int place, const PayloadScalar& value) override { Record(&At(place), value); }

  void OnArrayEnd(int /*place*/) override {}

  /// Notes a value at the path itself.
  void Touch(Column* column) const {
    column->sets[kPresent].Add(row);
    if (column->direct_row == row) {
      column->sets[kMulti].Add(row);
    }
    column->direct_row = row;
  }

  /// True while this row may add values to the column.
  bool HasRoom(Column* column) const {
    if (column->element_row != row) {
      column->element_row = row;
      column->elements = 0;
    }
    return ++column->elements <= kMaxIndexedElements &&
           column->numbers.size() + column->postings.size() < kMaxColumnValues;
  }

  void Record(Column* column, const PayloadScalar& value) const {
    switch (value.type) {
      case PayloadScalar::Type::kNull:
        return;
      case PayloadScalar::Type::kBool:
        column->sets[value.truth ? kTrue : kFalse].Add(row);
        return;
      case PayloadScalar::Type::kNumber:
        if (HasRoom(column)) {
          column->numbers.push_back({value.number, row});
        } else {
          column->sets[kOpaqueNumber].Add(row);
        }
        return;
      case PayloadScalar::Type::kString:
        if (!HasRoom(column) || !RecordText(column, value.text)) {
          column->sets[kOpaqueText].Add(row);
        }
        return;
    }
  }

  /// False when the dictionary does not take the text.
  bool RecordText(Column* column, std::string_view text) const {
    if (text.size() > kMaxKeywordBytes) {
      return false;
    }
    auto known = column->texts.find(text);
    if (known == column->texts.end()) {
      if (column->text_bytes + text.size() > kMaxDictionaryBytes) {
        return false;
      }
      column->text_bytes += text.size();
      const auto id = static_cast<uint32_t>(column->text_of_id.size());
      known = column->texts.emplace(text, id).first;
      column->text_of_id.push_back(&known->first);
    }
    column->postings.emplace_back(known->second, row);
    return true;
  }

  /// Bytes of each block of the column.
  static std::array<std::string, kBlocks> Blocks(Column* column) {
    std::array<std::string, kBlocks> blocks{};
    const bool long_text = IsLongText(*column);
    for (size_t block = kPresent; block <= kFalse; ++block) {
      std::vector<uint32_t> rows;
      column->sets[block].AddTo(&rows);
      if (block == kOpaqueText && long_text) {
        for (const auto& [id, text_row] : column->postings) {
          rows.push_back(text_row);
        }
        std::sort(rows.begin(), rows.end());
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
      }
      PutRowSet(&blocks[block], rows);
    }
    blocks[kPath] = column->path;
    blocks[kNumbers] = NumberBlock(&column->numbers);
    if (!long_text) {
      blocks[kDictionary] = DictionaryBlock(*column);
    }
    return blocks;
  }
};

PayloadColumnsBuilder::PayloadColumnsBuilder() : rep_(std::make_unique<Rep>()) {}

PayloadColumnsBuilder::~PayloadColumnsBuilder() = default;

Status PayloadColumnsBuilder::Add(uint32_t row, std::string_view payload_json) {
  if (rep_->failed) {
    return FailedPreconditionError("payload columns failed before or are finished");
  }
  rep_->failed = true;
  if (row < rep_->row_bound || row == kNoRow) {
    return InvalidFieldError("payload columns take rows in ascending order", "row",
                             std::to_string(row), ">=" + std::to_string(rep_->row_bound));
  }
  rep_->row = row;
  rep_->row_bound = uint64_t{row} + 1;
  if (payload_json != "{}" && !WalkPayload(payload_json, rep_.get())) {
    return InvalidArgumentError("payload is not valid: row=" + std::to_string(row))
        .WithField("payload");
  }
  rep_->failed = false;
  return {};
}

Result<std::string> PayloadColumnsBuilder::Finish() {
  if (rep_->failed) {
    return FailedPreconditionError("payload columns failed before or are finished");
  }
  rep_->failed = true;
  auto& columns = rep_->columns;
  columns.erase(columns.begin());
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a->path < b->path; });
  std::string out;
  PutFixed32(&out, kColumnsMagic);
  PutFixed32(&out, kColumnsVersion);
  PutFixed32(&out, static_cast<uint32_t>(rep_->row_bound));
  PutFixed32(&out, static_cast<uint32_t>(columns.size()));
  PutFixed32(&out, rep_->incomplete ? kColumnsIncomplete : 0);
  PutFixed32(&out, 0);
  PutFixed64(&out, 0);
  size_t entry = out.size();
  out.resize(entry + columns.size() * kDirectoryEntryBytes);
  const auto put_at = [&out](size_t at, uint64_t value) {
    std::memcpy(out.data() + at, &value, sizeof value);
  };
  for (std::unique_ptr<Column>& column : columns) {
    for (const std::string& block : Rep::Blocks(column.get())) {
      put_at(entry, out.size());
      put_at(entry + 8, block.size());
      entry += 16;
      out += block;
    }
    column.reset();  // frees its memory before the next one is written
  }
  put_at(24, out.size());
  return out;
}

}  // namespace leadline
