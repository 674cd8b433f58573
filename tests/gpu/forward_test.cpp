// Every kernel family on the GPU against the oracle: the same cases that every other backend must
// solve.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>

#include "gpu/check_cases.h"
#include "gpu/cuda_test_device.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/paths.h"
#include "variant_source.h"

namespace flashjit::test {
namespace {

Options options_for(Family family) {
  Options options = gpu_options();
  options.family = family;
  return options;
}

Tally check_cases(Family family, const std::vector<AttentionCase>& cases, unsigned num_threads) {
  Runtime runtime(options_for(family));
  std::vector<RuntimeCase> all;
  for (const AttentionCase& c : cases) all.push_back({&runtime, c});
  return check_cases(all, num_threads);
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
