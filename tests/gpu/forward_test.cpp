// Every kernel family on the GPU against the oracle: the same cases that every other backend must
// solve.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <mutex>
#include <thread>

#include "flashjit/error.h"
#include "gpu/cuda_test_device.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/paths.h"
#include "variant_source.h"

namespace flashjit::test {
namespace {

Options options_for(Family family) {
  return {.backend = Backend::kCuda, .family = family, .cache_dir = build_dir() / "gpu_test_cache"};
}

struct Tally {
  int run = 0, not_supported = 0;
  std::vector<std::string> failures;
};

// Checks one case; a case that the family does not have is counted, everything else is a failure.
void check_case(CudaTestDevice& device, const AttentionCase& c, std::mutex& mutex, Tally& tally) {
  std::string failure;
  bool supported = true;
  try {
    const Verdict verdict = check_attention(device, c, fresh_seed());
    failure = verdict.ok ? "" : verdict.message;
  } catch (const Error& error) {
    supported = error.code() != ErrorCode::kNotSupported;
    failure = supported ? name_of(c) + ": " + error.what() : "";
  }
  device.release();
  const std::lock_guard lock(mutex);
  ++(supported ? tally.run : tally.not_supported);
  if (!failure.empty()) {
    tally.failures.push_back(failure);
  }
}

// The oracle and the first compilation of a variant take most of the time, so threads share the
// cases; that many threads use one Runtime is a test as well.
Tally check_cases(Family family, const std::vector<AttentionCase>& cases, unsigned num_threads) {
  Runtime runtime(options_for(family));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  Tally tally;
  const auto work = [&] {
    CudaTestDevice device(runtime);
    for (std::size_t i = next++; i < cases.size(); i = next++) {
      check_case(device, cases[i], mutex, tally);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < num_threads; ++i) {
    threads.emplace_back(work);
  }
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

bool runs_here(Family family) {
  const Arch arch = gpu().info().arch;
  return family != Family::kSm90 || (arch.major == 9 && arch.specific);
}

constexpr Family kFamilies[] = {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90};

}  // namespace

TEST_CASE("every family solves the full list of cases") {
  for (const Family family : kFamilies) {
    if (!runs_here(family)) {
      continue;
    }
    DYNAMIC_SECTION(to_string(family)) {
      const unsigned num_threads = std::max(1u, std::thread::hardware_concurrency());
      const Tally tally = check_cases(family, attention_cases(Level::kFull), num_threads);
      std::printf("%s: %d cases, %d not supported, %zu failures\n",
                  to_string(family),
                  tally.run,
                  tally.not_supported,
                  tally.failures.size());
      require_all_right(tally);
    }
  }
}

// Small enough for compute-sanitizer, which runs what carries this tag.
TEST_CASE("every family solves the short list of cases", "[sanitizer]") {
  for (const Family family : kFamilies) {
    if (runs_here(family)) {
      DYNAMIC_SECTION(to_string(family)) {
        require_all_right(check_cases(family, attention_cases(Level::kSmoke), 1));
      }
    }
  }
}

TEST_CASE("a NaN or an infinity reaches the rows that see it and no others, on the GPU") {
  for (const Family family : kFamilies) {
    if (!runs_here(family)) {
      continue;
    }
    Runtime runtime(options_for(family));
    CudaTestDevice device(runtime);
    for (const double special : {std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity()}) {
      const AttentionCase c{.causal = true};
      CaseInputs inputs = make_inputs(c, fresh_seed());
      inputs.v.set(0, 5, 0, 3, special);
      const Verdict verdict = check_attention(device, c, std::move(inputs));
      INFO(to_string(family) << ": " << verdict.message);
      CHECK(verdict.ok);
    }
  }
}

}  // namespace flashjit::test
