// What `flashjit report` makes of records, before anything is drawn or compiled.
#include "cli/report_data.h"

#include "cli/problem_sets.h"
#include "cli/report_devices.h"
#include "cli/report_page.h"
#include "support/catch.h"
#include "tuned_tilings.h"
#include "variant_name.h"

namespace flashjit::test {
namespace {

using cli::Json;

constexpr Arch kHopper = {9, 0, true};

// The 4096 of the grid's bf16 d128 as an H100 would measure it; the times are made up.
TuningRecord some_record() {
  TuningRecord record;
  record.device = {"NVIDIA H100 80GB HBM3", 132, 2619000};
  record.arch = kHopper;
  record.problem = {.dtype = Dtype::kBf16, .head_dim_qk = 128, .head_dim_v = 128};
  record.shape.batch = 4;
  record.shape.num_heads_q = record.shape.num_heads_kv = 16;
  record.shape.seqlen_q = record.shape.seqlen_kv = 4096;
  record.bucket = shape_bucket(record.shape);
  record.winner = parse_variant_name("fwd_sm90_bf16_d128_m128n96s2", kHopper)->tiling;
  record.winner_us = 10;
  record.default_us = 11;
  record.candidates = {{record.winner, 10, 0.1, ""}};
  return record;
}

Json problem_of(const TuningRecord& record, const std::vector<std::string>& baselines = {}) {
  cli::Toolchain toolchain;
  cli::Report report(true);
  const Json data = cli::report_data(
      {.records = {record}, .baselines = baselines, .code_variants = 0}, toolchain, report);
  return data.at("problems").at(0);
}

TEST_CASE("the default of a Hopper record is known, though records keep no strides") {
  const TuningRecord record = some_record();
  DeviceInfo device;
  device.arch = kHopper;
  device.sm_count = record.device.sm_count;
  const Tiling usual =
      tuning_space(cli::dense_problem(record.problem, record.shape), device).default_tiling;
  CHECK(usual.family == Family::kSm90);
  CHECK(problem_of(record).at("default") == variant_name({record.problem, usual, kHopper}));
}

TEST_CASE("the default is the candidate that has its time, whatever the heuristic says today") {
  TuningRecord record = some_record();
  const std::string name = "fwd_sm90_bf16_d128_m128n64s2";
  record.candidates.push_back({parse_variant_name(name, kHopper)->tiling, 11, 0.1, ""});
  CHECK(problem_of(record).at("default") == name);
  record.candidates.back().error = "it failed later";
  CHECK(problem_of(record).at("default") != name);
}

TEST_CASE("what a record says of its search goes before what can be seen of it") {
  TuningRecord record = some_record();
  record.candidates.push_back({Tiling{}, 0, 0, "failed"});
  Json problem = problem_of(record);
  CHECK(problem.at("measured") == 1);
  CHECK(problem.at("failed") == 1);
  CHECK(problem.at("legal").is_null());
  record.measured = 90;
  record.failed = 0;
  record.legal = 14292;
  record.rounds = 57;
  record.default_tiling = parse_variant_name("fwd_sm90_bf16_d128_m128n64s2", kHopper)->tiling;
  problem = problem_of(record);
  CHECK(problem.at("measured") == 90);
  CHECK(problem.at("failed") == 0);
  CHECK(problem.at("legal") == 14292);
  CHECK(problem.at("rounds") == 57);
  CHECK(problem.at("default") == "fwd_sm90_bf16_d128_m128n64s2");
}

TEST_CASE("the report says whether a record is complete and of these sources") {
  TuningRecord record = some_record();
  CHECK(problem_of(record).at("complete") == true);
  CHECK(problem_of(record).at("these_sources") == false);
  record.sources_digest = family_digests(KernelSources::embedded())[std::size_t(Family::kSm90)];
  record.complete = false;
  const Json problem = problem_of(record);
  CHECK(problem.at("complete") == false);
  CHECK(problem.at("these_sources") == true);
  CHECK(problem.at("sources_digest") == record.sources_digest);
}

TEST_CASE("peers count on the device model of the baseline alone") {
  TuningRecord record = some_record();
  const std::vector<std::string> baselines = cli::shipped_baselines();
  CHECK(problem_of(record, baselines).at("peers").size() == 3);
  record.device.name = "NVIDIA H100 PCIe";
  CHECK(problem_of(record, baselines).at("peers").is_null());
  CHECK(problem_of(record).at("peers").is_null());
}

TEST_CASE("peers of an H200 are those that were measured on one") {
  TuningRecord record = some_record();
  const Json of_h100 = problem_of(record, cli::shipped_baselines()).at("peers");
  record.device.name = "NVIDIA H200";
  const Json peers = problem_of(record, cli::shipped_baselines()).at("peers");
  REQUIRE(peers.is_object());
  CHECK(peers.size() == 2);
  CHECK(peers.at("cuDNN") != of_h100.at("cuDNN"));
  CHECK(peers.at("FlashAttention-2") != of_h100.at("FlashAttention-2"));
}

TEST_CASE("a row of peers is of one dtype and one number of kv heads, or of bf16 without groups") {
  TuningRecord record = some_record();
  const auto cudnn = [&](const std::string& more) {
    const std::string row =
        R"("head_dim": 128, "seqlen": 4096, "batch": 4, "heads": 16, "cudnn": )";
    const Json peers = problem_of(record,
                                  {R"({"device": "NVIDIA H100 80GB HBM3", "forward": [{)" + row +
                                   "1" + more + "}, {" + row + R"(2, "kernel": "auto"}]})"})
                           .at("peers");
    return peers.is_null() ? 0 : peers.at("cuDNN").get<int>();
  };
  CHECK(cudnn("") == 1);
  CHECK(cudnn(R"(, "dtype": "bf16", "heads_kv": 16)") == 1);
  CHECK(cudnn(R"(, "dtype": "fp16")") == 2);
  CHECK(cudnn(R"(, "heads_kv": 4)") == 2);
  CHECK(cudnn(R"(, "causal": true)") == 2);
  record.problem.dtype = Dtype::kFp16;
  CHECK(cudnn("") == 0);
  CHECK(cudnn(R"(, "dtype": "fp16")") == 1);
}

TEST_CASE("a baseline that is none is refused") {
  for (const char* text : {"", "{", "[]"})
    CHECK_THROWS_WITH(problem_of(some_record(), {text}),
                      ContainsSubstring("the peers' baseline: "));
}

TEST_CASE("records are shown by dtype, head_dim, mask and length") {
  std::vector<TuningRecord> records;
  for (const int seqlen : {1024, 16384, 2048, 512}) {
    for (const MaskKind mask : {MaskKind::kCausal, MaskKind::kNone}) {
      for (const int head_dim : {256, 64}) {
        TuningRecord record = some_record();
        record.problem.head_dim_qk = record.problem.head_dim_v = head_dim;
        record.problem.mask = mask;
        record.shape.seqlen_q = record.shape.seqlen_kv = seqlen;
        records.push_back(record);
      }
    }
  }
  cli::sort_by_problem(records);
  std::vector<int> lengths;
  for (const TuningRecord& r : records) lengths.push_back(r.shape.seqlen_q);
  const std::vector<int> row = {512, 1024, 2048, 16384};
  for (std::size_t i = 0; i < lengths.size(); ++i) CHECK(lengths[i] == row[i % 4]);
  CHECK((records[0].problem.head_dim_qk == 64 && records[0].problem.mask == MaskKind::kNone));
  CHECK((records[4].problem.head_dim_qk == 64 && records[4].problem.mask == MaskKind::kCausal));
  CHECK(records[8].problem.head_dim_qk == 256);
}

// The same problem on another device, at another time.
TuningRecord elsewhere(const std::string& device, const std::string& date) {
  TuningRecord record = some_record();
  record.device.name = device;
  record.date = date;
  return record;
}

TEST_CASE("a report begins with this machine's device, then these sources, then the last date") {
  const FamilyDigests digests = family_digests(KernelSources::embedded());
  std::vector<TuningRecord> records = {elsewhere("GPU A", "2026-01-02T00:00:00Z"),
                                       elsewhere("GPU B", "2026-01-03T00:00:00Z"),
                                       elsewhere("GPU A", "2026-01-01T00:00:00Z")};
  CHECK(cli::device_names(records) == std::vector<std::string>{"GPU A", "GPU B"});
  CHECK(cli::shown_device(records, digests, {}) == "GPU B");
  CHECK(cli::shown_device(records, digests, {"GPU C", "GPU A"}) == "GPU A");
  CHECK(cli::shown_device(records, digests, {"GPU C"}) == "GPU B");
  records[2].sources_digest = digests[std::size_t(Family::kSm90)];
  CHECK(cli::shown_device(records, digests, {}) == "GPU A");
  CHECK(cli::shown_device({}, digests, {"GPU A"}).empty());
}

TEST_CASE("a device is chosen by a part of its name") {
  const std::vector<TuningRecord> records = {elsewhere("NVIDIA H100", ""),
                                             elsewhere("NVIDIA H200", "")};
  CHECK(cli::records_of_device(records, "h2").size() == 1);
  CHECK(cli::records_of_device(records, "nvidia").size() == 2);
  CHECK_THROWS_WITH(cli::records_of_device(records, "B200"),
                    "--device-name 'B200': the records are of NVIDIA H100, NVIDIA H200");
}

TEST_CASE("the devices of this machine are known by name") {
  Settings settings;
  settings.libcuda = FLASHJIT_FAKE_CUDA;
  REQUIRE_FALSE(cli::devices_here(settings).empty());
  CHECK(cli::devices_here(settings).front() == "Fake H100");
  settings.libcuda = "/nonexistent";
  CHECK(cli::devices_here(settings).empty());
}

TEST_CASE("roofs are those measured on the device, else those of its data sheet") {
  cli::Toolchain toolchain;
  cli::Report report(true);
  const auto roofs = [&](const std::vector<std::string>& baselines) {
    return cli::report_data({.records = {elsewhere("NVIDIA H100 80GB HBM3", ""),
                                         elsewhere("NVIDIA H200", ""),
                                         elsewhere("Unknown", "")},
                             .baselines = baselines,
                             .code_variants = 0},
                            toolchain,
                            report)
        .at("roofs");
  };
  const Json shipped = roofs(cli::shipped_baselines()), sheets = roofs({});
  REQUIRE(shipped.size() == 2);
  REQUIRE(sheets.size() == 2);
  CHECK(shipped[0].at("device") == "NVIDIA H100 80GB HBM3");
  CHECK(shipped[0].at("measured") == true);
  CHECK(shipped[1].at("device") == "NVIDIA H200");
  CHECK(shipped[1].at("measured") == false);
  CHECK(shipped[1].at("gb_per_s") == 4800);
  CHECK(sheets[0].at("measured") == false);
  CHECK(sheets[1] == shipped[1]);
  for (const char* roof : {"tflops", "gb_per_s"}) CHECK(shipped[0].at(roof) < sheets[0].at(roof));
  CHECK(sheets[0].at("tflops") == sheets[1].at("tflops"));  // the same tensor cores
  CHECK(roofs({R"({"device": "NVIDIA H200", "ceilings": {}})"}) == sheets);
  CHECK(roofs({R"({"device": "Unknown", "ceilings":
                   {"bf16_gemm_8192_tflops": 2, "device_copy_GB_s": 3}})"})
            .size() == 3);
}

TEST_CASE("code is shown of the largest problem of every head_dim and mask, on each device") {
  std::vector<TuningRecord> records;
  const auto add = [&](const char* device, int head_dim, int seqlen, const char* winner) {
    TuningRecord record = elsewhere(device, "");
    record.problem.head_dim_qk = record.problem.head_dim_v = head_dim;
    record.shape.seqlen_q = record.shape.seqlen_kv = seqlen;
    record.winner = parse_variant_name(winner, kHopper)->tiling;
    records.push_back(record);
  };
  add("A", 64, 512, "fwd_sm90_bf16_d64_m128n64s2");
  add("A", 64, 1024, "fwd_sm90_bf16_d64_m128n80s2");
  add("A", 128, 512, "fwd_sm90_bf16_d128_m128n64s2");
  add("B", 64, 512, "fwd_sm90_bf16_d64_m128n96s2");
  cli::Toolchain toolchain;
  cli::Report report(true);
  const auto with_code = [&](int count) {
    std::vector<std::string> names;
    const Json data =
        cli::report_data({.records = records, .code_variants = count}, toolchain, report);
    for (const Json& variant : data.at("variants"))
      if (variant.contains("source")) names.push_back(variant.at("name"));
    return names;
  };
  CHECK(with_code(0).empty());
  CHECK(with_code(1) ==
        std::vector<std::string>{"fwd_sm90_bf16_d64_m128n80s2", "fwd_sm90_bf16_d64_m128n96s2"});
  CHECK(with_code(2) == std::vector<std::string>{"fwd_sm90_bf16_d64_m128n80s2",
                                                 "fwd_sm90_bf16_d128_m128n64s2",
                                                 "fwd_sm90_bf16_d64_m128n96s2"});
  CHECK(with_code(9).size() == 4);
}

}  // namespace
}  // namespace flashjit::test
