#include "fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace flashjit::emu {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = 512 << 10;  // red zones triple a kernel's frame
void announce_switch(void** save, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(save, bottom, size);
}
void announce_arrival(void* saved, const void** bottom, std::size_t* size) {
  __sanitizer_finish_switch_fiber(saved, bottom, size);
}
// Whoever gets these addresses next must not find the red zones of frames that were left for good.
void forget_frames(const boost::context::stack_context& stack) {
  __asan_unpoison_memory_region(static_cast<char*>(stack.sp) - stack.size, stack.size);
}
#else
constexpr std::size_t kStackBytes = 128 << 10;
void announce_switch(void**, const void*, std::size_t) {}
void announce_arrival(void*, const void**, std::size_t*) {}
void forget_frames(const boost::context::stack_context&) {}
#endif

// Hands out a stack that somebody else owns.
struct BorrowedStack {
  boost::context::stack_context stack;
  boost::context::stack_context allocate() { return stack; }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

Fiber::Fiber() : stack_(boost::context::protected_fixedsize_stack(kStackBytes).allocate()) {}
Fiber::~Fiber() {
  forget_frames(stack_);
  boost::context::protected_fixedsize_stack(kStackBytes).deallocate(stack_);
}

void Fiber::start(std::function<void()> body) {
  fake_stack_ = nullptr;
  self_ = boost::context::fiber(
      std::allocator_arg,
      BorrowedStack{stack_},
      [this, body = std::move(body)](boost::context::fiber&& scheduler) {
        announce_arrival(nullptr, &scheduler_bottom_, &scheduler_size_);
        scheduler_ = std::move(scheduler);
        body();
        announce_switch(nullptr, scheduler_bottom_, scheduler_size_);  // null: this stack is done
        return std::move(scheduler_);
      });
}

void Fiber::resume() {
  announce_switch(&scheduler_fake_stack_, static_cast<char*>(stack_.sp) - stack_.size, stack_.size);
  self_ = std::move(self_).resume();
  announce_arrival(scheduler_fake_stack_, nullptr, nullptr);
}

void Fiber::suspend() {
  announce_switch(&fake_stack_, scheduler_bottom_, scheduler_size_);
  scheduler_ = std::move(scheduler_).resume();
  announce_arrival(fake_stack_, &scheduler_bottom_, &scheduler_size_);
}

}  // namespace flashjit::emu
