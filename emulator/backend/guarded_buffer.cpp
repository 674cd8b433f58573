#include "guarded_buffer.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

#include "emulator/core/cta.h"
#include "runtime/posix_file.h"

namespace flashjit::emu {
namespace {

// Mappings that exist, for the signal handler: it may take no lock.
struct Range {
  std::atomic<std::uintptr_t> begin = 0, end = 0;  // end 0: free
};
std::array<Range, 256> mappings;
struct sigaction previous_action;

bool is_guarded(std::uintptr_t address) {
  for (const Range& range : mappings) {
    if (address >= range.begin && address < range.end) return true;
  }
  return false;
}

// Returns into this function as if the instruction had called it; variants are compiled with
// -fnon-call-exceptions, so that the Failure can leave them from there. The stack is as the
// instruction left it: not aligned.
#if defined(__x86_64__)
[[noreturn, gnu::force_align_arg_pointer]] void report_access() {
  fail_access("global memory past the end or before the start of a buffer");
}
#endif

void on_fault(int signal, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  if (is_running() && is_guarded(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    registers[REG_RSP] -= 8;
    *reinterpret_cast<greg_t*>(registers[REG_RSP]) = registers[REG_RIP] + 1;  // as after a call
    registers[REG_RIP] = reinterpret_cast<greg_t>(&report_access);
    return;
  }
#endif
  (void)context;
  (void)info;
  sigaction(signal, &previous_action, nullptr);  // not ours: the access is repeated under it
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &previous_action);
  });
}

}  // namespace

GuardedBuffer::GuardedBuffer(std::size_t bytes) : size_(bytes) {
  install_handler();
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // A stray row lands on a guard as well: 1 MB on either side.
  const std::size_t guard = (std::size_t(1) << 20) / page * page;
  const std::size_t inner = (bytes + 15) / 16 * 16, pages = (inner + page - 1) / page * page;
  mapping_bytes_ = pages + 2 * guard;
  void* const mapping =
      mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw_io("cannot map memory", errno);
  mapping_ = static_cast<std::byte*>(mapping);
  if (pages > 0 && mprotect(mapping_ + guard, pages, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping_, mapping_bytes_);
    throw_io("cannot make memory writable", errno);
  }
  std::memset(mapping_ + guard, 0xff, pages);
  data_ = mapping_ + guard + pages - inner;
  const auto begin = reinterpret_cast<std::uintptr_t>(mapping_);
  for (Range& range : mappings) {
    std::uintptr_t none = 0;
    if (!range.end.compare_exchange_strong(none, begin + mapping_bytes_)) continue;
    range.begin = begin;
    return;
  }
}

GuardedBuffer::~GuardedBuffer() {
  if (mapping_ == nullptr) return;
  for (Range& range : mappings) {
    if (range.begin != reinterpret_cast<std::uintptr_t>(mapping_)) continue;
    range.begin = 0;
    range.end = 0;
  }
  munmap(mapping_, mapping_bytes_);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(other.mapping_bytes_),
      size_(other.size_),
      data_(other.data_) {}

}  // namespace flashjit::emu
