#include "leadline/rpc/listening_socket.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#include <netdb.h>
#include <netinet/in.h>

#include "leadline/core/file_system.h"

namespace leadline::rpc {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
/// For a name with several addresses and port 0, a port that is free at all of them.
constexpr int kPortAttempts = 8;

Status ErrnoError(const std::string& what) {
  return UnavailableError(what + ": " + std::generic_category().message(errno));
}

Descriptor NewSocket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// True where a socket lies at the address that nobody listens on: its process was killed.
bool IsAbandoned(const sockaddr_un& address) {
  struct stat info = {};
  if (::lstat(static_cast<const char*>(address.sun_path), &info) != 0 || !S_ISSOCK(info.st_mode)) {
    return false;
  }
  const Descriptor probe = NewSocket(AF_UNIX);
  return probe.ok() && ::connect(probe.get(), Generic(address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

/// Binds and listens; returns errno, 0 where it did. A port of 0 becomes `*port` where that is
/// not 0; `*port` is then the one that was taken.
int BindOne(const addrinfo& where, uint16_t* port, std::vector<Descriptor>* sockets) {
  sockaddr_storage address = {};
  std::memcpy(&address, where.ai_addr, where.ai_addrlen);
  in_port_t* const wire_port = where.ai_family == AF_INET6
                                   ? &reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                   : &reinterpret_cast<sockaddr_in*>(&address)->sin_port;
  if (*wire_port == 0) {
    *wire_port = htons(*port);
  }
  Descriptor socket = NewSocket(where.ai_family);
  if (!socket.ok()) {
    return errno;
  }
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.ai_family == AF_INET6) {  // [::] is for IPv4 too
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), where.ai_addrlen) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return errno;
  }
  socklen_t size = sizeof(address);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(*wire_port);
  sockets->push_back(std::move(socket));
  return 0;
}

}  // namespace

void Descriptor::Reset(int fd) {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = fd;
}

Result<ListeningSockets> ListeningSockets::Bind(const Address& address) {
  ListeningSockets sockets;
  LEADLINE_RETURN_IF_ERROR(address.path.empty() ? sockets.BindHost(address)
                                                : sockets.BindPath(address.path));
  return sockets;
}

void ListeningSockets::Close() {
  sockets_.clear();
  if (!path_.empty()) {
    FileSystem::Posix()->DeleteFile(path_).IgnoreError();
    path_.clear();
  }
}

Status ListeningSockets::BindPath(const std::string& path) {
  sockaddr_un address = {};
  if (path.size() >= sizeof(address.sun_path)) {
    return InvalidFieldError("path of a socket too long", "address", path,
                             std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  Descriptor socket = NewSocket(AF_UNIX);
  if (!socket.ok()) {
    return ErrnoError("cannot open a socket: path=" + path);
  }
  // The file takes its mode from the socket, so that at no moment others can open it.
  if (::fchmod(socket.get(), kOwnerOnly) != 0) {
    return ErrnoError("cannot close a socket to others: path=" + path);
  }
  if (IsAbandoned(address)) {
    LEADLINE_RETURN_IF_ERROR(FileSystem::Posix()->DeleteFile(path));
  }
  if (::bind(socket.get(), Generic(address), sizeof(address)) != 0) {
    return ErrnoError("cannot listen: path=" + path);
  }
  path_ = path;
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return ErrnoError("cannot listen: path=" + path);
  }
  sockets_.push_back(std::move(socket));
  return {};
}

Status ListeningSockets::BindHost(const Address& address) {
  const std::string name = address.host + ":" + std::to_string(address.port);
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* list = nullptr;
  const int code =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(list, &::freeaddrinfo);
  if (code != 0) {
    return UnavailableError("cannot listen: address=" + name + ": " + ::gai_strerror(code));
  }
  int error = 0;
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    sockets_.clear();
    port_ = 0;
    bool taken = false;
    for (const addrinfo* where = found.get(); where != nullptr; where = where->ai_next) {
      const int failed = BindOne(*where, &port_, &sockets_);
      // An address that this machine does not have, such as ::1 without IPv6, is left out.
      taken = taken || failed == EADDRINUSE;
      error = failed != 0 ? failed : error;
    }
    if (!taken && !sockets_.empty()) {
      return {};
    }
    if (address.port != 0) {
      break;
    }
  }
  sockets_.clear();
  errno = error;
  return ErrnoError("cannot listen: address=" + name);
}

}  // namespace leadline::rpc
