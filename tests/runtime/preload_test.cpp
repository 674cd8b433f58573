#include <signal.h>

#include <condition_variable>
#include <fstream>
#include <set>
#include <stdexcept>

#include "flashjit/flashjit.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

// `count` problems, each with a variant of its own: head_dim × dtype × mask.
std::vector<AttentionArgs> problems(int count) {
  std::vector<AttentionArgs> result;
  for (int i = 0; i < count; ++i) {
    const Dtype dtype = i % 2 == 0 ? Dtype::kBf16 : Dtype::kFp16;
    const int head_dim = 8 * (i / 4 % 32 + 1);
    AttentionArgs args;
    args.q = args.k = args.v = args.o = bshd(nullptr, dtype, 2, 1024, 4, head_dim);
    args.causal = i / 2 % 2 == 1;
    if (i >= 128) args.lse = reinterpret_cast<float*>(std::uintptr_t{256});
    result.push_back(args);
  }
  return result;
}

// A Runtime on a fake device with a cache directory of its own.
struct Site {
  TempDir cache;
  std::shared_ptr<FakeDevice> device = install_fake_device();
  CapturedLog log;

  Runtime runtime(bool offline = false) {
    Options options;
    options.backend = Backend::kEmulated;
    options.cache_dir = cache / "cache";
    options.offline = offline;
    options.logger = log.logger;
    return Runtime(options);
  }
};

PreloadOptions on(int threads, std::function<bool(const PreloadProgress&)> progress = {}) {
  return {.threads = threads, .on_progress = std::move(progress)};
}

}  // namespace

TEST_CASE("preload compiles each variant once, as many at a time as it may, and loads it") {
  Site site;
  Runtime runtime = site.runtime();
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0, active = 0, most = 0;
  // The first four wait for each other, so four threads there are; none may come on top.
  site.device->on_compile = [&] {
    std::unique_lock lock(mutex);
    most = std::max(most, ++active);
    ++arrived;
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(20), [&] { return arrived >= 4; });
    --active;
  };
  std::vector<AttentionArgs> wanted = problems(200);
  const std::vector<AttentionArgs> twice = wanted;
  wanted.insert(wanted.end(), twice.begin(), twice.end());

  const PreloadResult result = runtime.preload(wanted, on(4));
  CHECK(result.variants.size() == 200);
  CHECK_FALSE(result.cancelled);
  CHECK(site.device->compiles == 200);
  CHECK(site.device->loads == 200);
  CHECK(arrived >= 4);
  CHECK(most == 4);
  for (std::size_t i = 0; i < result.variants.size(); ++i) {
    const PreloadedVariant& variant = result.variants[i];
    CHECK(variant.error.empty());
    CHECK(variant.problem == i);
    CHECK(variant.info.origin == VariantOrigin::kCompiled);
    CHECK(variant.info.selected_by == "heuristic");
  }
  CHECK(runtime.stats().compiles == 200);
  CHECK(runtime.stats().misses == 200);

  // Another process: everything is in the cache.
  Runtime second = site.runtime();
  CHECK(second.preload(wanted).variants.size() == 200);
  CHECK(site.device->compiles == 200);
  CHECK(second.stats().disk_hits == 200);
  CHECK(second.stats().misses == 0);
}

TEST_CASE("what was preloaded is captured without a compile or a load") {
  Site site;
  Runtime runtime = site.runtime();
  std::vector<AttentionArgs> wanted = problems(3);
  runtime.preload(wanted);
  site.device->capturing = true;
  alignas(256) static std::byte memory[2][64];
  for (AttentionArgs& args : wanted) {
    args.q.data = args.k.data = args.v.data = memory[0];
    args.o.data = memory[1];
    runtime.forward(args);
  }
  CHECK(site.device->launches == 3);
  CHECK(site.device->loads == 3);
}

TEST_CASE("the progress counts up, and its end is the result") {
  Site site;
  Runtime runtime = site.runtime();
  site.device->on_compile = [&] {
    if (site.device->compiles == 2) throw Error(ErrorCode::kCompileFailed, "planted");
  };
  std::vector<PreloadProgress> seen;
  std::set<std::string> names;
  const PreloadResult result = runtime.preload(problems(6), on(3, [&](const PreloadProgress& p) {
                                                 seen.push_back(p);
                                                 if (p.done > 0) names.insert(p.variant);
                                                 return true;
                                               }));
  REQUIRE(seen.size() == 7);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    CHECK(seen[i].done == i);
    CHECK(seen[i].total == 6);
    CHECK((seen[i].seconds_left > 0) == (i > 0 && i < 6));
  }
  CHECK(names.size() == 6);
  CHECK(seen.back().failed == 1);
  CHECK(seen.back().compiled == 5);
  // The one that failed is a row with its error and stopped no other.
  int failed = 0;
  for (const PreloadedVariant& variant : result.variants) {
    failed += variant.error.empty() ? 0 : 1;
    CHECK((variant.error_code == ErrorCode::kCompileFailed) == !variant.error.empty());
    CHECK_FALSE(variant.info.name.empty());
  }
  CHECK(result.variants.size() == 6);
  CHECK(failed == 1);
  CHECK(runtime.preload(problems(6)).variants.size() == 6);
  CHECK(site.device->compiles == 7);
}

