#include "runtime/bundle_manifest.h"

#include <nlohmann/json.hpp>

#include "flashjit/error.h"
#include "support/catch.h"

using namespace flashjit;

namespace {

BundleManifest sample() {
  const std::string a(64, 'a'), b(64, 'b');
  return {.flashjit_version = "0.1.0",
          .compilers = {"nvrtc 13.0.48"},
          .archs = {"sm_80", "sm_90a"},
          .minimum_driver = 13000,
          .provenance = "commit 1234, größer",
          .entries = {{{"entries/" + a + ".fjc", 10, b}, "fwd_a", "sm_80", "nvrtc 13.0.48", a},
                      {{"entries/" + b + ".fjc", 11, a}, "fwd_b", "sm_90a", "nvrtc 13.0.48", a}},
          .tuning = {{"tuning/h100.json", 12, a}}};
}

std::string complaint(const nlohmann::json& json) {
  try {
    parse_manifest(json.dump(), "m.json");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    CHECK_THAT(error.what(), ContainsSubstring("m.json"));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a manifest survives the round trip and is reproducible") {
  const std::string text = to_json(sample());
  CHECK(parse_manifest(text, "m.json") == sample());
  CHECK(to_json(parse_manifest(text, "m.json")) == text);
  BundleManifest empty;
  CHECK(parse_manifest(to_json(empty), "m.json") == empty);
}

TEST_CASE("a manifest that cannot be trusted is refused with its place") {
  const nlohmann::json good = nlohmann::json::parse(to_json(sample()));
  CHECK(complaint(good).empty());
  nlohmann::json bad = good;
  SECTION("another schema") {
    bad["schema"] = "flashjit-bundle/2";
    CHECK_THAT(complaint(bad), ContainsSubstring("flashjit-bundle/2"));
  }
  SECTION("a missing member") {
    for (const auto& [name, value] : good.items()) {
      bad = good;
      bad.erase(name);
      CHECK_THAT(complaint(bad), ContainsSubstring(name));
    }
    for (const char* name : {"path", "bytes", "sha256", "variant", "arch", "compiler_build"}) {
      bad = good;
      bad["entries"][1].erase(name);
      CHECK_THAT(complaint(bad), ContainsSubstring("entries[1]") && ContainsSubstring(name));
    }
  }
  SECTION("an unknown member") {
    bad["tuning"][0]["more"] = 1;
    CHECK_THAT(complaint(bad), ContainsSubstring("tuning[0]") && ContainsSubstring("more"));
  }
  SECTION("a path that leaves the bundle") {
    const std::string hex(64, 'c');
    for (const std::string& path : {std::string("/etc/passwd"),
                                    "entries/../" + hex + ".fjc",
                                    "entries/" + hex,
                                    "entries/x/" + hex + ".fjc",
                                    std::string("entries/.fjc"),
                                    std::string(""),
                                    std::string("../x.fjc")}) {
      CAPTURE(path);
      bad["entries"][1]["path"] = path;
      CHECK_THAT(complaint(bad), ContainsSubstring("entries[1]"));
    }
    for (const std::string path : {"tuning/../../x.json",
                                   "tuning/.json",
                                   "tuning/.hidden.json",
                                   "tuning/a b.json",
                                   "tuning/"}) {
      CAPTURE(path);
      bad = good;
      bad["tuning"][0]["path"] = path;
      CHECK_THAT(complaint(bad), ContainsSubstring("tuning[0]"));
    }
  }
  SECTION("a path twice") {
    bad["entries"][1]["path"] = bad["entries"][0]["path"];
    CHECK_THAT(complaint(bad), ContainsSubstring("twice"));
  }
  SECTION("a digest or a length of another kind") {
    bad["entries"][0]["sha256"] = "abc";
    CHECK_THAT(complaint(bad), ContainsSubstring("sha256"));
    bad = good;
    bad["entries"][0]["bytes"] = -1;
    CHECK_THAT(complaint(bad), ContainsSubstring("bytes"));
    bad = good;
    bad["archs"] = {1};
    CHECK_THAT(complaint(bad), ContainsSubstring("archs"));
  }
}
