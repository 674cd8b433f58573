// A CUDA thread's stack and place in its program: a boost.context fiber over a stack that is reused
// from CTA to CTA, announced to AddressSanitizer at every switch.
#pragma once
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <functional>

namespace flashjit::emu {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next resume() enters `body`. The previous body must have ended.
  void start(std::function<void()> body);
  // From the scheduler: runs until suspend() or the end of the body.
  void resume();
  // From inside the body: back to the scheduler.
  void suspend();

 private:
  boost::context::stack_context stack_;
  boost::context::fiber self_, scheduler_;
  void* fake_stack_ = nullptr;            // AddressSanitizer's, of this fiber
  void* scheduler_fake_stack_ = nullptr;  // and of the scheduler
  const void* scheduler_bottom_ = nullptr;
  std::size_t scheduler_size_ = 0;
};

}  // namespace flashjit::emu
