#include "cli/interrupt.h"

#include <signal.h>

namespace flashjit::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

volatile sig_atomic_t g_signal = 0;

void remember(int signal) { g_signal = signal; }

}  // namespace

InterruptWatch::InterruptWatch() {
  g_signal = 0;
  struct sigaction action = {};
  action.sa_handler = remember;
  // The second one finds the system's own action; system calls go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

InterruptWatch::~InterruptWatch() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
}

bool InterruptWatch::interrupted() const { return g_signal != 0; }

int InterruptWatch::exit_code() const { return 128 + g_signal; }

}  // namespace flashjit::cli
