#pragma once

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>

namespace leadline::rpc {

struct HttpAnswer {
  int status = 0;  ///< 0: the connection ended without an answer
  std::string head;
  std::string body;

  [[nodiscard]] nlohmann::json Json() const { return nlohmann::json::parse(body, nullptr, false); }

  /// "INVALID_ARGUMENT records[0].id", of an error.
  [[nodiscard]] std::string Error() const {
    const nlohmann::json error = Json().value("error", nlohmann::json::object());
    return error.value("code", "") + " " + error.value("field", "");
  }
};

/// A connection that sends what it is told, byte for byte. Reads answers with a length only.
class RawHttp {
 public:
  explicit RawHttp(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience = {20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  RawHttp(const RawHttp&) = delete;
  RawHttp& operator=(const RawHttp&) = delete;

  ~RawHttp() { ::close(socket_); }

  [[nodiscard]] bool connected() const { return connected_; }

  [[nodiscard]] int socket() const { return socket_; }

  /// False where the other side has ended the connection.
  bool Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  /// The next answer, interim ones left out.
  HttpAnswer Read() {
    HttpAnswer answer;
    do {
      size_t end = 0;
      while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
        if (!Receive()) {
          return {};
        }
      }
      answer.head = received_.substr(0, end + 2);
      received_.erase(0, end + 4);
      answer.status = std::atoi(answer.head.c_str() + std::string_view("HTTP/1.1 ").size());
    } while (answer.status == 100);
    const std::string length = Header(answer.head, "content-length");
    const size_t size = length.empty() ? 0 : std::stoul(length);
    while (received_.size() < size) {
      if (!Receive()) {
        return {};
      }
    }
    answer.body = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
  }

  /// True once the other side has ended the connection and sent nothing more.
  bool Ended() { return received_.empty() && !Receive() && !timed_out_; }

  /// Sends a whole request and reads the answer.
  HttpAnswer Ask(const std::string& verb, const std::string& target, const std::string& body = "",
                 const std::string& token = "", const std::string& more_headers = "") {
    std::string request = verb + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more_headers;
    if (!token.empty()) {
      request += "Authorization: Bearer " + token + "\r\n";
    }
    if (!body.empty()) {
      request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    Send(request + "\r\n" + body);
    return Read();
  }

  /// The value of the header `name` (lower case) of `head`; empty where there is none.
  static std::string Header(const std::string& head, const std::string& name) {
    std::string lower = head;
    for (char& c : lower) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    const size_t at = lower.find("\r\n" + name + ": ");
    if (at == std::string::npos) {
      return "";
    }
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }

 private:
  bool Receive() {
    char bytes[65536];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got > 0) {
      received_.append(bytes, static_cast<size_t>(got));
    }
    timed_out_ = got < 0 && errno == EAGAIN;
    return got > 0;
  }

  const int socket_;
  bool timed_out_ = false;
  bool connected_ = false;
  std::string received_;
};

}  // namespace leadline::rpc
