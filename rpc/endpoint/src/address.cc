#include "leadline/rpc/address.h"

#include <array>
#include <charconv>
#include <cstring>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace leadline::rpc {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kAddressLimit = "HOST:PORT, [V6]:PORT or unix:PATH";
constexpr uint32_t kLoopbackNet = 127;
/// Of an IPv6 address that carries an IPv4 one, before that.
constexpr size_t kMappedPrefixBytes = 12;

std::string HostText(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, address, text.data(), text.size());
  return text.data();
}

}  // namespace

Result<Address> ParseAddress(std::string_view field, std::string_view text) {
  const auto error = [&] {
    return InvalidFieldError("not an address", field, text.substr(0, 256), kAddressLimit);
  };
  Address address;
  if (text.find('\0') != std::string_view::npos) {
    return error();
  }
  if (text.starts_with(kUnixPrefix)) {
    address.path = text.substr(kUnixPrefix.size());
    return address.path.empty() ? Result<Address>(error()) : Result<Address>(address);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return error();
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (code != std::errc() || end != port.data() + port.size()) {
    return error();
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]/,") != std::string_view::npos) {
    return error();  // an IPv6 address without brackets, or another form of gRPC's
  }
  address.host = host;
  return host.empty() ? Result<Address>(error()) : Result<Address>(address);
}

bool IsThisMachine(const Address& address) {
  if (!address.path.empty() || address.host == "localhost") {
    return true;
  }
  in_addr v4 = {};
  if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == kLoopbackNet;
  }
  in6_addr v6 = {};
  return ::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

std::string PeerName(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &peer, sizeof v4);
    return HostText(AF_INET, &v4.sin_addr) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (peer.ss_family != AF_INET6) {
    return peer.ss_family == AF_UNIX ? "unix" : "";
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &peer, sizeof v6);
  const std::string port = ":" + std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    return HostText(AF_INET, v6.sin6_addr.s6_addr + kMappedPrefixBytes) + port;
  }
  const std::string link = v6.sin6_scope_id != 0 ? "%" + std::to_string(v6.sin6_scope_id) : "";
  return "[" + HostText(AF_INET6, &v6.sin6_addr) + link + "]" + port;
}

std::string PeerOf(int socket) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof peer;
  return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0 ? PeerName(peer)
                                                                               : "";
}

std::string PeerInUri(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (uri.substr(0, colon) == "unix") {
    return "unix";
  }
  std::string peer;
  for (size_t at = colon == std::string_view::npos ? uri.size() : colon + 1; at < uri.size();) {
    unsigned char byte = 0;
    const char* const digits = uri.data() + at + 1;
    if (uri[at] == '%' && uri.size() - at > 2 &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      peer += static_cast<char>(byte);
      at += 3;
    } else {
      peer += uri[at++];
    }
  }
  return peer;
}

Status CheckReach(std::string_view flag, std::string_view text, bool has_tls, bool needs_token) {
  LEADLINE_ASSIGN_OR_RETURN(const Address address, ParseAddress(flag, text));
  if (IsThisMachine(address) || (has_tls && needs_token)) {
    return {};
  }
  std::string missing;
  if (!has_tls) {
    missing = "TLS (--tls-cert and --tls-key)";
  }
  if (!needs_token) {
    missing += (missing.empty() ? "" : " and ") + std::string("a token (leadline token create)");
  }
  return InvalidFieldError(
      "address that other machines reach, without " + missing, flag, text,
      "127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH; or TLS and a token");
}

}  // namespace leadline::rpc
