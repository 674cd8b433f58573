#include "fault_handler.h"

#include <signal.h>
#include <ucontext.h>

#include <mutex>

#include "emulator/core/cluster.h"

namespace flashjit::emu {
namespace {

bool (*is_guarded_address)(std::uintptr_t);
struct sigaction previous_access, previous_arithmetic;

#if defined(__x86_64__)
[[noreturn, gnu::force_align_arg_pointer]] void report_access() {
  fail_fault("bounds", "global memory past the end or before the start of a buffer");
}
[[noreturn, gnu::force_align_arg_pointer]] void report_division() {
  fail_fault("arithmetic", "an integer division by zero, or of the least int by −1");
}

// Returns into `report` as if the instruction had called it; variants are compiled with
// -fnon-call-exceptions, so that the Failure can leave them from there. The stack is as the
// instruction left it: not aligned.
void return_into(void (*report)(), void* context) {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RSP] -= 8;
  *reinterpret_cast<greg_t*>(registers[REG_RSP]) = registers[REG_RIP] + 1;  // as after a call
  registers[REG_RIP] = reinterpret_cast<greg_t>(report);
}
#endif

void on_fault(int signal, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  if (is_running()) {
    if (signal == SIGFPE) return return_into(&report_division, context);
    if (is_guarded_address(reinterpret_cast<std::uintptr_t>(info->si_addr)))
      return return_into(&report_access, context);
  }
#endif
  (void)context;
  (void)info;
  // Not ours: the instruction is repeated under the handler before.
  sigaction(signal, signal == SIGFPE ? &previous_arithmetic : &previous_access, nullptr);
}

}  // namespace

void install_fault_handler(bool (*is_guarded)(std::uintptr_t)) {
  static std::once_flag once;
  std::call_once(once, [&] {
    is_guarded_address = is_guarded;
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &previous_access);
    sigaction(SIGFPE, &action, &previous_arithmetic);
  });
}

}  // namespace flashjit::emu
