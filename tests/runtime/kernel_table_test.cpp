#include "kernel_table.h"

#include <atomic>
#include <memory>
#include <thread>

#include "runtime/fake_executor.h"

using namespace flashjit;

TEST_CASE("the table finds every kernel through its growth, beside readers") {
  KernelTable table;
  std::atomic<int> inserted = 0;
  std::atomic<bool> missed = false;
  constexpr int kCount = 500;
  std::thread reader([&] {
    while (inserted < kCount) {
      const int newest = inserted;
      if (newest == 0) continue;
      const Kernel* kernel = table.find(config_of(8 * newest));
      if (kernel == nullptr || kernel->info.config != config_of(8 * newest)) missed = true;
    }
  });
  CHECK(table.find(config_of(8)) == nullptr);
  for (int i = 1; i <= kCount; ++i) {
    auto kernel = std::make_unique<Kernel>();
    kernel->info.config = config_of(8 * i);
    table.insert(std::move(kernel));
    inserted = i;
  }
  reader.join();
  CHECK_FALSE(missed);
  for (int i = 1; i <= kCount; ++i) {
    REQUIRE(table.find(config_of(8 * i)) != nullptr);
    CHECK(table.find(config_of(8 * i))->info.config == config_of(8 * i));
  }
  CHECK(table.find(config_of(8 * kCount + 8)) == nullptr);
}
