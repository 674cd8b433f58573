#include "runtime/json_reader.h"

#include "flashjit/error.h"
#include "support/catch.h"

using namespace flashjit;

namespace {

// The message of the Error(kData) that `read` throws for this object.
template <typename Read>
std::string complaint(const char* text, Read read) {
  try {
    const nlohmann::json json = parse_json(text, "here");
    JsonReader reader(json, "here");
    read(reader);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    CHECK_THAT(error.what(), ContainsSubstring("here"));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("members are read with their type") {
  const auto json = parse_json(
      R"({"t": "x", "n": 4294967296, "c": 7, "r": 1.5, "b": true, "a": [1], "o": {}})", "here");
  JsonReader reader(json, "here");
  CHECK(reader.text("t") == "x");
  CHECK(reader.number("n", 1ull << 33) == 1ull << 32);
  CHECK(reader.count("c", 7) == 7);
  CHECK(reader.real("r") == 1.5);
  CHECK(reader.boolean("b", false));
  CHECK(reader.array("a").size() == 1);
  CHECK(reader.object("o").empty());
  CHECK(reader.text("missing", "default") == "default");
  CHECK(reader.count("missing", 10, 3) == 3);
  CHECK(reader.boolean("missing", true));
  CHECK_NOTHROW(reader.reject_others());
}

TEST_CASE("what is wrong is named") {
  const auto text = [](JsonReader& r) { r.text("x"); };
  const auto number = [](JsonReader& r) { r.number("x", 10); };
  const auto count = [](JsonReader& r) { r.count("x", 10, 1); };
  const auto boolean = [](JsonReader& r) { r.boolean("x", true); };
  CHECK_THAT(complaint("{}", text), ContainsSubstring("'x' is missing"));
  CHECK_THAT(complaint(R"({"x": 1})", text), ContainsSubstring("'x' is not text: 1"));
  CHECK_THAT(complaint(R"({"x": -1})", number), ContainsSubstring("from 0 to 10: -1"));
  CHECK_THAT(complaint(R"({"x": 11})", number), ContainsSubstring("from 0 to 10"));
  CHECK_THAT(complaint(R"({"x": 1.0})", number), ContainsSubstring("from 0 to 10"));
  CHECK_THAT(complaint(R"({"x": 99999999999999999999})", count), ContainsSubstring("'x'"));
  CHECK_THAT(complaint(R"({"x": null})", count), ContainsSubstring("'x'"));
  CHECK_THAT(complaint(R"({"x": 1})", boolean), ContainsSubstring("not a boolean"));
  CHECK_THAT(complaint("[1]", text), ContainsSubstring("expected an object"));
  CHECK_THAT(complaint("{", text), ContainsSubstring("not JSON"));
  CHECK_THAT(complaint(R"({"x": 1e999})", text), ContainsSubstring("too large"));
  CHECK_THAT(complaint(R"({"x": "1", "y": 2})",
                       [](JsonReader& r) {
                         r.text("x");
                         r.reject_others();
                       }),
             ContainsSubstring("unknown member \"y\""));
  const std::string bomb = "{\"x\": \"" + std::string(100'000, 'z') + "\"}";
  CHECK(complaint(bomb.c_str(), number).size() < 200);
}
