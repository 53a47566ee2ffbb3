#include "leadline/eval/judgments.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <unordered_map>

#include "input_file.h"
#include "kept_input.h"
#include "leadline/core/utf8_check.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

constexpr size_t kRunColumns = 6;
constexpr size_t kQrelsColumns = 4;
constexpr size_t kBeirColumns = 3;

/// Cuts `line` at blanks into at most `N` columns; returns how many there are, N + 1 for more.
template <size_t N>
size_t SplitAtBlanks(std::string_view line, std::array<std::string_view, N>* columns) {
  const char* p = line.data();
  const char* const end = p + line.size();
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  size_t n = 0;
  while (true) {
    while (p != end && blank(*p)) {
      ++p;
    }
    if (p == end) {
      return n;
    }
    if (n == N) {
      return N + 1;
    }
    const char* const begin = p;
    while (p != end && !blank(*p)) {
      ++p;
    }
    (*columns)[n++] = {begin, static_cast<size_t>(p - begin)};
  }
}

/// Cuts at tabs, so that BEIR ids may contain blanks. Same result.
size_t SplitAtTabs(std::string_view line, std::array<std::string_view, kBeirColumns>* columns) {
  size_t n = 0;
  while (true) {
    if (n == kBeirColumns) {
      return kBeirColumns + 1;
    }
    const size_t tab = line.find('\t');
    (*columns)[n++] = line.substr(0, tab);
    if (tab == std::string_view::npos) {
      return n;
    }
    line.remove_prefix(tab + 1);
  }
}

std::optional<int32_t> ParseRelevance(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// A finite number; one too small for a double becomes 0 or the nearest subnormal.
std::optional<double> ParseScore(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return std::nullopt;
  }
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(text).c_str(), nullptr);
  }
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// Finds the entry of a query in a growing list; files mostly keep a query's lines together.
template <typename Query>
class QueryIndex {
 public:
  explicit QueryIndex(std::vector<Query>* queries) : queries_(queries) {}

  Query* Get(std::string_view id) {
    if (last_ < queries_->size() && (*queries_)[last_].id == id) {
      return &(*queries_)[last_];
    }
    const auto [it, added] = positions_.try_emplace(std::string(id), queries_->size());
    if (added) {
      queries_->emplace_back();
      queries_->back().id = std::string(id);
    }
    last_ = it->second;
    return &(*queries_)[last_];
  }

 private:
  std::vector<Query>* const queries_;
  std::unordered_map<std::string, size_t> positions_;
  size_t last_ = 0;
};

/// Lines that carry data: no blank lines, no comments under trec10.
class DataLines {
 public:
  DataLines(LineReader lines, TrecRules rules, ReadProgress progress)
      : lines_(std::move(lines)), rules_(rules), progress_(std::move(progress)) {}

  Result<bool> Next(std::string_view* line) {
    while (true) {
      if (progress_) {
        progress_(lines_.file().position(), lines_.file().size());
      }
      LEADLINE_ASSIGN_OR_RETURN(const bool more, lines_.Next(line));
      if (!more) {
        return false;
      }
      if (lines_.line_number() == 1 && line->starts_with("\xef\xbb\xbf")) {
        line->remove_prefix(3);
      }
      const size_t first = line->find_first_not_of(" \t");
      if (first == std::string_view::npos ||
          (rules_ == TrecRules::kTrec10 && (*line)[first] == '#')) {
        continue;
      }
      if (!IsValidUtf8(*line)) {
        return Problem({"not UTF-8", "", "", "UTF-8"});
      }
      return true;
    }
  }

  [[nodiscard]] Status Problem(const RowProblem& problem) const {
    return RowError(problem, lines_.file().path(), "line", lines_.line_number());
  }

  [[nodiscard]] const std::string& path() const { return lines_.file().path(); }

  /// Of the last line; wraps in files that no reader keeps.
  [[nodiscard]] uint32_t number() const { return static_cast<uint32_t>(lines_.line_number()); }

 private:
  LineReader lines_;
  const TrecRules rules_;
  const ReadProgress progress_;
};

enum class QrelsLayout : uint8_t { kTrec, kBeir };

struct QrelsLine {
  std::string_view query;
  std::string_view doc;
  std::string_view relevance;
};

/// Columns of a judgment, or nothing where their number is wrong.
std::optional<QrelsLine> SplitQrelsLine(std::string_view line, QrelsLayout layout) {
  if (layout == QrelsLayout::kBeir) {
    std::array<std::string_view, kBeirColumns> c;
    if (SplitAtTabs(line, &c) != kBeirColumns) {
      return std::nullopt;
    }
    return QrelsLine{c[0], c[1], c[2]};
  }
  std::array<std::string_view, kQrelsColumns> c;
  if (SplitAtBlanks(line, &c) != kQrelsColumns) {
    return std::nullopt;
  }
  return QrelsLine{c[0], c[2], c[3]};
}

