// A fresh install on a known GPU is tuned: the records that the library carries answer every point
// of the grid that flashjit is measured with, and their winners are legal.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "autotune/cuda_target.h"
#include "embedded_sources.h"
#include "select.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"

namespace flashjit {
namespace {

// Why the records are not of these kernel sources; "" when they have to be. A kernel can be edited
// without a GPU at hand: whoever does so writes the reason into the file, and the next
// `flashjit tune --export` writes the file without it.
std::string pending_reason() {
  std::string reason;
  for (const EmbeddedFile& file : embedded_tuning_records()) {
    const auto json = nlohmann::json::parse(file.text);
    if (json.contains("pending")) reason += json.at("pending").get<std::string>();
  }
  return reason;
}

TEST_CASE("a fresh install on an H100 is tuned at every point of the grid") {
  const DeviceModel h100 = {"NVIDIA H100 80GB HBM3", 132, 2619000};
  const Arch arch = {9, 0, true};
  test::CapturedLog log;
  const TuningRecords records(embedded_records(*log.logger));
  const FamilyDigests digests = family_digests(KernelSources::embedded());
  const std::string pending = pending_reason();
  INFO(
      "measure again (flashjit tune --grid --out DIR, flashjit tune --export "
      "autotune/records/h100.json --out DIR) or add \"pending\": \"the reason\" to that file");
  int points = 0, stale = 0;
  for (const int head_dim : {64, 128, 256}) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (int seqlen = 512; seqlen <= 16384; seqlen *= 2) {
        const Problem problem = {
            .dtype = Dtype::kBf16, .head_dim_qk = head_dim, .head_dim_v = head_dim, .mask = mask};
        const int heads = 2048 / head_dim;
        const ProblemShape shape =
            dense_shape(problem, 16384 / seqlen, seqlen, seqlen, heads, heads);
        const RecordLookup found = records.find(h100, arch, problem, shape, digests);
        INFO(head_dim << (mask == MaskKind::kCausal ? " causal " : " ") << seqlen << ": "
                      << to_string(found.match));
        ++points;
        stale += found.match == RecordMatch::kOtherSources;
        CHECK((found.match == RecordMatch::kExact ||
               (found.match == RecordMatch::kOtherSources && !pending.empty())));
        if (found.record == nullptr) continue;
        CHECK(found.record->bucket == shape_bucket(shape));
        CHECK(found.record->winner_us <= found.record->default_us);
        CHECK(why_unsupported({problem, found.record->winner, arch}, shape) == nullptr);
      }
    }
  }
  CHECK(points == 36);
  CHECK((pending.empty() || stale > 0));  // a reason that holds no more is to go
  if (!pending.empty()) WARN(stale << " of " << points << " records are pending: " << pending);
}

}  // namespace
}  // namespace flashjit
