#include "cli/interrupt.h"

#include <signal.h>

namespace flashjit::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

std::atomic<int> g_signal = 0;
std::atomic<bool> g_interrupted = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "a signal handler may touch nothing else");

void remember(int signal) {
  g_signal = signal;
  g_interrupted = true;
}

}  // namespace

InterruptWatch::InterruptWatch() {
  g_signal = 0;
  g_interrupted = false;
  struct sigaction action = {};
  action.sa_handler = remember;
  // The second one finds the system's own action; system calls go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

InterruptWatch::~InterruptWatch() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
}

const std::atomic<bool>* InterruptWatch::flag() const { return &g_interrupted; }

int InterruptWatch::exit_code() const { return 128 + g_signal; }

}  // namespace flashjit::cli
