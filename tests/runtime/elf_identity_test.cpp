#include "elf_identity.h"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <vector>

#include "posix_file.h"
#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;

namespace {

// The C library, which every Linux has and builds with an id.
std::filesystem::path library_file() {
  Dl_info info = {};
  REQUIRE(dladdr(reinterpret_cast<void*>(&getpid), &info) != 0);
  return info.dli_fname;
}

std::vector<std::byte> note(std::uint32_t type, const std::string& name, const std::string& text) {
  const Elf64_Nhdr head = {
      static_cast<Elf64_Word>(name.size() + 1), static_cast<Elf64_Word>(text.size()), type};
  const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
  std::vector<std::byte> bytes(sizeof head + padded(name.size() + 1) + padded(text.size()));
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, name.data(), name.size());
  std::memcpy(bytes.data() + sizeof head + padded(name.size() + 1), text.data(), text.size());
  return bytes;
}

}  // namespace

TEST_CASE("a library's file tells its name and its build id") {
  const auto identity = read_elf_identity(library_file());
  REQUIRE(identity);
  CHECK(identity->soname == "libc.so.6");
  CHECK(identity->build_id.size() == 12);
  CHECK(identity->build_id.find_first_not_of("0123456789abcdef") == std::string::npos);
}

TEST_CASE("files that are no library tell nothing, whatever they hold") {
  const test::TempDir dir;
  CHECK_FALSE(read_elf_identity(dir.path()));
  CHECK_FALSE(read_elf_identity(dir.path() / "missing"));
  const std::vector<std::byte> good = read_file(library_file(), 1 << 26);
  const auto written = [&](std::vector<std::byte> bytes) {
    std::ofstream(dir.path() / "file", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return dir.path() / "file";
  };
  REQUIRE(read_elf_identity(written(good)));
  for (const std::size_t size : {0, 3, 20, 63, 64, 100, 500}) {
    CHECK_FALSE(read_elf_identity(written({good.begin(), good.begin() + static_cast<long>(size)})));
  }
  for (std::size_t at = 0; at < 1024; ++at) {  // whatever it says now, it does not crash
    std::vector<std::byte> bytes(good.begin(), good.begin() + 1 + (1 << 16));
    bytes[at] ^= std::byte{0xff};
    (void)read_elf_identity(written(bytes));
  }
}

TEST_CASE("the build id is found among other notes, and only whole") {
  std::vector<std::byte> notes = note(NT_GNU_ABI_TAG, "GNU", "sixteen bytes...");
  CHECK(find_build_id(notes).empty());
  const std::vector<std::byte> id =
      note(NT_GNU_BUILD_ID, "GNU", "\x01\xab\x02\xcd\x03\xef\x04\x05");
  notes.insert(notes.end(), id.begin(), id.end());
  CHECK(find_build_id(notes) == "01ab02cd03ef");
  notes.pop_back();
  CHECK(find_build_id(notes).empty());
  CHECK(find_build_id(note(NT_GNU_BUILD_ID, "GNU", "short")).empty());
}
