// Backend::kEmulated as a user meets it: compiled once, cached, verified; findings and missing
// compilers as typed errors.
#include <fstream>

#include "emulator/backend/emulator_executor.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/environment.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

namespace fs = std::filesystem;

constexpr AttentionCase kCase = {.scalar = Scalar::kFp16, .seqlen_q = 40, .seqlen_kv = 70};

Options options_of(const fs::path& cache) {
  emu::register_backend();
  return {.backend = Backend::kEmulated, .family = Family::kSimt, .cache_dir = cache};
}

Verdict solve_with(Runtime& runtime) {
  HostDevice device([&](const AttentionArgs& args) { runtime.forward(args); });
  return check_attention(device, solve(kCase, fresh_seed()));
}

// The error of one call; a test that gets none fails.
Error error_of(const Options& options) {
  try {
    Runtime runtime(options);
    solve_with(runtime);
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error");
  throw std::logic_error("not reached");
}

// kernel_src/ with `from` replaced by `to` in one file.
fs::path edited_kernels(const TempDir& dir,
                        const std::string& file,
                        const std::string& from,
                        const std::string& to) {
  fs::copy(source_dir() / "kernel_src", dir / "kernels", fs::copy_options::recursive);
  std::ifstream in(dir / "kernels" / file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  std::ofstream(dir / "kernels" / file) << text;
  return dir / "kernels";
}

}  // namespace

TEST_CASE("emulated: a variant is compiled once, then comes from the cache, verified") {
  const TempDir dir;
  {
    Runtime first(options_of(dir / "cache"));
    CHECK(first.backend() == Backend::kEmulated);
    const Verdict verdict = solve_with(first);
    INFO(verdict.message);
    CHECK(verdict.ok);
    CHECK(solve_with(first).ok);
    CHECK(first.stats().compiles == 1);
  }
  {
    Runtime second(options_of(dir / "cache"));
    CHECK(solve_with(second).ok);
    CHECK(second.stats().compiles == 0);
    CHECK(second.stats().disk_hits == 1);
  }
  for (const auto& entry : fs::recursive_directory_iterator(dir / "cache")) {
    if (!entry.is_regular_file() || entry.file_size() < 1000) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
    file.put('?').put('?');
  }
  Runtime third(options_of(dir / "cache"));
  CHECK(solve_with(third).ok);
  CHECK(third.stats().corrupt_entries == 1);
  CHECK(third.stats().compiles == 1);
}

TEST_CASE("emulated: without a host compiler the error says what to install") {
  const TempDir dir;
  ScopedEnvironment environment;
  environment.set("FLASHJIT_HOST_CXX", "no-such-compiler");
  const Error error = error_of(options_of(dir / "cache"));
  CHECK(error.code() == ErrorCode::kNoCompiler);
  CHECK_THAT(error.what(), ContainsSubstring("there is no no-such-compiler"));
  CHECK_THAT(error.what(), ContainsSubstring("apt-get install g++"));
  CHECK_THAT(error.what(), ContainsSubstring("FLASHJIT_HOST_CXX"));
}

TEST_CASE("emulated: a kernel that does not compile is an error with the compiler's log") {
  const TempDir dir;
  Options options = options_of(dir / "cache");
  options.kernel_dir =
      edited_kernels(dir, "simt/fwd_kernel.cuh", "__syncthreads();", "__syncthreads(;");
  const Error error = error_of(options);
  CHECK(error.code() == ErrorCode::kCompileFailed);
  CHECK_THAT(error.variant(), ContainsSubstring("fwd_simt_fp16_d64"));
  CHECK_THAT(error.compile_log(), ContainsSubstring("kernel_src/simt/fwd_kernel.cuh:"));
}

TEST_CASE("emulated: an edited kernel without its barrier is an error with the report") {
  const TempDir dir;
  Options options = options_of(dir / "cache");
  options.kernel_dir = edited_kernels(dir, "simt/fwd_kernel.cuh", "__syncthreads();", "");
  const Error error = error_of(options);
  CHECK(error.code() == ErrorCode::kInternal);
  CHECK_THAT(error.what(), ContainsSubstring("emulator: "));
  CHECK_THAT(error.what(), ContainsSubstring(".cuh:"));
  CHECK_THAT(error.what(), ContainsSubstring("of the schedule with seed 1"));
}

}  // namespace flashjit::test
