#include "kernel_sources.h"

#include <cstdlib>
#include <fstream>

#include "flashjit/error.h"
#include "support/catch.h"
#include "support/paths.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

// A directory of kernel sources of our own, removed at the end.
class SourceDir {
 public:
  SourceDir() {
    std::string name = (fs::temp_directory_path() / "flashjit-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~SourceDir() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  KernelSources read() const { return KernelSources::from_directory(path_); }

 private:
  fs::path path_;
};

const std::string kText = "#include \"a/top.cuh\"\n#include \"b.h\"\n";

void fill(const SourceDir& dir) {
  dir.write("a/top.cuh",
            "#pragma once\n  #include \"deep.h\"\n#include \"ptx/wgmma_ops.h\"\nint top;\n");
  dir.write("b.h", "#include \"deep.h\"\n// #include is a word, \"not.h\" no include\n");
  dir.write("deep.h", "#include \"a/top.cuh\"\nint deep;\n");
  dir.write("unrelated.h", "int unrelated;\n");
  dir.write("notes.txt", "no source");
}

}  // namespace

TEST_CASE("the closure follows includes to the end and nothing else") {
  const SourceDir dir;
  fill(dir);
  const KernelSources sources = dir.read();
  CHECK(sources.files().size() == 4);
  CHECK(sources.include_closure(kText) == std::vector<std::string>{"a/top.cuh", "b.h", "deep.h"});
  CHECK(sources.include_closure("int x;").empty());
}

TEST_CASE("the digest changes when, and only when, an included file changes") {
  const SourceDir dir;
  fill(dir);
  const std::string before = dir.read().digest(kText);
  CHECK(before.size() == 64);
  CHECK(dir.read().digest(kText) == before);

  dir.write("unrelated.h", "int changed;\n");
  CHECK(dir.read().digest(kText) == before);
  dir.write("new.h", "int added;\n");
  CHECK(dir.read().digest(kText) == before);

  dir.write("deep.h", "#include \"a/top.cuh\"\nint deeper;\n");
  CHECK(dir.read().digest(kText) != before);
}

TEST_CASE("text cannot move between files unnoticed") {
  const SourceDir left, right;
  left.write("a.h", "one\n");
  left.write("b.h", "two\n");
  right.write("a.h", "one\nb.h 4\n");
  right.write("b.h", "");
  const std::string text = "#include \"a.h\"\n#include \"b.h\"\n";
  CHECK(left.read().digest(text) != right.read().digest(text));
}

TEST_CASE("an include that does not exist is named") {
  const KernelSources sources = KernelSources::embedded();
  try {
    sources.include_closure("#include \"no/such/file.cuh\"\n");
    FAIL("found it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    CHECK_THAT(error.what(), ContainsSubstring("no/such/file.cuh"));
  }
}

TEST_CASE("a directory that cannot be read is an io error") {
  try {
    KernelSources::from_directory("/no/such/kernel_src");
    FAIL("read it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
    CHECK_THAT(error.what(), ContainsSubstring("/no/such/kernel_src"));
  }
}

TEST_CASE("the embedded sources are the files of kernel_src") {
  const KernelSources embedded = KernelSources::embedded();
  const KernelSources directory = KernelSources::from_directory(test::source_dir() / "kernel_src");
  CHECK(embedded.files() == directory.files());
  CHECK(embedded.files().count("kernel_config.h") == 1);
}
