#include "shared_library.h"

#include "support/catch.h"

using namespace flashjit;

TEST_CASE("the first library that opens is taken") {
  const SharedLibrary libm({"libflashjit-no-such-thing.so", "libm.so.6"}, ErrorCode::kNoDriver, "");
  CHECK(libm.name() == "libm.so.6");
  CHECK_THAT(libm.path(), ContainsSubstring("/libm.so"));
  double (*cosine)(double) = nullptr;
  libm.load("cos", cosine);
  CHECK(cosine(0.0) == 1.0);
  CHECK(libm.find("no_such_function") == nullptr);
}

TEST_CASE("what is missing is named, with advice and the chosen code") {
  try {
    SharedLibrary(
        {"libnone.so.1", "/no/such/path/libnone.so"}, ErrorCode::kNoDriver, "Install it.");
    FAIL("opened nothing");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kNoDriver);
    CHECK_THAT(error.what(), ContainsSubstring("Install it."));
    CHECK_THAT(error.what(), ContainsSubstring("libnone.so.1"));
    CHECK_THAT(error.what(), ContainsSubstring("/no/such/path/libnone.so"));
  }
  const SharedLibrary libm({"libm.so.6"}, ErrorCode::kNoCompiler, "");
  void (*missing)() = nullptr;
  try {
    libm.load("cuInit", missing);
    FAIL("found cuInit in libm");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kNoCompiler);
    CHECK_THAT(error.what(), ContainsSubstring("cuInit"));
  }
}