/// Three columns between tabs are BEIR's, anything else must be TREC's.
QrelsLayout DetectLayout(std::string_view first_line) {
  std::array<std::string_view, kBeirColumns> c;
  return SplitAtTabs(first_line, &c) == kBeirColumns ? QrelsLayout::kBeir : QrelsLayout::kTrec;
}

bool IsBeirHeader(std::string_view line) {
  return line.starts_with("query-id\t") || line.starts_with("query_id\t");
}

/// What a line may add: a document, and in the worst case a query with its place in the index.
template <typename Query, typename Doc>
uint64_t MemoryOf(std::string_view query, std::string_view doc) {
  return sizeof(Query) + sizeof(Doc) + sizeof(std::string) + 2 * query.size() + doc.size();
}

Result<Qrels> ParseQrels(DataLines* lines, KeptInput* kept) {
  Qrels qrels;
  qrels.file = lines->path();
  QueryIndex<JudgedQuery> index(&qrels.queries);
  std::optional<QrelsLayout> layout;
  while (true) {
    std::string_view line;
    LEADLINE_ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) {
      return qrels;
    }
    if (!layout) {
      layout = DetectLayout(line);
      if (layout == QrelsLayout::kBeir && IsBeirHeader(line)) {
        continue;
      }
    }
    const auto columns = SplitQrelsLine(line, *layout);
    if (!columns || columns->query.empty() || columns->doc.empty()) {
      return lines->Problem({"malformed judgment", "columns", std::string(line.substr(0, 64)),
                             layout == QrelsLayout::kBeir ? "query<TAB>document<TAB>relevance"
                                                          : "query iteration document relevance"});
    }
    const auto relevance = ParseRelevance(columns->relevance);
    if (!relevance) {
      return lines->Problem({"relevance is not a whole number", "relevance",
                             std::string(columns->relevance.substr(0, 64)), "[-2^31, 2^31)"});
    }
    LEADLINE_RETURN_IF_ERROR(
        kept->AddRow(MemoryOf<JudgedQuery, JudgedDoc>(columns->query, columns->doc)));
    index.Get(columns->query)
        ->docs.push_back({std::string(columns->doc), *relevance, lines->number()});
  }
}

/// The file of judgments in a BEIR folder.
Result<std::string> FindBeirQrels(FileSystem* fs, const std::string& folder) {
  const std::string qrels = JoinPath(folder, "qrels");
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs->ListDirectory(qrels));
  std::string only;
  size_t found = 0;
  for (const std::string& name : names) {
    if (name == "test.tsv") {
      return JoinPath(qrels, name);
    }
    if (name.ends_with(".tsv")) {
      only = name;
      ++found;
    }
  }
  if (found != 1) {
    return InvalidFieldError("no single judgment file in the folder", "qrels", qrels,
                             "test.tsv, or one .tsv file");
  }
  return JoinPath(qrels, only);
}

}  // namespace

Result<Qrels> ReadQrels(FileSystem* fs, const std::string& path, TrecRules rules,
                        const ReadLimits& limits, const ReadProgress& progress) {
  std::string file = path;
  LEADLINE_ASSIGN_OR_RETURN(const bool folder, fs->IsDirectory(path));
  if (folder) {
    LEADLINE_ASSIGN_OR_RETURN(file, FindBeirQrels(fs, path));
  }
  LEADLINE_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(fs, file));
  DataLines data(std::move(lines), rules, progress);
  KeptInput kept(file, limits);
  return ParseQrels(&data, &kept);
}

Result<RankedRun> ReadRun(FileSystem* fs, const std::string& path, TrecRules rules,
                          const ReadLimits& limits, const ReadProgress& progress) {
  LEADLINE_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(fs, path));
  DataLines lines(std::move(reader), rules, progress);
  KeptInput kept(path, limits);
  RankedRun run;
  run.file = path;
  QueryIndex<RankedQuery> index(&run.queries);
  std::string_view line;
  std::string_view tag;
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const bool more, lines.Next(&line));
    if (!more) {
      return run;
    }
    std::array<std::string_view, kRunColumns> c;
    if (SplitAtBlanks(line, &c) < kRunColumns) {
      return lines.Problem({"malformed result", "columns", std::string(line.substr(0, 64)),
                            "query Q0 document rank score tag"});
    }
    const auto score = ParseScore(c[4]);
    if (!score) {
      return lines.Problem({"score is not a finite number", "score",
                            std::string(c[4].substr(0, 64)), "a finite double"});
    }
    LEADLINE_RETURN_IF_ERROR(kept.AddRow(MemoryOf<RankedQuery, ScoredDoc>(c[0], c[2])));
    index.Get(c[0])->docs.push_back({std::string(c[2]), *score, lines.number()});
    if (tag != c[5]) {
      run.tag = std::string(c[5]);
    }
    tag = run.tag;
  }
}

}  // namespace leadline::eval
