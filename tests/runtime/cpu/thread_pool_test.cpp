#include "cpu/thread_pool.h"

#include <stdexcept>

#include "support/catch.h"

namespace flashjit::cpu {

TEST_CASE("a thread pool runs every task once") {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    REQUIRE(pool.size() == threads);
    for (const int tasks : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> runs(tasks);
      pool.run(tasks, [&](int i) { ++runs[i]; });
      for (const auto& count : runs) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("a thread pool passes on an exception and stays usable") {
  ThreadPool pool(3);
  const auto fail = [](int i) {
    if (i == 5) throw std::runtime_error("task 5");
  };
  REQUIRE_THROWS_WITH(pool.run(100, fail), "task 5");
  std::atomic<int> count = 0;
  pool.run(10, [&](int) { ++count; });
  REQUIRE(count == 10);
}

TEST_CASE("a thread pool counts this process's cores when asked for 0 threads") {
  ThreadPool pool(0);
  REQUIRE(pool.size() >= 1);
}

}  // namespace flashjit::cpu
