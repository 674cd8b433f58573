// Tuning records: the JSON round trip, what a bad file says, and how a look-up ranks what it finds.
#include "tuning_record.h"

#include <fmt/format.h>

#include "flashjit/error.h"
#include "support/catch.h"

namespace flashjit {
namespace {

constexpr Problem kProblem = {.dtype = Dtype::kFp16,
                              .head_dim_qk = 192,
                              .head_dim_v = 128,
                              .mask = MaskKind::kCausal,
                              .return_lse = true};
const FamilyDigests kDigests = {"d-standard", "d-simt", "d-sm80", "d-sm90"};

ProblemShape make_shape(int batch, int heads_q, int heads_kv, int seqlen_q, int seqlen_kv) {
  ProblemShape shape;
  shape.batch = batch;
  shape.num_heads_q = heads_q;
  shape.num_heads_kv = heads_kv;
  shape.seqlen_q = seqlen_q;
  shape.seqlen_kv = seqlen_kv;
  shape.softmax_scale = 0.125f;
  return shape;
}

TuningRecord make_record(int seqlen, int block_n) {
  TuningRecord record;
  record.device = {"NVIDIA H100 80GB HBM3", 132, 2619000};
  record.arch = {9, 0, true};
  record.driver_version = 13000;
  record.sources_digest = "d-sm90";
  record.problem = kProblem;
  record.shape = make_shape(4, 16, 16, seqlen, seqlen);
  record.bucket = shape_bucket(record.shape);
  record.winner = {.family = Family::kSm90,
                   .block_m = 192,
                   .block_n = block_n,
                   .num_stages = 3,
                   .num_q_stages = 2,
                   .num_warps = 12,
                   .overlap = true,
                   .ping_pong = true,
                   .skip_masked = true,
                   .row_sum_by_mma = true,
                   .probs_in_smem = true,
                   .cluster_size = 2,
                   .schedule = Schedule::kDynamic,
                   .rescale = Rescale::kOptimistic,
                   .epilogue = Epilogue::kStaged,
                   .producer_regs = 32,
                   .consumer_regs = 160};
  record.winner_us = 12.5;
  record.default_us = 13.25;
  record.policy = "median of 20";
  record.sm_clock_mhz = 1755;
  record.date = "2026-01-02T03:04:05Z";
  record.candidates = {{record.winner, 12.5, 0.25, ""}, {Tiling{}, 0, 0, "launch failed"}};
  return record;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a tuning record survives the round trip through JSON") {
  const TuningRecord record = make_record(4096, 80);
  const TuningRecord again = parse_tuning_record(to_json(record));
  CHECK(again.device == record.device);
  CHECK(again.arch == record.arch);
  CHECK(again.driver_version == record.driver_version);
  CHECK(again.sources_digest == record.sources_digest);
  CHECK(again.problem == record.problem);
  CHECK(again.bucket == record.bucket);
  CHECK(again.shape.seqlen_kv == record.shape.seqlen_kv);
  CHECK(again.winner == record.winner);
  CHECK(again.winner_us == record.winner_us);
  CHECK(again.default_us == record.default_us);
  CHECK(again.date == record.date);
  CHECK(again.sm_clock_mhz == record.sm_clock_mhz);
  CHECK(again.complete);
  REQUIRE(again.candidates.size() == 2);
  CHECK(again.candidates[1].error == "launch failed");
  CHECK(again.candidates[1].tiling == Tiling{});
  CHECK(to_json(again) == to_json(record));
}

TEST_CASE("what older records do not say is optional, and written where it is known") {
  TuningRecord record = make_record(4096, 80);
  const std::string old = to_json(record);
  for (const char* name : {"measured", "failed", "legal", "rounds", "default_tiling"})
    CHECK(old.find(fmt::format("\"{}\"", name)) == std::string::npos);
  CHECK_FALSE(parse_tuning_record(old).default_tiling);
  record.measured = 93;
  record.failed = 4;
  record.legal = 14292;
  record.rounds = 187;
  record.default_tiling = Tiling{.family = Family::kSm80, .block_n = 96};
  const TuningRecord again = parse_tuning_record(to_json(record));
  CHECK(again.measured == 93);
  CHECK(again.failed == 4);
  CHECK(again.legal == 14292);
  CHECK(again.rounds == 187);
  REQUIRE(again.default_tiling);
  CHECK(*again.default_tiling == *record.default_tiling);
  CHECK_THROWS_AS(parse_tuning_record(replaced(to_json(record), "187", "\"many\"")), Error);
}

TEST_CASE("a bad tuning record says what is wrong with it") {
  const std::string good = to_json(make_record(4096, 80));
  for (std::size_t length = 0; length + 2 < good.size(); length += 7) {
    CHECK_THROWS_AS(parse_tuning_record(good.substr(0, length)), Error);
  }
  const auto message = [](const std::string& text) -> std::string {
    try {
      parse_tuning_record(text);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kData);
      return error.what();
    }
    return "no error";
  };
  CHECK_THAT(message(replaced(good, "record/1", "record/2")), ContainsSubstring("schema"));
  CHECK_THAT(message(replaced(good, "\"block_m\"", "\"block_x\"")),
             ContainsSubstring("'block_m' is missing"));
  CHECK_THAT(message(replaced(good, "\"optimistic\"", "\"hopeful\"")),
             ContainsSubstring("hopeful"));
  // 132 in 32 bits, and −1 in 64.
  for (const char* wrong : {"\"many\"",
                            "132.5",
                            "true",
                            "null",
                            "[132]",
                            "1e40",
                            "4294967428",
                            "18446744073709551615"}) {
    CHECK_THAT(message(replaced(good, "\"sm_count\": 132", std::string("\"sm_count\": ") + wrong)),
               ContainsSubstring("device: 'sm_count' is not a whole number"));
  }
  CHECK_THAT(message(replaced(good, "\"overlap\": true", "\"overlap\": 1")),
             ContainsSubstring("winner: 'overlap' is not a boolean"));
  CHECK_THAT(message(replaced(good, "\"sm_count\": 132", "\"sm_count\": 132, \"color\": 1")),
             ContainsSubstring("unknown member \"color\""));
  CHECK_THAT(message(replaced(good, "\"policy\"", "\"color\": 1, \"policy\"")),
             ContainsSubstring("unknown member \"color\""));
  CHECK_THAT(message(replaced(good, "\"spread_us\"", "\"color\": 1, \"spread_us\"")),
             ContainsSubstring("unknown member \"color\""));
  TuningRecord backwards = make_record(4096, 80);
  backwards.shape.seqlen_q = -5;
  CHECK_THAT(message(to_json(backwards)), ContainsSubstring("'shape' has a size of -5"));
  TuningRecord impossible = make_record(4096, 80);
  impossible.winner_us = -3;
  CHECK_THAT(message(to_json(impossible)), ContainsSubstring("negative: -3 µs"));
  impossible = make_record(4096, 80);
  impossible.candidates[0].time_us = -5;
  CHECK_THAT(message(to_json(impossible)), ContainsSubstring("candidate: a time is negative: -5"));
  const std::string collection = to_json(std::vector{make_record(4096, 80)});
  CHECK_THAT(message(replaced(collection, "\"records\"", "\"surprise\": 1, \"records\"")),
             ContainsSubstring("unknown member \"surprise\""));
  CHECK(parse_tuning_records(replaced(collection, "\"records\"", "\"pending\": \"x\", \"records\""))
            .size() == 1);
}

TEST_CASE("shape buckets are powers of two with their edges included") {
  CHECK(shape_bucket(make_shape(1, 1, 1, 1, 1)) == ShapeBucket{1, 1, 1, 1});
  CHECK(shape_bucket(make_shape(4, 16, 2, 4096, 4097)) == ShapeBucket{4096, 8192, 64, 8});
  CHECK(shape_bucket(make_shape(0, 16, 16, 0, 0)) == ShapeBucket{1, 1, 1, 1});
}

TEST_CASE("a look-up ranks exact, near, other device, other sources") {
  TuningRecord exact = make_record(4096, 80);
  TuningRecord near = make_record(8192, 96);
  TuningRecord far = make_record(65536, 112);
  TuningRecord other_device = make_record(4096, 128);
  other_device.device.sm_count = 114;
  TuningRecord stale = make_record(4096, 144);
  stale.sources_digest = "yesterday";
  const ProblemShape shape = make_shape(4, 16, 16, 4000, 3000);

  const auto look_up = [&](std::vector<TuningRecord> records, const Problem& problem = kProblem) {
    const TuningRecords all(std::move(records));
    const RecordLookup found = all.find(exact.device, exact.arch, problem, shape, kDigests);
    return std::pair(found.match, found.record == nullptr ? 0 : found.record->winner.block_n);
  };
  CHECK(look_up({stale, other_device, near, exact, far}) == std::pair(RecordMatch::kExact, 80));
  CHECK(look_up({stale, other_device, near, far}) == std::pair(RecordMatch::kNearBucket, 96));
  CHECK(look_up({stale, other_device, far}) == std::pair(RecordMatch::kOtherDevice, 128));
  CHECK(look_up({stale, far}) == std::pair(RecordMatch::kOtherSources, 144));
  CHECK(look_up({far}) == std::pair(RecordMatch::kNone, 0));
  // Stale as both are: this device's, be it of another bucket.
  TuningRecord stale_elsewhere = stale, stale_near = near;
  stale_elsewhere.device.sm_count = 114, stale_elsewhere.winner.block_n = 160;
  stale_near.sources_digest = "yesterday";
  CHECK(look_up({stale_elsewhere, stale}) == std::pair(RecordMatch::kOtherSources, 144));
  CHECK(look_up({stale_elsewhere, stale_near}) == std::pair(RecordMatch::kOtherSources, 96));
  Problem other = kProblem;
  other.return_lse = false;
  CHECK(look_up({exact}, other) == std::pair(RecordMatch::kNone, 0));
}

TEST_CASE("a record without finals is found by no look-up") {
  TuningRecord record = make_record(4096, 80);
  record.complete = false;
  const TuningRecords all({record});
  CHECK(all.find(record.device, record.arch, kProblem, record.shape, kDigests).match ==
        RecordMatch::kNone);
}

TEST_CASE("of equal matches the nearest bucket wins, then the first layer") {
  const TuningRecord first = make_record(8192, 80), second = make_record(8192, 96);
  const TuningRecord farther = make_record(2048, 112);
  const TuningRecords all({farther, first, second});
  const auto found = [&](const ProblemShape& shape) {
    return all.find(first.device, first.arch, kProblem, shape, kDigests).record->winner.block_n;
  };
  CHECK(found(make_shape(4, 16, 16, 4096, 8192)) == 80);
  CHECK(found(make_shape(4, 16, 16, 8192, 8192)) == 80);
}

TEST_CASE("a new record stands in front and replaces the one of its subject") {
  TuningRecords all({make_record(4096, 80), make_record(8192, 80)});
  all.add(make_record(4096, 96));
  REQUIRE(all.all().size() == 2);
  CHECK(all.all()[0].winner.block_n == 96);
}

TEST_CASE("a collection holds many records, and says what is wrong with it") {
  const std::vector<TuningRecord> records = {make_record(4096, 80), make_record(8192, 96)};
  const std::string text = to_json(records);
  const std::vector<TuningRecord> again = parse_tuning_records(text);
  REQUIRE(again.size() == 2);
  CHECK(to_json(again) == text);
  CHECK(parse_tuning_records(to_json(records[0])).size() == 1);
  CHECK(parse_tuning_records(to_json(std::vector<TuningRecord>{})).empty());
  CHECK_THROWS_AS(parse_tuning_record(text), Error);
  CHECK_THROWS_AS(parse_tuning_records(replaced(text, "records/1", "records/2")), Error);
  CHECK_THROWS_AS(parse_tuning_records(replaced(text, "\"schema\"", "\"x\": 1, \"schema\"")),
                  Error);
  CHECK_THROWS_AS(parse_tuning_records(text.substr(0, text.size() / 2)), Error);
  const std::string pending = "\"pending\": \"not yet\", \"schema\"";
  CHECK(parse_tuning_records(replaced(text, "\"schema\"", pending)).size() == 2);
}

TEST_CASE("a tiling travels by itself") {
  const Tiling tiling = make_record(4096, 80).winner;
  CHECK(parse_tiling(to_json(tiling)) == tiling);
  CHECK_THROWS_AS(parse_tiling("[]"), Error);
}

}  // namespace
}  // namespace flashjit