TEST_CASE("a cancelled preload leaves the rest, and the next goes on from there") {
  Site site;
  {
    Runtime runtime = site.runtime();
    const PreloadResult result =
        runtime.preload(problems(20), on(1, [](const PreloadProgress& p) { return p.done < 5; }));
    CHECK(result.cancelled);
    CHECK(result.variants.size() == 5);
    CHECK(site.device->compiles == 5);
    const auto stop = [](const PreloadProgress&) { return false; };
    CHECK(runtime.preload(problems(20), on(4, stop)).variants.empty());
    CHECK(site.device->compiles == 5);
  }
  Runtime runtime = site.runtime();
  CHECK_FALSE(runtime.preload(problems(20)).cancelled);
  CHECK(site.device->compiles == 20);
  CHECK(runtime.stats().disk_hits == 5);
}

TEST_CASE("a preload that is killed is resumed by the next") {
  Site site;
  const int status = run_child([&] {
    Runtime runtime = site.runtime();
    runtime.preload(problems(20), on(2, [](const PreloadProgress& p) {
                      if (p.done == 9) ::raise(SIGKILL);
                      return true;
                    }));
    return 0;
  });
  CHECK(status == 128 + SIGKILL);
  Runtime runtime = site.runtime();
  runtime.preload(problems(20));
  CHECK(runtime.stats().disk_hits >= 9);
  CHECK(runtime.stats().disk_hits + runtime.stats().compiles == 20);
  CHECK(runtime.stats().corrupt_entries == 0);
  CHECK(site.log.lines() == 0);
}

TEST_CASE("what the callback throws comes out when the threads have ended") {
  Site site;
  Runtime runtime = site.runtime();
  CHECK_THROWS_WITH(runtime.preload(problems(20),
                                    on(4,
                                       [](const PreloadProgress& p) -> bool {
                                         if (p.done == 2) throw std::runtime_error("enough");
                                         return true;
                                       })),
                    ContainsSubstring("enough"));
  CHECK(site.device->compiles < 20);
}

TEST_CASE("a workload file is preloaded line by line") {
  Site site;
  const std::filesystem::path file = site.cache / "workload.jsonl";
  std::ofstream(file)
      << "# what we serve\n"
         R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})"
         "\n\n"
         R"({"dtype": "fp32", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})"
         "\n"
         R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 8, "seqlen_q": 128})"
         "\n";
  Runtime runtime = site.runtime();
  const PreloadResult result = runtime.preload(file);
  REQUIRE(result.variants.size() == 2);
  CHECK(result.variants[0].problem == 2);
  CHECK(result.variants[1].problem == 4);
  CHECK_THAT(result.variants[1].info.name, ContainsSubstring("simt_fp32"));

  std::ofstream(file, std::ios::app) << "nonsense\n";
  CHECK_THROWS_WITH(runtime.preload(file), ContainsSubstring("workload.jsonl:6"));
  CHECK_THROWS_WITH(runtime.preload(site.cache / "missing"), ContainsSubstring("missing"));
}

TEST_CASE("an illegal problem is named, and nothing is compiled") {
  Site site;
  Runtime runtime = site.runtime();
  std::vector<AttentionArgs> wanted = problems(3);
  wanted[2].v.shape[1] = 7;
  CHECK_THROWS_WITH(runtime.preload(wanted), ContainsSubstring("problems[2]: "));
  CHECK(site.device->compiles == 0);
}

TEST_CASE("offline, what is missing is a row and a miss") {
  Site site;
  site.runtime().preload(problems(2));
  Runtime offline = site.runtime(true);
  const PreloadResult result = offline.preload(problems(4));
  REQUIRE(result.variants.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(result.variants[i].error_code == (i < 2 ? ErrorCode::kOk : ErrorCode::kOffline));
  }
  CHECK_THAT(result.variants[3].error, ContainsSubstring("flashjit build fwd_sm80_"));
  CHECK(offline.stats().misses == 2);
  CHECK(offline.stats().disk_hits == 2);
  CHECK(offline.stats().compiles == 0);
}

TEST_CASE("the CPU backend has nothing to compile") {
  Runtime runtime(Options{.backend = Backend::kCpu});
  const PreloadResult result = runtime.preload(problems(4));
  REQUIRE(result.variants.size() == 4);
  for (const PreloadedVariant& variant : result.variants) CHECK(variant.error.empty());
}

}  // namespace flashjit::test
