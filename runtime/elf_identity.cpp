#include "elf_identity.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "posix_file.h"

namespace flashjit {
namespace {

constexpr std::size_t kIdBytes = 6;
// More than any library has of each; a damaged file asks for no more memory than this.
constexpr std::size_t kMaxHeaders = 128, kMaxSegmentBytes = 1 << 16, kMaxNameBytes = 256;

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

  // Whether all of `to` could be read from `offset` on.
  template <typename T>
  bool read(std::uint64_t offset, std::span<T> to) const {
    return pread(descriptor_.get(), to.data(), to.size_bytes(), static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(to.size_bytes());
  }
  // As many bytes as there are, `most` at most.
  std::string read_text(std::uint64_t offset, std::size_t most) const {
    std::string text(most, '\0');
    const ssize_t size = pread(descriptor_.get(), text.data(), most, static_cast<off_t>(offset));
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

 private:
  UniqueFd descriptor_;
};

std::vector<Elf64_Phdr> read_headers(const File& file) {
  Elf64_Ehdr header{};
  const bool native = file.read(0, std::span(&header, 1)) &&
                      std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                      header.e_ident[EI_CLASS] == ELFCLASS64 &&
                      header.e_ident[EI_DATA] ==
                          (std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB);
  if (!native || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxHeaders) {
    return {};
  }
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  if (!file.read(header.e_phoff, std::span(headers))) headers.clear();
  return headers;
}

// The contents of the first segment of a type; empty when there is none.
template <typename T>
std::vector<T> read_segment(const File& file,
                            std::span<const Elf64_Phdr> headers,
                            std::uint32_t type) {
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != type || header.p_filesz > kMaxSegmentBytes) continue;
    std::vector<T> contents(header.p_filesz / sizeof(T));
    if (file.read(header.p_offset, std::span(contents))) return contents;
  }
  return {};
}

std::string read_soname(const File& file, std::span<const Elf64_Phdr> headers) {
  std::optional<std::uint64_t> name, strings;
  for (const Elf64_Dyn& entry : read_segment<Elf64_Dyn>(file, headers, PT_DYNAMIC)) {
    if (entry.d_tag == DT_SONAME) name = entry.d_un.d_val;
    if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
  }
  if (!name || !strings) return "";
  for (const Elf64_Phdr& header : headers) {  // the string table's address → its place in the file
    if (header.p_type != PT_LOAD || *strings < header.p_vaddr ||
        *strings - header.p_vaddr >= header.p_filesz)
      continue;
    const std::string text =
        file.read_text(*strings - header.p_vaddr + header.p_offset + *name, kMaxNameBytes);
    return text.substr(0, text.find('\0'));
  }
  return "";
}

}  // namespace

std::string find_build_id(std::span<const std::byte> notes) {
  const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr head;
    std::memcpy(&head, notes.data(), sizeof head);
    const std::size_t id = sizeof head + padded(head.n_namesz);
    const std::size_t end = id + padded(head.n_descsz);
    if (end > notes.size()) break;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_descsz >= kIdBytes) {
      std::array<unsigned char, kIdBytes> bytes;
      std::memcpy(bytes.data(), notes.data() + id, kIdBytes);
      return fmt::format("{:02x}", fmt::join(bytes, ""));
    }
    notes = notes.subspan(end);
  }
  return "";
}

std::optional<ElfIdentity> read_elf_identity(const std::filesystem::path& path) {
  const File file(path);
  const std::vector<Elf64_Phdr> headers = read_headers(file);
  ElfIdentity identity{read_soname(file, headers), ""};
  for (const Elf64_Phdr& header : headers) {  // the id is in any of several note segments
    if (header.p_type != PT_NOTE || !identity.build_id.empty()) continue;
    identity.build_id =
        find_build_id(read_segment<std::byte>(file, std::span(&header, 1), PT_NOTE));
  }
  if (identity.soname.empty() || identity.build_id.empty()) return std::nullopt;
  return identity;
}

}  // namespace flashjit
