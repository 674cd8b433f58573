#include "cli/safetensors.h"

#include <unistd.h>

#include <cstring>
#include <fstream>

#include "flashjit/error.h"
#include "support/catch.h"
#include "support/paths.h"

namespace flashjit::cli {
namespace {

// A file that lives as long as the object.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    write(bytes + header + data);
  }
  explicit TemporaryFile(const std::string& bytes) { write(bytes); }
  ~TemporaryFile() { std::filesystem::remove(path_); }

  const std::filesystem::path& path() const { return path_; }

 private:
  void write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("flashjit_safetensors_test_" + std::to_string(::getpid()));
};

// The message of the Error(kData) that reading the file throws; "" if it throws none.
std::string data_error(const TemporaryFile& file) {
  try {
    const SafetensorsFile read(file.path());
  } catch (const Error& error) {
    REQUIRE(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "";
}

std::string entry(const char* dtype, const char* shape, const char* offsets) {
  return std::string(R"({"x": {"dtype": ")") + dtype + R"(", "shape": )" + shape +
         R"(, "data_offsets": )" + offsets + "}}";
}

}  // namespace

TEST_CASE("safetensors: tensors and metadata are read") {
  const TemporaryFile file(R"({"__metadata__": {"model": "m"},
      "a": {"dtype": "F16", "shape": [1, 2], "data_offsets": [4, 8]},
      "b": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}})",
                           "01234567");
  const SafetensorsFile read(file.path());
  CHECK(read.metadata().at("model") == "m");
  REQUIRE(read.tensors().size() == 2);
  CHECK(read.tensor("a").dtype == "F16");
  CHECK(read.tensor("a").shape == std::vector<std::int64_t>{1, 2});
  CHECK(std::memcmp(read.tensor("a").bytes.data(), "4567", 4) == 0);
  CHECK(read.tensor("b").bytes.size() == 4);
  CHECK(read.contains("b"));
  CHECK_FALSE(read.contains("c"));
  CHECK_THROWS_WITH(read.tensor("c"), ContainsSubstring("no tensor c"));
}

TEST_CASE("safetensors: what is not such a file is a data error that says why") {
  CHECK_THAT(data_error(TemporaryFile("")), ContainsSubstring("shorter than"));
  CHECK_THAT(data_error(TemporaryFile("1234567")), ContainsSubstring("shorter than"));
  CHECK_THAT(data_error(TemporaryFile("\xff\xff\xff\xff\xff\xff\xff\x7f{}")),
             ContainsSubstring("does not fit"));
  const std::string length_beyond_the_file("\x03\0\0\0\0\0\0\0{}", 10);
  CHECK_THAT(data_error(TemporaryFile(length_beyond_the_file)), ContainsSubstring("does not fit"));
  CHECK_THAT(data_error(TemporaryFile("{", "")), ContainsSubstring("parse error"));
  CHECK_THAT(data_error(TemporaryFile("[]", "")), ContainsSubstring("not a JSON object"));
  CHECK_THAT(data_error(TemporaryFile(R"({"x": {"dtype": "F16"}})", "")),
             ContainsSubstring("shape"));
  CHECK_THAT(data_error(TemporaryFile(entry("F17", "[1]", "[0, 2]"), "01")),
             ContainsSubstring("unknown dtype F17"));
}

TEST_CASE("safetensors: a view never leaves the file") {
  CHECK_THAT(data_error(TemporaryFile(entry("F16", "[2]", "[0, 4]"), "012")),
             ContainsSubstring("leave the file"));
  CHECK_THAT(data_error(TemporaryFile(entry("F16", "[1]", "[4, 2]"), "0123")),
             ContainsSubstring("leave the file"));
  CHECK_THAT(data_error(TemporaryFile(entry("F16", "[1]", "[0]"), "01")),
             ContainsSubstring("leave the file"));
  CHECK_THAT(data_error(TemporaryFile(entry("F16", "[3]", "[0, 4]"), "0123")),
             ContainsSubstring("4 bytes for a shape of 6"));
  CHECK_THAT(data_error(TemporaryFile(entry("U8", "[-1]", "[0, 4]"), "0123")),
             ContainsSubstring("negative"));
  CHECK_THAT(data_error(TemporaryFile(entry("I64", "[4294967296, 4294967296]", "[0, 0]"), "")),
             ContainsSubstring("overflows"));
}

TEST_CASE("safetensors: a file that cannot be read is an I/O error that names it") {
  try {
    const SafetensorsFile read("/nonexistent/x.safetensors");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
    CHECK_THAT(error.what(), ContainsSubstring("/nonexistent/x.safetensors"));
  }
  CHECK_THROWS_AS(SafetensorsFile("/"), Error);  // a directory opens but does not map
}

TEST_CASE("safetensors: the captured transformer layers are complete and aligned") {
  const SafetensorsFile file(test::source_dir() / "tests/data/minilm_attention.safetensors");
  CHECK(file.tensors().size() == 24);
  for (const auto& [name, tensor] : file.tensors()) {
    INFO(name);
    CHECK(tensor.dtype == "F16");
    CHECK(tensor.shape == std::vector<std::int64_t>{1, 334, 12, 32});
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % 16 == 0);
  }
}

}  // namespace flashjit::cli
