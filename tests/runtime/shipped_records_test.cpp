// A fresh install is tuned: the records that the library carries answer for the kernels that it
// carries. A kernel may be edited where there is no GPU to tune on: the file of autotune/records
// then says why in a field "pending" beside its records, until `flashjit tune --export` writes it
// anew.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "kernel_src/variant_plan.h"
#include "problem.h"
#include "select.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/paths.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"
#include "workload.h"

namespace flashjit::test {
namespace {

constexpr Arch kHopper = {9, 0, true};

// The 36 points of `flashjit tune --grid`, as forward() would ask for them.
std::vector<ValidatedProblem> grid() {
  std::vector<ValidatedProblem> points;
  for (const int head_dim : {64, 128, 256}) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (int seqlen = 512; seqlen <= 16384; seqlen *= 2) {
        ProblemShape shape;
        shape.batch = 16384 / seqlen;
        shape.seqlen_q = shape.seqlen_kv = seqlen;
        shape.num_heads_q = shape.num_heads_kv = 2048 / head_dim;
        const Problem problem = {.dtype = Dtype::kBf16,
                                 .head_dim_qk = head_dim,
                                 .head_dim_v = head_dim,
                                 .mask = mask,
                                 .return_lse = false};
        points.push_back(validate(workload_args(problem, shape), false));
      }
    }
  }
  return points;
}

// What a device model ships with.
struct ShippedFile {
  std::string name;
  DeviceModel device;
  std::string pending;  // "": its records are of the kernels that the library carries
};

std::vector<ShippedFile> shipped_files() {
  std::vector<ShippedFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "autotune/records")) {
    std::ifstream file(entry.path());
    const auto json = nlohmann::json::parse(file);
    const auto& device = json.at("records").at(0).at("device");
    files.push_back({entry.path().filename().string(),
                     {device.at("name"), device.at("sm_count"), device.at("memory_clock_khz")},
                     json.value("pending", "")});
  }
  return files;
}

TEST_CASE("a fresh install has an exact record with a legal winner for every point of the grid") {
  CapturedLog log;
  const TuningRecords records(embedded_records(*log.logger));
  const FamilyDigests digests = family_digests(KernelSources::embedded());
  const std::vector<ShippedFile> files = shipped_files();
  REQUIRE(files.size() >= 2);
  for (const ShippedFile& file : files) {
    INFO(file.name << ", pending: " << file.pending);
    int exact = 0;
    for (const ValidatedProblem& point : grid()) {
      INFO("head_dim " << point.problem.head_dim_qk << ", seqlen " << point.shape.seqlen_q);
      const RecordLookup found =
          records.find(file.device, kHopper, point.problem, point.shape, digests);
      REQUIRE(found.record != nullptr);
      CHECK(found.record->device == file.device);
      CHECK(found.record->bucket == shape_bucket(point.shape));
      const KernelConfig winner{point.problem, found.record->winner, kHopper};
      const char* illegal = why_illegal(winner);
      CHECK(std::string(illegal == nullptr ? "" : illegal).empty());
      CHECK(why_unsupported(winner, point.shape) == nullptr);
      exact += found.match == RecordMatch::kExact;
    }
    const int points = static_cast<int>(grid().size());
    REQUIRE(points == 36);
    if (file.pending.empty()) {
      CHECK(exact == points);  // tune again: README, "Refresh the records of a GPU"
    } else {
      CHECK(exact < points);  // all are fresh: remove "pending"
      WARN("the shipped tuning records are pending: " << file.name << ": " << file.pending);
    }
  }
}

}  // namespace
}  // namespace flashjit::test
