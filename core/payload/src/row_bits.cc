#include "row_bits.h"

namespace leadline {

void RowBits::SetRange(uint32_t first, uint32_t last) {
  const size_t first_word = first / 64;
  const size_t last_word = last / 64;
  const uint64_t head = ~uint64_t{0} << (first % 64);
  const uint64_t tail = ~uint64_t{0} >> (63 - last % 64);
  if (first_word == last_word) {
    words_[first_word] |= head & tail;
    return;
  }
  words_[first_word] |= head;
  for (size_t i = first_word + 1; i < last_word; ++i) {
    words_[i] = ~uint64_t{0};
  }
  words_[last_word] |= tail;
}

void RowBits::Or(const RowBits& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] |= other.words_[i];
  }
}

void RowBits::And(const RowBits& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] &= other.words_[i];
  }
}

void RowBits::AndNot(const RowBits& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] &= ~other.words_[i];
  }
}

void RowBits::Complement() {
  for (uint64_t& word : words_) {
    word = ~word;
  }
  if (rows_ % 64 != 0) {
    words_.back() &= ~uint64_t{0} >> (64 - rows_ % 64);
  }
}

}  // namespace leadline
