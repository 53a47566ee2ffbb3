#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "raw_connection.h"

namespace leadline::rpc::http2 {

enum Type : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kReset = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kPadded = 8;
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `bytes` bytes, the highest first.
inline std::string BigEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text += static_cast<char>(value >> (8 * i));
  }
  return text;
}

/// The head of a frame that announces `length` bytes.
inline std::string FrameHead(size_t length, uint8_t type, uint8_t flags, uint32_t stream) {
  return BigEndian(length, 3) + static_cast<char>(type) + static_cast<char>(flags) +
         BigEndian(stream, 4);
}

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream,
                         std::string_view payload = "") {
  return FrameHead(payload.size(), type, flags, stream).append(payload);
}

inline std::string Setting(uint16_t id, uint32_t value) {
  return BigEndian(id, 2) + BigEndian(value, 4);
}

/// HPACK: an integer of which the first byte has `bits`, the others of that byte being `first`.
inline std::string Integer(uint64_t value, int bits, uint8_t first) {
  const uint64_t most = (uint64_t{1} << bits) - 1;
  if (value < most) {
    return {static_cast<char>(first | value)};
  }
  std::string text = {static_cast<char>(first | most)};
  for (value -= most; value >= 128; value >>= 7) {
    text += static_cast<char>(value | 128);
  }
  return text + static_cast<char>(value);
}

/// A header field as a literal with a new name; `kept` enters it into the dynamic table.
inline std::string Field(std::string_view name, std::string_view value, bool kept = false) {
  std::string text = {static_cast<char>(kept ? 0x40 : 0x00)};
  text += Integer(name.size(), 7, 0);
  text += name;
  text += Integer(value.size(), 7, 0);
  return text.append(value);
}

/// The header block of a call of gRPC.
inline std::string CallFields(std::string_view path, std::string_view more = "") {
  return (Field(":method", "POST") + Field(":scheme", "http") + Field(":path", path) +
          Field(":authority", "localhost") + Field("te", "trailers") +
          Field("content-type", "application/grpc"))
      .append(more);
}

/// A message of gRPC with its prefix.
inline std::string Message(std::string_view bytes, bool compressed = false) {
  return (std::string(1, compressed ? '\1' : '\0') + BigEndian(bytes.size(), 4)).append(bytes);
}

/// A client that sends what it is told, frame for frame. Sends wait for a second at most.
class Peer {
 public:
  explicit Peer(int port) : connection_(port) {
    timeval patience = {1, 0};
    ::setsockopt(connection_.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }

  /// Preface and settings; unless it is told otherwise it agrees to those of the server blindly.
  bool Begin(std::string_view settings = "", bool acknowledge = true) {
    return Send(std::string(kPreface) + Frame(kSettings, 0, 0, settings) +
                (acknowledge ? Frame(kSettings, kAck, 0) : ""));
  }

  /// False where the server has ended the connection, or takes nothing for a second.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(connection_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  /// What has come by now; keeps its end.
  std::string_view Received() {
    char bytes[65536];
    ssize_t got = 0;
    while ((got = ::recv(connection_.fd(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
      Keep({bytes, static_cast<size_t>(got)});
    }
    ended_ = ended_ || got == 0 || (errno != EAGAIN && errno != EINTR);
    return received_;
  }

  /// Waits for `text` in what comes, 20 s at most; false where it never does.
  bool WaitFor(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      char bytes[65536];
      const ssize_t got = ::recv(connection_.fd(), bytes, sizeof bytes, 0);
      if (got <= 0) {
        ended_ = got == 0 || errno != EAGAIN;
        return false;
      }
      Keep({bytes, static_cast<size_t>(got)});
    }
    return true;
  }

  /// The status of gRPC that the first answer ends with; -1 where none comes.
  int WaitForStatus() {
    // A literal, since it is the first of its connection: name, length, number.
    const std::string_view name = "grpc-status";
    if (!WaitFor(name)) {
      return -1;
    }
    const size_t at = received_.find(name) + name.size();
    while (received_.size() < at + 3 && WaitForMore()) {
    }
    const std::string digits = received_.substr(at + 1, static_cast<size_t>(received_.at(at)));
    return std::stoi(digits);
  }

  /// Waits until the server ends the connection; false where it does not within 20 s.
  bool WaitForEnd() {
    while (WaitForMore()) {
    }
    return ended_;
  }

  [[nodiscard]] bool ended() const { return ended_; }

  [[nodiscard]] int fd() const { return connection_.fd(); }

 private:
  bool WaitForMore() {
    char bytes[65536];
    const ssize_t got = ::recv(connection_.fd(), bytes, sizeof bytes, 0);
    if (got > 0) {
      Keep({bytes, static_cast<size_t>(got)});
    } else {
      ended_ = got == 0 || errno != EAGAIN;
    }
    return got > 0;
  }

  void Keep(std::string_view bytes) {
    constexpr size_t kKept = 1 << 20;
    received_.append(bytes);
    if (received_.size() > 2 * kKept) {
      received_.erase(0, received_.size() - kKept);
    }
  }

  RawConnection connection_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace leadline::rpc::http2
