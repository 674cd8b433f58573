// What is special to the Hopper family: every tiling that the heuristic can choose, which depends
// on shapes that are too large for an oracle; shapes that its schedules and epilogues care about; a
// thousand runs that agree to the last bit, on several streams at once; and what it leaves to sm80.
#include <algorithm>
#include <latch>
#include <mutex>
#include <thread>

#include "gpu/hopper_cases.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/check_attention.h"

namespace flashjit::test {
namespace {

constexpr HeadDims kHeadDims[] = {{64, 64},
                                  {72, 72},
                                  {80, 80},
                                  {96, 96},
                                  {112, 112},
                                  {128, 128},
                                  {128, 80},  // O narrower than Q in the second panel
                                  {160, 160},
                                  {192, 128},
                                  {192, 160},
                                  {136, 136},  // clusters by default, as all odd multiples of 8
                                  {184, 184},
                                  {232, 232},
                                  {192, 136},
                                  {256, 256}};

// Beyond the list that all families share.
std::vector<AttentionCase> hopper_cases() {
  std::vector<AttentionCase> cases;
  const auto add = [&](AttentionCase c) {
    for (const Scalar scalar : {Scalar::kBf16, Scalar::kFp16}) {
      c.scalar = scalar;
      cases.push_back(c);
    }
  };
  const auto with = [](HeadDims dims, bool causal, auto change) {
    AttentionCase c{.seqlen_q = 263,
                    .seqlen_kv = 521,
                    .heads_q = 2,
                    .heads_kv = 2,
                    .head_dim_qk = dims.qk,
                    .head_dim_v = dims.v,
                    .causal = causal};
    change(c);
    return c;
  };
  for (const bool causal : {false, true}) {
    for (const HeadDims dims : {HeadDims{128, 128}, {192, 128}, {256, 256}, {72, 72}}) {
      add(with(dims, causal, [](AttentionCase& c) { c.heads_q = 3, c.heads_kv = 1; }));
      add(with(dims, causal, [](AttentionCase& c) { c.layout = Layout::kBhsd; }));
      add(with(dims, causal, [](AttentionCase& c) { c.inputs = Inputs::kOutliers; }));
      add(with(dims, causal, [](AttentionCase& c) { c.inputs = Inputs::kLarge; }));
      add(with(dims, causal, [](AttentionCase& c) { c.inputs = Inputs::kInfiniteKeys; }));
      add(with(dims, causal, [](AttentionCase& c) { c.seqlen_q = 1, c.heads_q = 16; }));
      add(with(dims, causal, [](AttentionCase& c) { c.seqlen_kv = 1; }));
    }
    for (const HeadDims dims : {HeadDims{128, 128}, {256, 256}}) {
      add(with(dims, causal, [](AttentionCase& c) {
        c.layout = Layout::kFused, c.seqlen_q = c.seqlen_kv, c.batch = 2;
      }));
    }
    add(with({64, 64}, causal, [](AttentionCase& c) {
      c.batch = 4, c.heads_q = 60, c.heads_kv = 60, c.seqlen_q = 131, c.seqlen_kv = 67;
    }));
    add(with({128, 128}, causal, [](AttentionCase& c) {
      c.seqlen_q = 2039, c.seqlen_kv = 1021, c.heads_q = 1, c.heads_kv = 1;
    }));
  }
  for (const HeadDims dims : kHeadDims) {
    add(with(dims, true, [](AttentionCase& c) { c.top_left = true; }));
    add(with(dims, true, [](AttentionCase& c) { c.top_left = true, c.seqlen_q = 701; }));
    add(with(dims, true, [](AttentionCase& c) { c.seqlen_q = 701; }));  // rows that see nothing
  }
  return cases;
}

}  // namespace

TEST_CASE("every tiling that the Hopper heuristic can choose computes attention") {
  if (!is_hopper()) return;
  ForcedCases forced;
  for (const HeadDims dims : kHeadDims) {
    for (const bool causal : {false, true}) {
      for (const Scalar scalar : {Scalar::kBf16, Scalar::kFp16})
        forced.add(tiling_case(dims.qk, dims.v, causal, scalar));
    }
  }
  CHECK(forced.cases.size() >= 40);
  const Tally tally = check_cases(forced.cases, all_threads());
  CHECK(tally.not_supported == 0);
  require_all_right(tally);
}

TEST_CASE("tilings that only the tuner chooses compute attention") {
  if (!is_hopper()) return;
  ForcedCases forced;
  for (const HeadDims dims : {HeadDims{64, 64}, {72, 72}, {96, 40}, {128, 128}, {192, 128}}) {
    for (const bool causal : {false, true}) {
      for (const Scalar scalar : {Scalar::kBf16, Scalar::kFp16}) {
        AttentionCase c = tiling_case(dims.qk, dims.v, causal, scalar);
        forced.add_unusual(c);
        c.inputs = Inputs::kInfiniteKeys;
        forced.add_unusual(c);
        c.inputs = Inputs::kNormal;
        if (causal) forced.add_unusual(c, /*special=*/true);
      }
    }
  }
  CHECK(forced.cases.size() >= 60);
  const Tally tally = check_cases(forced.cases, all_threads());
  CHECK(tally.not_supported == 0);
  require_all_right(tally);
}

// Every epilogue has its own way to write rows again that a masked NaN of V has reached.
TEST_CASE("with every Hopper tiling a NaN or infinity reaches the rows that see it and no others") {
  if (!is_hopper()) return;
  ForcedCases forced;
  for (const HeadDims dims : kHeadDims) {
    for (const bool top_left : {false, true}) {
      AttentionCase c = tiling_case(dims.qk, dims.v, true, Scalar::kBf16);
      c.top_left = top_left;
      forced.add(c, /*special=*/true);
    }
  }
  require_all_right(check_cases(forced.cases, all_threads()));
}

TEST_CASE("the Hopper family solves more head dims, groups, layouts and alignments") {
  if (!is_hopper()) return;
  Options options = gpu_options();
  options.family = Family::kSm90;
  Runtime runtime(options);
  std::vector<RuntimeCase> cases;
  for (const AttentionCase& c : hopper_cases()) cases.push_back({&runtime, c});
  const Tally tally = check_cases(cases, all_threads());
  CHECK(tally.not_supported == 0);
  require_all_right(tally);
}

// Three and four warpgroups, clusters, P through shared memory under racecheck.
TEST_CASE("Hopper tilings with many warpgroups or clusters have no race", "[sanitizer]") {
  if (!is_hopper()) return;
  ForcedCases forced;
  AttentionCase c = tiling_case(64, 64, true, Scalar::kBf16);
  c.seqlen_q = 200, c.seqlen_kv = 330;
  forced.add(c);
  forced.add(c, /*special=*/true);
  forced.add_unusual(c);
  c.head_dim_qk = c.head_dim_v = 72;
  forced.add(c);
  c.head_dim_qk = 96;
  forced.add(c);
  c.head_dim_qk = c.head_dim_v = 136;
  forced.add(c);
  std::erase_if(forced.cases, [](const RuntimeCase& one) {
    const auto has = [&](const char* word) { return one.name.find(word) != one.name.npos; };
    return has("_m64n") || has("_nooverlap") || has("_eager");
  });
  require_all_right(check_cases(forced.cases, 1));
}

TEST_CASE("a thousand runs on four streams at once agree to the last bit") {
  if (!is_hopper()) return;
  constexpr int kStreams = 4, kRuns = 250;
  std::vector<AttentionCase> cases;
  for (const HeadDims dims :
       {HeadDims{64, 64}, {96, 96}, {128, 128}, {136, 136}, {192, 128}, {256, 256}}) {
    AttentionCase c = tiling_case(dims.qk, dims.v, true, Scalar::kBf16);
    c.heads_q = c.heads_kv = 5;
    cases.push_back(c);
    c.causal = false, c.scalar = Scalar::kFp16, c.lse = true;
    cases.push_back(c);
  }
  ForcedCases forced;
  for (const AttentionCase& c : cases) {
    forced.add(c);
    if (c.head_dim_qk == 64) forced.add_unusual(c);
  }
  require_all_right(check_cases(forced.cases, all_threads()));  // and compiles in parallel
  std::mutex mutex;
  std::string different;
  for (const RuntimeCase& one : forced.cases) {
    std::latch start(kStreams);
    const std::uint64_t seed = fresh_seed();
    const std::vector<std::byte> first = Repeated(*one.runtime, one.test_case, seed).run();
    const auto work = [&] {
      Repeated repeated(*one.runtime, one.test_case, seed);
      start.arrive_and_wait();
      int other = 0;
      for (int i = 0; i < kRuns; ++i) other += repeated.run() != first;
      const std::lock_guard lock(mutex);
      if (other != 0) different += one.name + ": " + std::to_string(other) + " runs differ\n";
    };
    std::vector<std::jthread> threads;
    for (int i = 0; i < kStreams; ++i) threads.emplace_back(work);
  }
  CHECK_THAT(different, Catch::Matchers::Equals(""));
}

TEST_CASE("what Hopper's kernel cannot run goes to sm80, and the log says why at debug") {
  if (!is_hopper()) return;
  CapturedLog log;
  log.logger->set_level(spdlog::level::debug);
  Options options = gpu_options();
  options.logger = log.logger;
  Runtime runtime(options);
  CudaTestDevice device(runtime);
  const AttentionCase c{.seqlen_q = 113, .seqlen_kv = 257, .causal = true, .scale = -0.2f};
  const Verdict verdict = check_attention(device, c, fresh_seed());
  INFO(verdict.message);
  CHECK(verdict.ok);
  const std::vector<VariantInfo> loaded = runtime.loaded_variants();
  REQUIRE(loaded.size() == 1);
  CHECK(loaded.front().config.tiling.family == Family::kSm80);
  CHECK_THAT(log.text.str(), ContainsSubstring("[debug]"));
  CHECK_THAT(log.text.str(), ContainsSubstring("sm90"));
}

}  // namespace flashjit::test
