// st.async: words that a CTA of a cluster sends to another.
#include <set>

#include "planted_parts.h"
#include "ptx/cluster.h"

namespace flashjit::emu {
namespace {

enum : u32 { kFull, kEmpty };

// CTA 0 sends CTA 1 a word a round by st.async, which CTA 1 reads and hands back.
struct Words {
  bool wait_until_read = true, expect_bytes = true, wait_for_word = true;
  bool read_first = true;  // before it is handed back
  bool sync_at_end = true;
  u32 bar_rank = 1;
};
auto send_words(Words parts = {}) {
  return [parts] {
    make_barriers(2);
    ptx::cluster_sync();
    for (u32 round = 0; threadIdx.x == 0 && round < 4; ++round) {
      if (ptx::cluster_rank() == 0) {
        if (parts.wait_until_read) wait(barrier(kEmpty), (round & 1) ^ 1);
        ptx::st_async_u32(
            ptx::map_shared(tile(), 1), 7 * round, ptx::map_shared(barrier(kFull), parts.bar_rank));
      } else {
        if (parts.expect_bytes) ptx::mbarrier_arrive_expect_tx(barrier(kFull), 4);
        if (parts.wait_for_word) wait(barrier(kFull), round & 1);
        const u32 empty_there = ptx::map_shared(barrier(kEmpty), 0);
        if (!parts.read_first) ptx::mbarrier_arrive_release_cluster(empty_there);
        const u32 word = ptx::ld_shared_u32(tile());
        if (word != 7 * round) current().fail("wrong", "not the word", Loc::current());
        if (parts.read_first) ptx::mbarrier_arrive_release_cluster(empty_there);
      }
    }
    if (parts.sync_at_end) ptx::cluster_sync();
  };
}

}  // namespace

TEST_CASE("cluster: a CTA sends words to another by st.async") {
  Options options = planted_options();
  for (options.seed = 1; options.seed <= 60; ++options.seed) {
    const Finding finding = find(32, send_words(), options, 2);
    INFO("seed " << options.seed << ": " << finding.report);
    CHECK(finding.kind == "none");
  }
  const auto kinds = [](Words parts) {
    std::set<std::string> found;
    for (const auto& [kind, report] : reports_by_kind(32, send_words(parts), 2)) found.insert(kind);
    return found;
  };
  using Kinds = std::set<std::string>;
  CHECK(kinds({.wait_until_read = false}) == Kinds{"race"});
  CHECK(kinds({.expect_bytes = false}) == Kinds{"deadlock"});
  CHECK(kinds({.wait_for_word = false}) == Kinds{"race", "uninitialised"});
  CHECK(kinds({.read_first = false}) == Kinds{"race"});
  CHECK(kinds({.sync_at_end = false}) == Kinds{"leak"});
  CHECK(kinds({.bar_rank = 0}) == Kinds{"cluster"});
}

}  // namespace flashjit::emu
