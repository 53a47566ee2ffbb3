#include "console.h"

#include <cstdio>
#include <unistd.h>

#include "leadline/text/utf8.h"

namespace leadline::cli {

void Console::Write(std::string_view text) {
  failed_ |= std::fwrite(text.data(), 1, text.size(), stdout) != text.size();
}

void Console::Line(std::string_view text) {
  Write(text);
  Write("\n");
}

void Console::Flush() {
  failed_ |= std::fflush(stdout) != 0;
}

void Console::Message(std::string_view text) {
  if (!quiet_) {
    std::fprintf(stderr, "%s\n", Printable(text).c_str());
  }
}

void Console::Error(const Status& status) {
  // The library knows of no signals.
  constexpr std::string_view kByToken = "call cancelled by its token";
  const bool by_token =
      status.code() == StatusCode::kCancelled && status.message().ends_with(kByToken);
  const std::string message = by_token ? "stopped by a signal" : Printable(status.message());
  std::fprintf(stderr, "leadline: %s\n", message.c_str());
}

bool Console::interactive() const {
  return !quiet_ && ::isatty(STDERR_FILENO) == 1;
}

bool Console::results_on_terminal() const {
  return ::isatty(STDOUT_FILENO) == 1;
}

Status Console::Close() {
  Flush();
  return failed_ ? UnavailableError("the results could not be written to standard output")
                 : OkStatus();
}

std::string Printable(std::string_view bytes) {
  std::string safe;
  safe.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const text::DecodedRune decoded = text::DecodeRune(bytes, at);
    const bool control = decoded.rune < 0x20 || (decoded.rune >= 0x7F && decoded.rune < 0xA0);
    if (decoded.rune == '\n' || decoded.rune == '\t') {
      safe += static_cast<char>(decoded.rune);
    } else if (control || decoded.rune == text::kReplacementRune) {
      safe += '?';
    } else {
      safe.append(bytes.substr(at, decoded.size));
    }
    at += decoded.size;
  }
  return safe;
}

}  // namespace leadline::cli
