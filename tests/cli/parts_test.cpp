// The small pieces of the program: tables, names, occupancy, conversions, judgement.
#include <signal.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "cli/accuracy.h"
#include "cli/occupancy.h"
#include "cli/progress_bar.h"
#include "cli/result_file.h"
#include "cli/scalar.h"
#include "cli/table.h"
#include "cli/variants.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temp_dir.h"

namespace flashjit::cli {
namespace {

PreloadProgress progress_of(std::size_t done, std::size_t total) {
  PreloadProgress progress;
  progress.done = done;
  progress.total = total;
  return progress;
}

TEST_CASE("a progress bar has counts and the time left") {
  CHECK(progress_bar(progress_of(0, 40)) == "[--------------------] 0 of 40");
  PreloadProgress progress = progress_of(12, 40);
  progress.compiled = 8;
  progress.failed = 1;
  progress.seconds_left = 2.1;
  CHECK(progress_bar(progress) ==
        "[######--------------] 12 of 40, 8 compiled, 1 failed, 3 s left");
  progress = progress_of(1, 200);
  progress.compiled = 1;
  progress.seconds_left = 199;
  CHECK(progress_bar(progress) == "[--------------------] 1 of 200, 1 compiled, 3 min 19 s left");
  CHECK(progress_bar(progress_of(2, 2)) == "[####################] 2 of 2");
  CHECK(progress_bar({}) == "[####################] 0 of 0");
}

TEST_CASE("a bar is full where there is no more to do, and a line is cut between characters") {
  CHECK(bar(1, 4, 8) == "[##------]");
  CHECK(bar(5, 4, 8) == "[########]");
  CHECK(bar(0, 0, 4) == "[####]");
  CHECK(fit_line("8 µs", 9) == "8 µs");
  CHECK(fit_line("8 µs", 3) == "8 µ");
  CHECK(fit_line("8 µs", 2) == "8 ");
  CHECK(fit_line("8 µs", 0).empty());
}

TEST_CASE("a column of numbers of which none is known is aligned as one") {
  Table table({{"name", "role"}, {"share", "share %", 1}, {"winner", "winner"}});
  table.row({"a", Json(), Json()});
  CHECK(table.text(0) ==
        "role  share %  winner\n"
        "─────────────────────\n"
        "a           –  –\n");
}

TEST_CASE(
    "a table aligns numbers to the right, shows null as a dash and hides columns without a title") {
  Table table({{"name", "name"}, {"value", "value", 1}, {"hidden", ""}});
  table.row({"a", 1.25, 7});
  table.row({"long name", Json(), 8});
  CHECK(table.text(0) ==
        "name       value\n"
        "────────────────\n"
        "a            1.2\n"
        "long name      –\n");
  CHECK(table.to_json().dump() ==
        R"([{"name":"a","value":1.25,"hidden":7},{"name":"long name","value":null,"hidden":8}])");
  CHECK_THROWS(table.row({"too few"}));
}

TEST_CASE("a file that a user named is written whole or stays what it was") {
  const test::TempDir directory;
  const std::filesystem::path file = directory / "result.json", link = directory / "link";
  write_output_file(file, "old");
  const std::string large(2 << 20, 'x');
  const int status = test::run_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};  // a disk that is full after 1 MiB
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 90;
    try {
      write_output_file(file, large);
    } catch (const Error& error) {
      return error.code() == ErrorCode::kIo ? 0 : 91;
    }
    return 92;
  });
  CHECK(status == 0);
  CHECK(std::filesystem::file_size(file) == 3);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
  std::filesystem::create_symlink(file, link);
  write_output_file(link, large);
  CHECK(std::filesystem::is_symlink(link));
  CHECK(std::filesystem::file_size(file) == large.size());
  write_output_file("/dev/null", large);
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("whether a file can be written is known before, and nothing is written for it") {
  const test::TempDir directory;
  const std::filesystem::path file = directory / "page.html";
  require_output_file(file);
  CHECK(std::filesystem::is_empty(directory.path()));
  write_output_file(file, "old");
  require_output_file(file);
  CHECK(std::filesystem::file_size(file) == 3);
  require_output_file("/dev/null");
  CHECK_THROWS_AS(require_output_file("/dev/null/page.html"), Error);
  CHECK_THROWS_AS(require_output_file(file / "page.html"), Error);
  CHECK_THROWS_AS(require_output_file(directory.path()), Error);
}

TEST_CASE("a directory that does not exist is not made for a file, but named") {
  const test::TempDir directory;
  const std::filesystem::path missing = directory / "missing", file = missing / "page.html";
  const auto says_so = ContainsSubstring("the directory " + missing.string() + " does not exist");
  CHECK_THROWS_WITH(require_output_file(file), says_so);
  CHECK_THROWS_WITH(write_output_file(file, "text"), says_so);
  CHECK_FALSE(std::filesystem::exists(missing));
}

TEST_CASE("a number too small for its decimals is not shown as zero") {
  CHECK(cell_text(4 / 1024.0, 1) == "0.0039");
  CHECK(cell_text(0.31, 0) == "0.31");
  CHECK(cell_text(-0.013, 1) == "-0.013");
  CHECK(cell_text(0.0000123, 3) == "0.000012");
  CHECK(cell_text(0.00000123, 3) == "1.2e-06");
  CHECK(cell_text(0.0, 3) == "0.000");
}

TEST_CASE("wrapping breaks at spaces, indents, and keeps columns that stand in the text") {
  CHECK(wrap("aaa bbb ccc", 7, 2) == "aaa bbb\n  ccc");
  CHECK(wrap("key    v1 v2", 10, 7) == "key    v1\n       v2");
  CHECK(wrap("äöü äöü", 7, 0) == "äöü äöü");
  CHECK(wrap("a\nb", 10, 1) == "a\n b");
}

