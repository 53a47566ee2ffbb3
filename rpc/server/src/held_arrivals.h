#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <sys/socket.h>
#include <unordered_map>
#include <vector>

#include "leadline/core/mutex.h"
#include "leadline/rpc/listening_socket.h"

namespace leadline::rpc {

/// New connections of hosts whose connections were cut lately. They come in one by one, and the
/// pause between two doubles with each cut until none was for a minute: who is cut for flooding
/// gains nothing by connecting again. What others on the same host have open goes on; only their
/// new connections wait as well. Thread-safe.
class HeldArrivals {
 public:
  struct Arrival {
    int listener = -1;  ///< that accepted it
    Descriptor connection;
  };

  /// 0 holds nobody.
  explicit HeldArrivals(int64_t longest_pause_ms) : longest_pause_ms_(longest_pause_ms) {}

  /// What counts as one host: an IPv4 address, or 64 bits of one of IPv6, which any customer of a
  /// provider has. Empty for paths, which are never held.
  static std::string HostOf(const sockaddr_storage& peer);

  /// Whether one of its connections was cut within a minute.
  bool WasCut(const std::string& host, int64_t now_nanos);
  void NoteCut(const std::string& host, int64_t now_nanos);
  /// True where it took `arrival` over: kept until its turn comes, or closed where too many of its
  /// host wait.
  bool Hold(const std::string& host, Arrival* arrival, int64_t now_nanos);
  /// Whose turn has come. Closes whose peers gave up, forgets hosts that were cut long ago.
  std::vector<Arrival> TakeDue(int64_t now_nanos);
  /// Until TakeDue may have any; -1 where none is held.
  int64_t WaitMs(int64_t now_nanos);
  /// Closes all that are held.
  void Clear();

 private:
  struct Host {
    int64_t cut_nanos = 0;  // the last time
    int64_t pause_ms = 0;
    int64_t next_nanos = 0;  // when the next one may come in
    std::deque<Arrival> held;
  };

  const int64_t longest_pause_ms_;
  Mutex mutex_;
  std::unordered_map<std::string, Host> hosts_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
