// One kernel by hand: set kConfig and the cases, build the target try_kernel, run it. Arguments:
// seeds=N (default 5), seed=S for that one only, norace, nopoison. Exit code 1 if anything failed.
#include <cstdio>
#include <ctime>
#include <string>

#include "emulate.h"
#include "support/check_attention.h"

namespace flashjit {
namespace {

constexpr KernelConfig kConfig = {.problem = {.dtype = Dtype::kBf16,
                                              .head_dim_qk = 128,
                                              .head_dim_v = 128,
                                              .mask = MaskKind::kCausal,
                                              .return_lse = true},
                                  .tiling = {.family = Family::kSm90,
                                             .block_m = 128,
                                             .block_n = 128,
                                             .num_stages = 2,
                                             .num_q_stages = 1,
                                             .num_warps = 8,
                                             .overlap = true,
                                             .schedule = Schedule::kDynamic,
                                             .rescale = Rescale::kLazy,
                                             .producer_regs = 24,
                                             .consumer_regs = 240},
                                  .arch = {.major = 9, .minor = 0, .specific = true}};

const test::AttentionCase kCases[] = {
    {.batch = 1,
     .seqlen_q = 512,
     .seqlen_kv = 512,
     .heads_q = 1,
     .head_dim_qk = 128,
     .head_dim_v = 128,
     .causal = true},
    {.batch = 2,
     .seqlen_q = 130,
     .seqlen_kv = 333,
     .heads_q = 2,
     .head_dim_qk = 128,
     .head_dim_v = 128,
     .causal = true},
};

int run(const test::AttentionCase& test_case, const emu::Options& options) {
  double seconds = 0;  // of the processor
  emu::Stats stats;
  std::string problem;
  try {
    test::HostDevice device([&](const AttentionArgs& args) {
      const std::clock_t start = std::clock();
      stats = test::emulate<kConfig>(args, options);
      seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    });
    const test::Verdict verdict = test::check_attention(device, test_case, options.seed);
    if (!verdict.ok) problem = "wrong result: " + verdict.message;
  } catch (const emu::Failure& failure) {
    problem = failure.kind() + ": " + failure.what();
  }
  std::printf("%s seed %llu: %s (%.3f s, %llu bank conflicts)\n",
              name_of(test_case).c_str(),
              static_cast<unsigned long long>(options.seed),
              problem.empty() ? "ok" : problem.c_str(),
              seconds,
              static_cast<unsigned long long>(stats.bank_conflicts));
  return problem.empty() ? 0 : 1;
}

}  // namespace
}  // namespace flashjit

int main(int argc, char** argv) {
  flashjit::emu::Options options;
  std::uint64_t first = 1, count = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("seeds=")) count = std::stoull(argument.substr(6));
    if (argument.starts_with("seed=")) first = std::stoull(argument.substr(5)), count = 1;
    if (argument == "norace") options.detect_races = false;
    if (argument == "nopoison") options.poison = false;
  }
  int failures = 0;
  for (const auto& test_case : flashjit::kCases) {
    for (options.seed = first; options.seed < first + count; ++options.seed) {
      failures += flashjit::run(test_case, options);
    }
  }
  return failures ? 1 : 0;
}
