#include "gpu/check_cases.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <thread>

#include "flashjit/error.h"
#include "gpu/cuda_test_device.h"
#include "support/catch.h"
#include "support/paths.h"

namespace flashjit::test {
namespace {

CaseInputs inputs_of(const RuntimeCase& c, std::uint64_t seed) {
  CaseInputs inputs = make_inputs(c.test_case, seed);
  if (!c.special) return inputs;
  const std::int64_t last = c.test_case.seqlen_kv - 1;
  inputs.v.set(0, last, 0, 3, std::numeric_limits<double>::quiet_NaN());
  inputs.v.set(0, last / 2, 0, 9, std::numeric_limits<double>::infinity());
  inputs.k.set(0, last - 1, 0, 0, std::numeric_limits<double>::quiet_NaN());
  return inputs;
}

// "" or what is wrong; `supported` tells whether the case exists for its runtime.
std::string find_fault(CudaTestDevice& device, const RuntimeCase& c, bool& supported) {
  const std::uint64_t seed = fresh_seed();
  try {
    const Verdict verdict = c.special ? check_attention(device, c.test_case, inputs_of(c, seed))
                                      : check_attention(device, c.test_case, seed);
    return verdict.ok ? "" : verdict.message;
  } catch (const Error& error) {
    supported = error.code() != ErrorCode::kNotSupported;
    return supported ? name_of(c.test_case) + ": " + error.what() : "";
  }
}

}  // namespace

Options gpu_options() {
  return {.backend = Backend::kCuda, .cache_dir = build_dir() / "gpu_test_cache"};
}

Tally check_cases(const std::vector<RuntimeCase>& cases, unsigned num_threads) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Tally tally;
  const auto work = [&] {
    for (std::size_t i = next++; i < cases.size(); i = next++) {
      CudaTestDevice device(*cases[i].runtime);
      bool supported = true;
      const std::string fault = find_fault(device, cases[i], supported);
      const std::lock_guard lock(mutex);
      ++(supported ? tally.run : tally.not_supported);
      if (!fault.empty()) tally.failures.push_back(cases[i].name + " " + fault);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < num_threads; ++i) threads.emplace_back(work);
  work();
  threads.clear();  // joins
  return tally;
}

void require_all_right(const Tally& tally) {
  CHECK(tally.run > 0);
  for (const std::string& failure : tally.failures) {
    FAIL_CHECK(failure);
  }
}

}  // namespace flashjit::test
