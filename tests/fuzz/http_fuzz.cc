// One connection to the HTTP server: the session itself reads the input from a socket, whatever it
// holds, in pieces; the answers are read to their end. Input: the size of the pieces, then what the
// client sends before it closes.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "fuzzed_service.h"
#include "http_session.h"
#include "session_table.h"

namespace leadline::rpc {
namespace {

namespace asio = boost::asio;

constexpr size_t kMaxPieces = 64;

/// The client's end of a connection within the process.
class Client {
 public:
  Client(int socket, std::string_view input)
      : socket_(socket),
        piece_(input.empty() ? 1 : std::max<size_t>(1, static_cast<uint8_t>(input[0]))) {
    input_ = input.substr(std::min<size_t>(1, input.size()));
    piece_ = std::max(piece_, input_.size() / kMaxPieces);
  }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  ~Client() { ::close(socket_); }

  /// Sends one more piece and takes what came.
  void Step() {
    const std::string_view piece = input_.substr(0, piece_);
    if (!piece.empty()) {
      const ssize_t sent = ::send(socket_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      input_.remove_prefix(sent > 0 ? static_cast<size_t>(sent) : sent == 0 ? 0 : Lost());
    } else if (!closed_) {
      ::shutdown(socket_, SHUT_WR);
      closed_ = true;
    }
    char bytes[65536];
    ssize_t got = 0;
    while ((got = ::recv(socket_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
      answer_.append(bytes, static_cast<size_t>(got));
    }
  }

  [[nodiscard]] bool closed() const { return closed_; }

  [[nodiscard]] const std::string& answer() const { return answer_; }

 private:
  /// The session has ended the connection: nobody hears the rest. A full socket only waits.
  [[nodiscard]] size_t Lost() const { return errno == EAGAIN ? 0 : input_.size(); }

  const int socket_;
  size_t piece_;
  std::string_view input_;
  bool closed_ = false;
  std::string answer_;
};

void CheckAnswer(const std::string& answer) {
  Require(answer.empty() || answer.starts_with("HTTP/1."));
  Require(answer.find("HTTP/1.1 500 ") != 0);
}

void Converse(Service* service, std::string_view input) {
  int ends[2] = {-1, -1};
  Require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  SessionTable table(2, size_t{1} << 30);
  SessionScope scope;
  scope.service = service;
  scope.table = &table;
  Client client(ends[0], input);
  using Protocol = asio::generic::stream_protocol;
  ServeConnection(Protocol::socket(asio::make_strand(io), Protocol(AF_UNIX, 0), ends[1]), &scope);
  while (table.size() > 0) {
    client.Step();
    // Only once all was sent may there be something to wait for: the work of another thread.
    if (io.poll() == 0 && client.closed()) {
      io.run_one_for(std::chrono::milliseconds(1));
    }
  }
  client.Step();
  CheckAnswer(client.answer());
}

}  // namespace
}  // namespace leadline::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const kServed = new leadline::rpc::FuzzedService;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  leadline::rpc::Converse(kServed->service(), input);
  kServed->EndInput(input.find("snapshots") != std::string_view::npos ||
                    input.find("evaluations") != std::string_view::npos);
  return 0;
}
