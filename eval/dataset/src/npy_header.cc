#include "npy_header.h"

#include <charconv>

#include "leadline/core/coding.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

Status Bad(std::string_view field, std::string_view value, std::string_view limit) {
  return InvalidFieldError("bad npy header", field, Shorten(value), limit);
}

Result<ElementType> ParseType(std::string_view descr) {
  struct Name {
    std::string_view name;
    ElementType type;
  };

  static constexpr Name kTypes[] = {{"f2", ElementType::kF16}, {"f4", ElementType::kF32},
                                    {"f8", ElementType::kF64}, {"i1", ElementType::kI8},
                                    {"u1", ElementType::kU8},  {"i4", ElementType::kI32},
                                    {"i8", ElementType::kI64}};
  for (const Name& known : kTypes) {
    if (descr.size() != 3 || descr.substr(1) != known.name) {
      continue;
    }
    const char order = descr[0];
    if (order == '<' || order == '=' || ElementBytes(known.type) == 1) {
      return known.type;
    }
  }
  return Bad("descr", descr, "little-endian <f2, <f4, <f8, <i4, <i8; i1; u1");
}

/// Walks the Python dictionary literal that numpy writes, and nothing more general.
class DictParser {
 public:
  explicit DictParser(std::string_view text) : text_(text) {}

  Result<NpyHeader> Parse() {
    LEADLINE_RETURN_IF_ERROR(Expect('{'));
    while (!Take('}')) {
      LEADLINE_ASSIGN_OR_RETURN(const std::string_view key, String());
      LEADLINE_RETURN_IF_ERROR(Expect(':'));
      LEADLINE_RETURN_IF_ERROR(Value(key));
      if (!Take(',')) {
        LEADLINE_RETURN_IF_ERROR(Expect('}'));
        break;
      }
    }
    Skip();
    if (at_ != text_.size()) {
      return Bad("header", text_.substr(at_), "nothing after the dictionary");
    }
    if (!has_descr_ || !has_order_ || !has_shape_) {
      return Bad("header", "", "descr, fortran_order and shape");
    }
    return std::move(header_);
  }

 private:
  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  bool Take(char c) {
    Skip();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  Status Expect(char c) {
    if (!Take(c)) {
      return Bad("header", text_.substr(at_), std::string(1, c));
    }
    return {};
  }

  Result<std::string_view> String() {
    Skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') {
      return Bad("header", text_.substr(at_), "a quoted string");
    }
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) {
      return Bad("header", text_.substr(at_), "a closing quote");
    }
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  Status Once(bool* seen, std::string_view key) {
    if (*seen) {
      return Bad(key, "given twice", "once");
    }
    *seen = true;
    return {};
  }

  Status Value(std::string_view key) {
    if (key == "descr") {
      LEADLINE_RETURN_IF_ERROR(Once(&has_descr_, key));
      LEADLINE_ASSIGN_OR_RETURN(const std::string_view descr, String());
      LEADLINE_ASSIGN_OR_RETURN(header_.type, ParseType(descr));
      return {};
    }
    if (key == "fortran_order") {
      LEADLINE_RETURN_IF_ERROR(Once(&has_order_, key));
      return COrder();
    }
    if (key == "shape") {
      LEADLINE_RETURN_IF_ERROR(Once(&has_shape_, key));
      return Shape();
    }
    return Bad("header", key, "descr, fortran_order and shape");
  }

  Status COrder() {
    Skip();
    if (!text_.substr(at_).starts_with("False")) {
      return Bad("fortran_order", text_.substr(at_, 4), "False, rows one after the other");
    }
    at_ += 5;
    return {};
  }

  Status Shape() {
    LEADLINE_RETURN_IF_ERROR(Expect('('));
    while (!Take(')')) {
      Skip();
      uint64_t size = 0;
      const char* begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc()) {
        return Bad("shape", text_.substr(at_), "numbers below 2^64");
      }
      at_ += static_cast<size_t>(end - begin);
      header_.shape.push_back(size);
      if (!Take(',')) {
        return Expect(')');
      }
    }
    return {};
  }

  const std::string_view text_;
  size_t at_ = 0;
  NpyHeader header_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

}  // namespace

Result<size_t> NpyDataOffset(std::string_view head) {
  if (!head.starts_with("\x93NUMPY")) {
    return Bad("magic", head.substr(0, 6), "\\x93NUMPY");
  }
  if (head.size() < 12) {
    return Bad("length", std::to_string(head.size()), "at least 12 bytes");
  }
  const auto major = static_cast<unsigned char>(head[6]);
  if (major < 1 || major > 3) {
    return Bad("version", std::to_string(major), "1 to 3");
  }
  const size_t prefix = major == 1 ? 10 : 12;
  const size_t length =
      major == 1 ? DecodeFixed32(head.data() + 8) & 0xffff : DecodeFixed32(head.data() + 8);
  if (length > kMaxNpyHeaderBytes) {
    return Bad("header length", std::to_string(length), std::to_string(kMaxNpyHeaderBytes));
  }
  return prefix + length;
}

Result<NpyHeader> ParseNpyHeader(std::string_view dictionary) {
  return DictParser(dictionary).Parse();
}

}  // namespace leadline::eval
