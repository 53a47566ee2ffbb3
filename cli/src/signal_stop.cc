#include "signal_stop.h"

#include <csignal>

namespace leadline::cli {
namespace {

/// Reached from the signal handler, so it must be there before and after every object.
CancelToken g_token;

void OnSignal(int signal_number) {
  g_token.Cancel();
  // The default action is back for the next one: a hung program can still be stopped.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal_number, &action, nullptr);
}

void Install(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

SignalStop::SignalStop() {
  Install(OnSignal);
}

SignalStop::~SignalStop() {
  Install(SIG_DFL);
}

const CancelToken* SignalStop::token() const {
  return &g_token;
}

}  // namespace leadline::cli
