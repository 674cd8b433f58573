#include "tuning_record_files.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "bundle.h"
#include "flashjit/error.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/temp_dir.h"
#include "tuned_tilings.h"

namespace flashjit::test {
namespace {

TuningRecord make_record(int seqlen, int block_n = 64) {
  TuningRecord record;
  record.device = {"NVIDIA H100 80GB HBM3", 132, 2619000};
  record.arch = {9, 0, true};
  record.problem = {.dtype = Dtype::kBf16, .head_dim_qk = 128, .head_dim_v = 128};
  record.shape.batch = 4;
  record.shape.num_heads_q = record.shape.num_heads_kv = 16;
  record.shape.seqlen_q = record.shape.seqlen_kv = seqlen;
  record.bucket = shape_bucket(record.shape);
  record.winner = {.family = Family::kSm80, .block_m = 128, .block_n = block_n, .num_stages = 2};
  return record;
}

TEST_CASE("records are written one per subject and read back in order") {
  const TempDir directory;
  const auto tuning = directory / "cache" / "tuning";
  write_record(tuning, make_record(4096));
  write_record(tuning, make_record(512));
  write_record(tuning, make_record(4000, 96));  // the bucket of 4096
  CapturedLog log;
  const auto records = read_records(tuning, *log.logger);
  REQUIRE(records.size() == 2);
  std::set<int> block_ns;
  for (const TuningRecord& r : records) block_ns.insert(r.winner.block_n);
  CHECK(block_ns == std::set<int>{64, 96});
  CHECK(log.lines() == 0);
  // A cache directory that was made here is nobody else's to write to.
  using std::filesystem::perms;
  CHECK(std::filesystem::status(directory / "cache").permissions() == perms::owner_all);
}

TEST_CASE("a record with an illegal winner does not hide one that can be used") {
  const TempDir directory;
  Settings settings;
  settings.cache_dir = directory.path();
  TuningRecord good = make_record(4096), bad = make_record(4096);
  bad.winner.block_m = 77;
  std::filesystem::create_directory(directory / "tuning");
  std::ofstream(directory / "tuning/a.json") << to_json(bad);
  std::ofstream(directory / "tuning/b.json") << to_json(good);
  CapturedLog log;
  log.logger->set_level(spdlog::level::info);
  const TuningRecords records = visible_records(settings, *log.logger);
  const RecordLookup found =
      records.find(good.device, good.arch, good.problem, good.shape, {"", "", "", ""});
  REQUIRE(found.record != nullptr);
  CHECK(found.match == RecordMatch::kExact);
  CHECK(found.record->winner == good.winner);
  CHECK_THAT(log.text.str(), ContainsSubstring("not legal"));
}

TEST_CASE("what the library carries of one problem is what it carries, without the rest") {
  CapturedLog log;
  const std::vector<TuningRecord> all = embedded_records(*log.logger, Evidence::kNone);
  REQUIRE(all.size() >= 72);
  std::set<std::string> problems;
  std::size_t found = 0;
  for (const TuningRecord& record : all) {
    if (!problems.insert(to_json(record.problem)).second) continue;
    for (const TuningRecord& one : embedded_records_of(record.problem, *log.logger)) {
      CHECK(one.problem == record.problem);
      CHECK(std::count_if(all.begin(), all.end(), [&](const TuningRecord& other) {
              return to_json(other) == to_json(one);
            }) == 1);
      ++found;
    }
  }
  CHECK(found == all.size());
  CHECK(problems.size() > 1);
  Problem other = all.front().problem;
  other.head_dim_qk = 8;
  CHECK(embedded_records_of(other, *log.logger).empty());
  CHECK(log.lines() == 0);
}

TEST_CASE("sources that are missing cost their own family's records alone") {
  const TempDir directory;
  std::filesystem::copy(
      source_dir() / "kernel_src", directory / "k", std::filesystem::copy_options::recursive);
  std::filesystem::remove(directory / "k/sm90/mainloop.cuh");
  const FamilyDigests some = family_digests(KernelSources::from_directory(directory / "k"));
  const FamilyDigests all = family_digests(KernelSources::embedded());
  CHECK(some[static_cast<std::size_t>(Family::kSm80)] ==
        all[static_cast<std::size_t>(Family::kSm80)]);
  CHECK(some[static_cast<std::size_t>(Family::kSm90)] !=
        all[static_cast<std::size_t>(Family::kSm90)]);
}

TEST_CASE("file names differ by everything that makes a subject") {
  std::set<std::string> names;
  const auto add = [&](const auto& change) {
    TuningRecord record = make_record(4096);
    change(record);
    names.insert(record_file_name(record));
  };
  add([](TuningRecord&) {});
  add([](TuningRecord& r) { r.device.name = "another"; });
  add([](TuningRecord& r) { r.device.sm_count = 1; });
  add([](TuningRecord& r) { r.device.memory_clock_khz = 1; });
  add([](TuningRecord& r) { r.arch = {8, 0, false}; });
  add([](TuningRecord& r) { r.problem.dtype = Dtype::kFp16; });
  add([](TuningRecord& r) { r.problem.head_dim_qk = 64; });
  add([](TuningRecord& r) { r.problem.head_dim_v = 64; });
  add([](TuningRecord& r) { r.problem.mask = MaskKind::kCausal; });
  add([](TuningRecord& r) { r.problem.return_lse = true; });
  add([](TuningRecord& r) { r.bucket.seqlen_q = 1; });
  add([](TuningRecord& r) { r.bucket.seqlen_kv = 1; });
  add([](TuningRecord& r) { r.bucket.batch_heads = 1; });
  add([](TuningRecord& r) { r.bucket.heads_per_kv = 2; });
  CHECK(names.size() == 14);
  add([](TuningRecord& r) { r.winner.block_n = 96; });
  CHECK(names.size() == 14);
}

TEST_CASE("an incomplete record stands beside the complete one of its subject, until the next") {
  const TempDir directory;
  CapturedLog log;
  // block_n of the winners, negative where the record is incomplete.
  const auto found = [&] {
    std::multiset<int> block_ns;
    for (const TuningRecord& r : read_records(directory.path(), *log.logger))
      block_ns.insert(r.complete ? r.winner.block_n : -r.winner.block_n);
    return block_ns;
  };
  TuningRecord partial = make_record(4096, 96);
  partial.complete = false;
  write_record(directory.path(), make_record(4096, 64));
  write_record(directory.path(), partial);
  CHECK(found() == std::multiset<int>{64, -96});
  partial.winner.block_n = 112;
  write_record(directory.path(), partial);
  CHECK(found() == std::multiset<int>{64, -112});
  write_record(directory.path(), make_record(4096, 128));
  CHECK(found() == std::multiset<int>{128});
}

TEST_CASE("without its evidence a record is the same but for the candidates") {
  const TempDir directory;
  TuningRecord first = make_record(4096), second = make_record(512, 96);
  second.policy = R"("candidates": [ of many, \ "candidates")";
  std::vector<TuningRecord> bare = {first, second};
  first.candidates = {{first.winner, 1, 0, ""},
                      {first.winner, 0, 0, R"(]] "\" [ }, "candidates": [)"}};
  second.candidates = {{first.winner, 2, 0, ""}};
  std::ofstream(directory / "many.json") << to_json(std::vector{first, second});
  CapturedLog log;
  CHECK(to_json(read_records(directory.path(), *log.logger, Evidence::kNone)) == to_json(bare));
  std::ofstream(directory / "many.json") << to_json(first);  // a file of its own has lines
  bare.pop_back();
  CHECK(to_json(read_records(directory.path(), *log.logger, Evidence::kNone)) == to_json(bare));
  CHECK(log.lines() == 0);
  const std::string whole = to_json(first);
  std::ofstream(directory / "many.json") << whole.substr(0, whole.size() - 40);
  CHECK(read_records(directory.path(), *log.logger, Evidence::kNone).empty());
  CHECK(log.lines() == 1);
}

TEST_CASE("each bad file is a named miss, the others are read") {
  const TempDir directory;
  write_record(directory.path(), make_record(4096));
  const std::string good = to_json(make_record(512));
  std::ofstream(directory / "half.json") << good.substr(0, good.size() / 2);
  std::ofstream(directory / "foreign.json") << R"({"schema": "somebody else's"})";
  std::ofstream(directory / "empty.json");
  std::filesystem::create_directory(directory / "directory.json");
  std::ofstream(directory / "notes.txt") << "no record at all";
  std::ofstream(directory / ".half-written.json") << "x";
  std::ofstream(directory / "many.json") << to_json(std::vector{make_record(1), make_record(2)});
  CapturedLog log;
  CHECK(read_records(directory.path(), *log.logger).size() == 3);
  CHECK(log.lines() == 4);
  for (const char* name : {"half.json", "foreign.json", "empty.json", "directory.json"})
    CHECK_THAT(log.text.str(), ContainsSubstring(name));
  CHECK(read_records(directory / "many.json", *log.logger).size() == 2);
  CHECK(read_records(directory / "missing", *log.logger).empty());
}

TEST_CASE("a record that cannot be written is an error that names the directory") {
  try {
    write_record("/dev/null/tuning", make_record(1));
    FAIL("written");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
    CHECK_THAT(error.what(), ContainsSubstring("/dev/null"));
  }
}

TEST_CASE("what is embedded is intact") {
  CapturedLog log;
  embedded_records(*log.logger);
  CHECK(log.text.str().empty());
}

TEST_CASE("layers: the cache directory before bundles") {
  const TempDir directory;
  Settings settings;
  settings.cache_dir = directory / "cache";
  settings.bundles = {directory / "bundle"};
  write_record(directory / "bundle" / kTuningDirectory, make_record(4096, 96));
  CapturedLog log;
  const auto block_n = [&] {
    return visible_records(settings, *log.logger).all().at(0).winner.block_n;
  };
  CHECK(block_n() == 96);
  write_record(*settings.cache_dir / kTuningDirectory, make_record(4096, 112));
  CHECK(block_n() == 112);
}

TEST_CASE("of a pinned bundle only the records that its manifest describes are read") {
  const TempDir directory;
  const auto bundle = directory / "bundle";
  const TuningRecord record = make_record(4096, 96);
  BundleContents contents;
  contents.tuning[record_file_name(record)] = to_json(record);
  export_bundle(bundle, contents);
  Settings settings;
  settings.bundles = {bundle};
  settings.bundle_digest = bundle_digest(bundle);
  CapturedLog log;
  const std::size_t embedded = visible_records({}, *log.logger).all().size();
  const auto found = [&] { return visible_records(settings, *log.logger).all().size() - embedded; };
  CHECK(found() == 1);
  write_record(bundle / kTuningDirectory, make_record(512));  // the manifest does not know it
  CHECK(found() == 1);
  CHECK(log.text.str().empty());
  write_record(bundle / kTuningDirectory, make_record(4096, 112));
  CHECK(found() == 0);
  CHECK_THAT(log.text.str(), ContainsSubstring(record_file_name(record)));
}

}  // namespace
}  // namespace flashjit::test
