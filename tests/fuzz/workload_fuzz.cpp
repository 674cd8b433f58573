#include <cstdint>

#include "fuzz/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flashjit::test::fuzz_workload(std::as_bytes(std::span(data, size)));
  return 0;
}
