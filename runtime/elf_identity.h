// What a shared library says of itself in its file: its name and its linker's build id.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace flashjit {

struct ElfIdentity {
  std::string soname;    // "libnvrtc.so.13"
  std::string build_id;  // the first 12 hex digits; content, like a digest
};

// Reads a few hundred bytes of a 64-bit ELF file of this machine's byte order. nullopt when the
// file cannot be read, is something else, or lacks either.
std::optional<ElfIdentity> read_elf_identity(const std::filesystem::path& file);

// The build id in the bytes of a note segment, as above; "" if there is none.
std::string find_build_id(std::span<const std::byte> notes);

}  // namespace flashjit
