// Every kernel family × dtype × mask × head_dim through the runtime's own path: problem, selection,
// source, host compiler, cache, launch, and the real kernel text on the emulator with its detectors
// on, against the fp64 oracle.
#include <atomic>
#include <mutex>
#include <thread>

#include "emulator/backend/emulator_executor.h"
#include "runtime/variant_name.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/paths.h"

namespace flashjit::test {
namespace {

// Everything that one variant must solve: a variant is compiled once for all of them.
struct VariantCases {
  Family family;
  std::vector<AttentionCase> cases;
};

VariantCases cases_of(Family family, Scalar scalar, bool causal, int head_dim, int head_dim_v) {
  const AttentionCase base{.scalar = scalar,
                           .head_dim_qk = head_dim,
                           .head_dim_v = head_dim_v,
                           .causal = causal,
                           // Both kinds of variant for every family and mask.
                           .lse = causal == (head_dim != 64)};
  AttentionCase grouped = base, wide = base, tall = base, decode = base;
  grouped.batch = 2, grouped.heads_q = 3, grouped.seqlen_q = 33, grouped.seqlen_kv = 65;
  wide.seqlen_q = 65, wide.seqlen_kv = 113, wide.top_left = causal, wide.heads_q = 2;
  tall.seqlen_q = 131, tall.seqlen_kv = 67;  // causal: the first rows see nothing
  decode.seqlen_q = 1, decode.seqlen_kv = 200, decode.heads_q = 4, decode.heads_kv = 2;
  return {family, {grouped, wide, tall, decode}};
}

std::vector<VariantCases> matrix(Family family) {
  std::vector<VariantCases> all;
  for (const Scalar scalar : {Scalar::kFp16, Scalar::kBf16, Scalar::kFp32}) {
    const bool tensor_cores = family == Family::kSm80 || family == Family::kSm90;
    if (tensor_cores && scalar == Scalar::kFp32) continue;
    for (const bool causal : {false, true})
      for (const int head_dim : {64, 72, 128, 256})
        all.push_back(cases_of(family, scalar, causal, head_dim, head_dim));
  }
  // Rows of 32 and 64 bytes in the last panel of an sm90 tile: alone, behind whole panels, and
  // narrower in O than in Q.
  if (family == Family::kSm90) {
    for (const bool causal : {false, true}) {
      for (const int head_dim : {8, 24, 96, 160})
        all.push_back(cases_of(family, Scalar::kBf16, causal, head_dim, head_dim));
      all.push_back(cases_of(family, Scalar::kBf16, causal, 192, 160));
      all.push_back(cases_of(family, Scalar::kBf16, causal, 128, 80));
    }
  }
  return all;
}

// Two rounds over the cases: other inputs and, because a Runtime's launches count up their seeds,
// other schedules. Returns the first failure.
std::string solve_all(Runtime& runtime, const VariantCases& variant) {
  HostDevice device([&](const AttentionArgs& args) { runtime.forward(args); });
  std::string failures;
  for (int round = 0; round < 2; ++round) {
    for (const AttentionCase& c : variant.cases) {
      const std::uint64_t seed = fresh_seed();
      try {
        const Verdict verdict = check_attention(device, solve(c, seed));
        if (!verdict.ok) failures += verdict.message + "\n";
      } catch (const Error& error) {
        failures += name_of(c) + ": " + error.what() +
                    " (inputs of FLASHJIT_TEST_SEED=" + std::to_string(seed) + ")\n";
      }
    }
  }
  return failures;
}

void check_family(Family family, std::size_t num_variants) {
  emu::register_backend();
  Runtime runtime({.backend = Backend::kEmulated,
                   .family = family,
                   .cache_dir = build_dir() / "emulator_test_cache"});
  const std::vector<VariantCases> variants = matrix(family);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::string failures;
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    workers.emplace_back([&] {
      for (std::size_t at = next++; at < variants.size(); at = next++) {
        const std::string found = solve_all(runtime, variants[at]);
        const std::lock_guard lock(mutex);
        failures += found;
      }
    });
  }
  workers.clear();
  CHECK_THAT(failures, Catch::Matchers::Equals(""));
  CHECK(runtime.loaded_variants().size() >= num_variants);
  for (const VariantInfo& variant : runtime.loaded_variants()) {
    INFO(variant.name);
    CHECK(variant.config.tiling.family == family);
  }
}

}  // namespace

TEST_CASE("matrix: standard") { check_family(Family::kStandard, 24); }
TEST_CASE("matrix: simt") { check_family(Family::kSimt, 24); }
TEST_CASE("matrix: sm80") { check_family(Family::kSm80, 16); }
TEST_CASE("matrix: sm90") { check_family(Family::kSm90, 28); }

}  // namespace flashjit::test
