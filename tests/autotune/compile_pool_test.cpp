#include "autotune/compile_pool.h"

#include <atomic>
#include <future>
#include <mutex>

#include "support/catch.h"

namespace flashjit {
namespace {

std::vector<Tiling> tilings(int count) {
  std::vector<Tiling> result;
  for (int i = 1; i <= count; ++i) result.push_back({.block_n = 16 * i});
  return result;
}

// Holds the one thread of a pool until it is let go. What jobs use outlives the pool, whose end
// waits for them: it is declared first.
struct Gate {
  std::promise<void> open;
  std::shared_future<void> opened = open.get_future().share();
};

TEST_CASE("what is waited for is compiled before what is needed later") {
  Gate gate;
  std::mutex mutex;
  std::vector<int> order;
  const auto note = [&](int n) {
    const std::lock_guard lock(mutex);
    order.push_back(n);
  };
  CompilePool pool(1);
  pool.submit(CompilePool::Lane::kNow, [&gate] { gate.opened.wait(); });
  for (int i = 0; i < 3; ++i) pool.submit(CompilePool::Lane::kLater, [&note, i] { note(10 + i); });
  CompileQueue queue(pool, tilings(3), [&](const Tiling& tiling) {
    note(tiling.block_n / 16);
    return std::string();
  });
  gate.open.set_value();
  std::size_t handed_over = 0;
  while (true) {
    const auto done = queue.next(2, [] { return false; });
    if (done.empty()) break;
    CHECK(done.size() <= 2);
    handed_over += done.size();
  }
  CHECK(handed_over == 3);
  const std::lock_guard lock(mutex);
  CHECK(std::vector<int>(order.begin(), order.begin() + 3) == std::vector<int>{1, 2, 3});
}

TEST_CASE("a queue that goes compiles no more, and waits for what has begun") {
  CompilePool pool(2);
  std::atomic<int> begun = 0, ended = 0;
  {
    CompileQueue queue(pool, tilings(100), [&](const Tiling&) {
      ++begun;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++ended;
      return std::string("no");
    });
    const auto done = queue.next(1, [] { return false; });
    REQUIRE(done.size() == 1);
    CHECK(done[0].error == "no");
  }
  CHECK(begun == ended);
  CHECK(begun < 100);
}

TEST_CASE("a stopped wait hands over nothing") {
  Gate gate;
  CompilePool pool(1);
  pool.submit(CompilePool::Lane::kNow, [&gate] { gate.opened.wait(); });
  CompileQueue queue(pool, tilings(2), [](const Tiling&) { return std::string(); });
  CHECK(queue.next(2, [] { return true; }).empty());
  gate.open.set_value();
}

}  // namespace
}  // namespace flashjit
