// What a first use makes of a search; the rest of it needs a GPU.
#include "autotune/first_use.h"

#include "autotune/fake_target.h"
#include "support/catch.h"

namespace flashjit {
namespace {

TEST_CASE("a device that is lost on first use is an error that says so, not a record") {
  const auto space = sm80_space();
  const Tiling fallback = space.back().tiling;
  FakeTarget sound;
  CHECK(search_on_first_use(sound, space, fallback, 60).complete);
  FakeTarget lost;
  lost.calls_left_ = 60;
  try {
    search_on_first_use(lost, space, fallback, 60);
    FAIL("a record was made");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kDriver);
    CHECK_THAT(error.what(), ContainsSubstring("DEVICE_LOST"));
  }
  FakeTarget hurried;
  CHECK_FALSE(search_on_first_use(hurried, space, fallback, 0).complete);
}

}  // namespace
}  // namespace flashjit
