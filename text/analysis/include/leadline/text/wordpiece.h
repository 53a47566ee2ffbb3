#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::text {

/// Cuts text into the pieces of a BERT vocabulary (uncased), as ids.
///
/// Rules: clean control characters, isolate CJK ideographs, strip accents (NFD), lower-case, split
/// at white space and around punctuation; then each word greedily into its longest known pieces,
/// "##" marking a continuation. A word of more than kMaxWordRunes code points, or with an unknown
/// part, is one "[UNK]". No "[CLS]" or "[SEP]" is added, and text that spells a special token is
/// ordinary text. Equal to: BertNormalizer, BertPreTokenizer and WordPiece of the `tokenizers`
/// package 0.23 (with encode_special_tokens), which classify code points by Unicode 8. Input: any
/// bytes; ill-formed UTF-8 is dropped, as the rules drop U+FFFD.
///
/// Immutable and thread-safe. Devlin et al. 2018; Schuster & Nakajima 2012.
class WordPieceTokenizer {
 public:
  static constexpr size_t kMaxWordRunes = 100;
  static constexpr size_t kMaxVocabulary = size_t{1} << 20;
  static constexpr size_t kMaxPieceBytes = 256;

  /// Makes a tokenizer; the id of a piece is its place in `vocabulary`, which is not retained.
  /// Errors: kInvalidArgument for an empty, too long or repeated piece, too many pieces, or no
  /// "[UNK]".
  static Result<WordPieceTokenizer> Create(std::span<const std::string_view> vocabulary);

  WordPieceTokenizer(WordPieceTokenizer&& other) noexcept;
  WordPieceTokenizer& operator=(WordPieceTokenizer&& other) noexcept;
  WordPieceTokenizer(const WordPieceTokenizer&) = delete;
  WordPieceTokenizer& operator=(const WordPieceTokenizer&) = delete;
  ~WordPieceTokenizer();

  /// Appends the ids of the text's pieces to `ids`. Allocates only where `ids` grows.
  void Tokenize(std::string_view utf8, std::vector<uint32_t>* ids) const;

  [[nodiscard]] size_t vocabulary_size() const { return vocabulary_size_; }

  [[nodiscard]] uint32_t unknown_id() const { return unknown_id_; }

 private:
  struct Trie;
  WordPieceTokenizer(std::unique_ptr<const Trie> trie, size_t vocabulary_size, uint32_t unknown_id);

  std::unique_ptr<const Trie> trie_;
  size_t vocabulary_size_;
  uint32_t unknown_id_;
};

}  // namespace leadline::text
