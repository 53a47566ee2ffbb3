#include "random_name.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace leadline::rpc {

std::string ToHex(const unsigned char* bytes, size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

Result<std::string> RandomHex(size_t bytes) {
  std::array<unsigned char, 64> random{};
  if (bytes > random.size() || ::getentropy(random.data(), bytes) != 0) {
    return UnavailableError(std::string("no random bytes: ") + ::strerrordesc_np(errno));
  }
  return ToHex(random.data(), bytes);
}

}  // namespace leadline::rpc
