// Turns faults of the processor inside a kernel into a Failure of the thread that made them: an
// access of guarded memory (SIGSEGV), an integer division by zero (SIGFPE; a GPU goes on with any
// quotient). x86-64 only; elsewhere, and for faults that are not a kernel's, nothing changes.
#pragma once

#include <cstdint>

namespace flashjit::emu {

// `is_guarded` is called from the signal handler: it may take no lock. The first call counts.
void install_fault_handler(bool (*is_guarded)(std::uintptr_t address));

}  // namespace flashjit::emu
