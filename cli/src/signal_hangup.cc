#include "signal_hangup.h"

#include <atomic>
#include <csignal>

namespace leadline::cli {
namespace {

/// Reached from the signal handler, so it must be there before and after every object.
std::atomic<bool> g_hangup{false};

void OnHangup(int /*signal_number*/) {
  g_hangup.store(true);
}

void InstallHangup(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, nullptr);
}

}  // namespace

SignalHangup::SignalHangup() {
  InstallHangup(OnHangup);
}

SignalHangup::~SignalHangup() {
  InstallHangup(SIG_DFL);
}

bool SignalHangup::Take() const {
  return g_hangup.exchange(false);
}

}  // namespace leadline::cli