TEST_CASE("edit distance counts insertions, deletions and replacements") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "abc") == 0);
}

// Expected values by hand from the tables that the header names.
TEST_CASE("occupancy follows the limits of the architecture") {
  const Arch a100{8, 0, false}, h100{9, 0, true}, ada{8, 9, false};
  ResourceUse use{.registers = 255, .threads = 128};  // 4 warps · 8192 registers: 2 CTAs
  CHECK(occupancy(use, a100).ctas_per_sm == 2);
  CHECK(occupancy(use, a100).limited_by == "registers");
  use = {.registers = 32, .dynamic_smem_bytes = 56 * 1024, .threads = 256};
  CHECK(occupancy(use, a100).ctas_per_sm == 2);  // 164 KiB / 57 KiB
  CHECK(occupancy(use, h100).ctas_per_sm == 4);  // 228 KiB / 57 KiB
  CHECK(occupancy(use, ada).ctas_per_sm == 1);   // 100 KiB / 57 KiB
  CHECK(occupancy(use, h100).limited_by == "shared memory");
  use = {.registers = 32, .threads = 1024};
  CHECK(occupancy(use, h100).ctas_per_sm == 2);  // 2048 threads
  CHECK(occupancy(use, ada).ctas_per_sm == 1);   // 1536 threads
  use = {.registers = 16, .threads = 32};
  CHECK(occupancy(use, h100).ctas_per_sm == 32);
  CHECK(occupancy(use, ada).ctas_per_sm == 24);
  use = {.registers = 200, .dynamic_smem_bytes = 300 * 1024, .threads = 128};
  CHECK(occupancy(use, h100).ctas_per_sm == 0);
}

TEST_CASE("every fp16 value survives the way through fp32") {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = fp16_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    if (float_to_fp16(value) != bits) FAIL("bits " << bits);
  }
}

TEST_CASE("rounding to 16 bits goes to the nearest, ties to even") {
  std::mt19937 random(1);
  const auto neighbours = [](auto to_float, std::uint16_t bits) {
    return std::pair{to_float(static_cast<std::uint16_t>(bits - 1)),
                     to_float(static_cast<std::uint16_t>(bits + 1))};
  };
  for (int i = 0; i < 100'000; ++i) {
    const float value = std::ldexp(std::uniform_real_distribution<float>(1, 2)(random),
                                   static_cast<int>(random() % 38) - 23);
    const std::uint16_t half = float_to_fp16(value);
    if (value < 65504 && (half & 0x3FF) != 0) {
      const auto [below, above] = neighbours(fp16_to_float, half);
      const float error = std::abs(fp16_to_float(half) - value);
      if (error > std::abs(below - value) || error > std::abs(above - value))
        FAIL("fp16 of " << value);
    }
    const auto [below, above] = neighbours(bf16_to_float, float_to_bf16(value));
    const float error = std::abs(bf16_to_float(float_to_bf16(value)) - value);
    if (error > std::abs(below - value) || error > std::abs(above - value))
      FAIL("bf16 of " << value);
  }
  CHECK(float_to_fp16(1 + 0x1p-11f) == 0x3C00);      // a tie, down to even
  CHECK(float_to_fp16(1 + 3 * 0x1p-11f) == 0x3C02);  // a tie, up to even
  CHECK(float_to_bf16(1 + 0x1p-8f) == 0x3F80);
  CHECK(float_to_bf16(1 + 3 * 0x1p-8f) == 0x3F82);
  CHECK(float_to_fp16(65519) == 0x7BFF);
  CHECK(float_to_fp16(65520) == 0x7C00);
  CHECK(std::isnan(fp16_to_float(float_to_fp16(NAN))));
  CHECK(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7F800001u)))));
}

TEST_CASE("attention to equal keys is the mean of the visible values") {
  AttentionProblem problem{
      .dtype = Dtype::kFp32, .seqlen_q = 2, .seqlen_kv = 3, .head_dim = 8, .causal = true};
  const std::vector<float> q(16, 1.0f), k(24, 0.5f);
  std::vector<float> v(24);
  for (int j = 0; j < 3; ++j) std::fill_n(v.begin() + 8 * j, 8, static_cast<float>(j + 1));
  const std::vector<double> out = exact_attention(problem, q.data(), k.data(), v.data());
  CHECK(out[0] == Approx(1.5));  // row 0 sees keys 0 and 1
  CHECK(out[8] == Approx(2.0));  // row 1 sees all
  problem.causal = false;
  CHECK(exact_attention(problem, q.data(), k.data(), v.data())[0] == Approx(2.0));
}

TEST_CASE("judge accepts what rounding explains, and nothing else") {
  const std::vector<double> exact{0.5, -0.25, 1.0};
  const Bounds bounds = rounding_bounds(Dtype::kFp32, exact, {0.5002, -0.2501, 1.0004});
  CHECK(bounds.max == Approx(0.0008).epsilon(0.01));
  CHECK(bounds.mean == Approx(1.5 * 0.0007 / 3));
  std::vector<float> out{0.5f, -0.25f, 1.0f};
  CHECK(judge(out.data(), Dtype::kFp32, exact, bounds).good());
  out[1] = -0.2f;
  CHECK_FALSE(judge(out.data(), Dtype::kFp32, exact, bounds).good());
  out[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(judge(out.data(), Dtype::kFp32, exact, bounds).good());
  out = {0.5007f, -0.2507f, 1.0007f};  // inside the bound of the maximum, outside that of the mean
  CHECK_FALSE(judge(out.data(), Dtype::kFp32, exact, bounds).good());
}

}  // namespace
}  // namespace flashjit::cli
