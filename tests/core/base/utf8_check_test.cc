#include "leadline/core/utf8_check.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace leadline {
namespace {

// The table of the Unicode Standard 3-7, written out byte by byte: an oracle of its own.
bool IsWellFormed(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    auto byte = [&](size_t k) -> int {
      return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : -1;
    };
    auto within = [&](size_t k, int low, int high) { return byte(k) >= low && byte(k) <= high; };
    if (within(0, 0x00, 0x7F)) {
      i += 1;
    } else if (within(0, 0xC2, 0xDF) && within(1, 0x80, 0xBF)) {
      i += 2;
    } else if ((within(0, 0xE0, 0xE0) && within(1, 0xA0, 0xBF) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xE1, 0xEC) && within(1, 0x80, 0xBF) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xED, 0xED) && within(1, 0x80, 0x9F) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xEE, 0xEF) && within(1, 0x80, 0xBF) && within(2, 0x80, 0xBF))) {
      i += 3;
    } else if (((within(0, 0xF0, 0xF0) && within(1, 0x90, 0xBF)) ||
                (within(0, 0xF1, 0xF3) && within(1, 0x80, 0xBF)) ||
                (within(0, 0xF4, 0xF4) && within(1, 0x80, 0x8F))) &&
               within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

TEST(IsValidUtf8, AgreesWithTheStandardsTableOnRandomBytes) {
  std::mt19937 random(7);
  const std::string alphabet(
      "a\x80\xBF\x9F\xA0\x90\x8F\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5", 18);
  for (int round = 0; round < 400000; ++round) {
    std::string s;
    for (size_t n = random() % 12; n > 0; --n) {
      s += alphabet[random() % alphabet.size()];
    }
    ASSERT_EQ(IsValidUtf8(s), IsWellFormed(s)) << ::testing::PrintToString(s);
  }
}

TEST(IsValidUtf8, AgreesWithTheStandardsTableOnEveryLeadAndSecondByte) {
  for (int lead = 0; lead < 256; ++lead) {
    for (int second = 0; second < 256; ++second) {
      for (const char* rest : {"", "\x80", "\x80\x80", "\xBF\xBF", "\x80z"}) {
        std::string s(31, 'x');  // the sequence crosses a block
        s += static_cast<char>(lead);
        s += static_cast<char>(second);
        s += rest;
        ASSERT_EQ(IsValidUtf8(s), IsWellFormed(s)) << ::testing::PrintToString(s);
      }
    }
  }
}

TEST(IsValidUtf8, FindsABadByteAnywhereInLongText) {
  const std::string text(300, 'x');
  ASSERT_TRUE(IsValidUtf8(text));
  for (size_t at = 0; at < text.size(); ++at) {
    std::string bad = text;
    bad[at] = '\xFF';
    ASSERT_FALSE(IsValidUtf8(bad)) << at;
  }
}

}  // namespace
}  // namespace leadline
