#include "leadline/core/utf8_check.h"

#include <cstdint>
#include <cstring>

namespace leadline {
namespace {

/// Length of the sequence at `p`, 0 where it is malformed.
size_t SequenceLength(const unsigned char* p, size_t left) {
  const unsigned char lead = p[0];
  size_t length = 0;
  unsigned char low = 0x80;  // bounds of the second byte
  unsigned char high = 0xbf;
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    low = lead == 0xe0 ? 0xa0 : 0x80;
    high = lead == 0xed ? 0x9f : 0xbf;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    low = lead == 0xf0 ? 0x90 : 0x80;
    high = lead == 0xf4 ? 0x8f : 0xbf;
  }
  if (length == 0 || left < length || p[1] < low || p[1] > high) {
    return 0;
  }
  for (size_t i = 2; i < length; ++i) {
    if ((p[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  size_t left = text.size();
  while (left > 0) {
    uint64_t words[4];
    if (left >= sizeof words) {  // ASCII bytes, 32 at once
      std::memcpy(words, p, sizeof words);
      if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080U) == 0) {
        p += sizeof words;
        left -= sizeof words;
        continue;
      }
    }
    const size_t length = SequenceLength(p, left);
    if (length == 0) {
      return false;
    }
    p += length;
    left -= length;
  }
  return true;
}

}  // namespace leadline
