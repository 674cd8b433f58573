#include "runtime/cubin_compatibility.h"

#include <algorithm>

#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr Arch sm(int cc, bool specific = false) { return {cc / 10, cc % 10, specific}; }

// Rows are targets, columns devices: CUDA C++ Programming Guide, "Binary Compatibility" and
// "Feature Set Compiler Targets". x: runs.
constexpr int kDevices[] = {75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121};
struct Row {
  Arch target;
  const char* runs;
};
constexpr Row kRows[] = {
    {sm(75), "x.........."},
    {sm(80), ".xx.x......"},
    {sm(86), "..x.x......"},
    {sm(87), "...x......."},
    {sm(89), "....x......"},
    {sm(90), ".....x....."},
    {sm(90, true), ".....x....."},
    {sm(100), "......xx..."},
    {sm(100, true), "......x...."},
    {sm(103), ".......x..."},
    {sm(103, true), ".......x..."},
    {sm(110), "........x.."},
    {sm(120), ".........xx"},
    {sm(120, true), ".........x."},
    {sm(121, true), "..........x"},
};

}  // namespace

static_assert(can_run(sm(80), sm(86)));
static_assert(!can_run(sm(86), sm(80)));

TEST_CASE("which cubin runs where") {
  for (const Row& row : kRows) {
    for (std::size_t i = 0; i < std::size(kDevices); ++i) {
      CAPTURE(row.target.major, row.target.minor, row.target.specific, kDevices[i]);
      CHECK(can_run(row.target, sm(kDevices[i])) == (row.runs[i] == 'x'));
      // A device is the same device whichever target its variants are compiled for.
      CHECK(can_run(row.target, sm(kDevices[i], true)) == (row.runs[i] == 'x'));
    }
  }
}

TEST_CASE("what a device runs is listed with its own target first") {
  for (const int cc : kDevices) {
    const std::vector<Arch> targets = runnable_targets(sm(cc));
    REQUIRE_FALSE(targets.empty());
    CHECK(targets[0] == sm(cc));
    // And every other one that the table has without a suffix.
    const std::size_t column = static_cast<std::size_t>(
        std::find(std::begin(kDevices), std::end(kDevices), cc) - kDevices);
    std::size_t others = 0;
    for (const Row& row : kRows) {
      const bool other = !row.target.specific && row.target != sm(cc);
      others += other && row.runs[column] == 'x' ? 1 : 0;
    }
    CHECK(targets.size() == 1 + others);
    for (const Arch& target : targets) CHECK(can_run(target, sm(cc)));
  }
  CHECK(runnable_targets(sm(89)) == std::vector<Arch>{sm(89), sm(86), sm(80)});
  CHECK(runnable_targets(sm(90, true)) == std::vector<Arch>{sm(90, true), sm(90)});
}

TEST_CASE("a driver must know the compiler's major and the target") {
  CHECK(minimum_driver(sm(80), "nvrtc 12.9.86") == 12000);
  CHECK(minimum_driver(sm(90, true), "nvrtc 13.0.48") == 13000);
  CHECK(minimum_driver(sm(120), "nvrtc 12.9.86") == 12080);
  CHECK(minimum_driver(sm(103, true), "nvrtc 12.9.86") == 12090);
  CHECK(minimum_driver(sm(80), "g++ 12.2.0") == 0);
  CHECK(minimum_driver(sm(80), "nvrtc ") == 0);
}

TEST_CASE("what cannot be loaded says why and what to do") {
  CHECK(why_not_loadable(sm(80), "nvrtc 13.0.48", sm(86), 13000).empty());
  CHECK(why_not_loadable(sm(80), "nvrtc 13.3.1", sm(80), 13000).empty());  // minor versions mix
  CHECK(why_not_loadable(sm(80), "nvrtc 13.0.48", sm(80), 0).empty());     // driver unknown
  const std::string arch = why_not_loadable(sm(90, true), "nvrtc 13.0.48", sm(100), 13000);
  CHECK_THAT(arch, ContainsSubstring("sm_90a") && ContainsSubstring("10.0"));
  const std::string driver = why_not_loadable(sm(90, true), "nvrtc 13.0.48", sm(90), 12080);
  CHECK_THAT(driver, ContainsSubstring("CUDA 13.0") && ContainsSubstring("CUDA 12.8"));
  CHECK_THAT(driver, ContainsSubstring("NVRTC 12"));
}
