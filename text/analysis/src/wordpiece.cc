#include "leadline/text/wordpiece.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "bert_runes.h"
#include "leadline/text/utf8.h"
#include "piece_trie.h"

namespace leadline::text {

struct WordPieceTokenizer::Trie {
  PieceTrie pieces;
  uint32_t continuation = PieceTrie::kNone;  // node behind "##"
};

namespace {

constexpr std::string_view kUnknown = "[UNK]";
constexpr std::string_view kContinuation = "##";

struct AsciiEntry {
  RuneAction action = RuneAction::kDrop;
  char lower = 0;
};

constexpr std::array<AsciiEntry, 128> MakeAsciiTable() {
  std::array<AsciiEntry, 128> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    const auto c = static_cast<char>(i);
    const bool upper = c >= 'A' && c <= 'Z';
    const bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    table[i].lower = upper ? static_cast<char>(c + ('a' - 'A')) : c;
    if (word) {
      table[i].action = RuneAction::kLetter;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      table[i].action = RuneAction::kSpace;
    } else if (c > ' ' && i < 0x7F) {
      table[i].action = RuneAction::kIsolate;
    }
  }
  return table;
}

constexpr std::array<AsciiEntry, 128> kAscii = MakeAsciiTable();

// Collects one normalised word and emits its pieces.
class WordBuffer {
 public:
  WordBuffer(const PieceTrie& pieces, uint32_t continuation, uint32_t unknown,
             std::vector<uint32_t>* ids)
      : pieces_(pieces), continuation_(continuation), unknown_(unknown), ids_(ids) {}

  void AddAscii(char c) {
    if (runes_ < WordPieceTokenizer::kMaxWordRunes) {
      bytes_[size_++] = c;
    }
    ++runes_;
  }

  void AddRune(char32_t rune) {
    if (runes_ < WordPieceTokenizer::kMaxWordRunes) {
      std::string encoded;  // at most 4 bytes: stays in the string's own buffer
      AppendRune(&encoded, rune);
      for (const char c : encoded) {
        bytes_[size_++] = c;
      }
    }
    ++runes_;
  }

  void EndWord() {
    if (runes_ == 0) {
      return;
    }
    if (runes_ > WordPieceTokenizer::kMaxWordRunes) {
      ids_->push_back(unknown_);
    } else {
      EmitPieces({bytes_.data(), size_});
    }
    runes_ = 0;
    size_ = 0;
  }

 private:
  void EmitPieces(std::string_view word) {
    const size_t before = ids_->size();
    uint32_t node = PieceTrie::kRoot;
    while (!word.empty()) {
      const PieceTrie::Match match =
          node == PieceTrie::kNone ? PieceTrie::Match{} : pieces_.LongestMatch(node, word);
      if (match.length == 0) {
        ids_->resize(before);
        ids_->push_back(unknown_);
        return;
      }
      ids_->push_back(match.id);
      word.remove_prefix(match.length);
      node = continuation_;
    }
  }

  const PieceTrie& pieces_;
  const uint32_t continuation_;
  const uint32_t unknown_;
  std::vector<uint32_t>* ids_;
  std::array<char, 4 * WordPieceTokenizer::kMaxWordRunes> bytes_{};
  size_t size_ = 0;
  size_t runes_ = 0;
};

void AddMapped(const RuneMapping& mapping, WordBuffer* word) {
  for (size_t i = 0; i < mapping.count; ++i) {
    const RuneMapping::Part& part = mapping.parts[i];
    if (part.action == RuneAction::kLetter) {
      word->AddRune(part.rune);
      continue;
    }
    word->EndWord();
    if (part.action == RuneAction::kIsolate) {
      word->AddRune(part.rune);
      word->EndWord();
    }
  }
}

Status CheckVocabulary(std::span<const std::string_view> vocabulary) {
  if (vocabulary.size() > WordPieceTokenizer::kMaxVocabulary) {
    return InvalidFieldError("vocabulary has too many pieces", "vocabulary.size",
                             std::to_string(vocabulary.size()),
                             std::to_string(WordPieceTokenizer::kMaxVocabulary));
  }
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary[id].empty() || vocabulary[id].size() > WordPieceTokenizer::kMaxPieceBytes) {
      return InvalidFieldError("vocabulary piece is empty or too long",
                               "vocabulary[" + std::to_string(id) + "].size",
                               std::to_string(vocabulary[id].size()),
                               "1.." + std::to_string(WordPieceTokenizer::kMaxPieceBytes));
    }
  }
  return OkStatus();
}

}  // namespace

Result<WordPieceTokenizer> WordPieceTokenizer::Create(
    std::span<const std::string_view> vocabulary) {
  LEADLINE_RETURN_IF_ERROR(CheckVocabulary(vocabulary));
  std::vector<PieceTrie::Key> keys;
  keys.reserve(vocabulary.size());
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    keys.emplace_back(vocabulary[id], static_cast<uint32_t>(id));
  }
  std::sort(keys.begin(), keys.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  const auto repeated = std::adjacent_find(keys.begin(), keys.end(), same);
  if (repeated != keys.end()) {
    return InvalidArgumentError("vocabulary piece is repeated: piece=" +
                                std::string(repeated->first));
  }
  const auto unknown = std::lower_bound(keys.begin(), keys.end(), PieceTrie::Key(kUnknown, 0));
  if (unknown == keys.end() || unknown->first != kUnknown) {
    return InvalidArgumentError("vocabulary has no piece for unknown words: piece=" +
                                std::string(kUnknown));
  }
  PieceTrie pieces(keys);
  const uint32_t continuation = pieces.Walk(PieceTrie::kRoot, kContinuation);
  auto trie = std::make_unique<const Trie>(Trie{std::move(pieces), continuation});
  return WordPieceTokenizer(std::move(trie), vocabulary.size(), unknown->second);
}

WordPieceTokenizer::WordPieceTokenizer(std::unique_ptr<const Trie> trie, size_t vocabulary_size,
                                       uint32_t unknown_id)
    : trie_(std::move(trie)), vocabulary_size_(vocabulary_size), unknown_id_(unknown_id) {}

WordPieceTokenizer::WordPieceTokenizer(WordPieceTokenizer&& other) noexcept = default;
WordPieceTokenizer& WordPieceTokenizer::operator=(WordPieceTokenizer&& other) noexcept = default;
WordPieceTokenizer::~WordPieceTokenizer() = default;

void WordPieceTokenizer::Tokenize(std::string_view utf8, std::vector<uint32_t>* ids) const {
  WordBuffer word(trie_->pieces, trie_->continuation, unknown_id_, ids);
  size_t at = 0;
  while (at < utf8.size()) {
    const auto byte = static_cast<uint8_t>(utf8[at]);
    if (byte >= kAscii.size()) {
      const DecodedRune next = DecodeRune(utf8, at);
      AddMapped(MapBertRune(next.rune), &word);
      at += next.size;
      continue;
    }
    const AsciiEntry entry = kAscii[byte];
    ++at;
    if (entry.action == RuneAction::kLetter) {
      word.AddAscii(entry.lower);
    } else if (entry.action != RuneAction::kDrop) {
      word.EndWord();
      if (entry.action == RuneAction::kIsolate) {
        word.AddAscii(entry.lower);
        word.EndWord();
      }
    }
  }
  word.EndWord();
}

}  // namespace leadline::text
