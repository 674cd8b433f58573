// Reads a safetensors file: u64 length of a JSON header, the header, then raw little-endian
// tensors. The demo runs on such a file. The file is mapped, not copied; tensors are views into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flashjit::cli {

struct SafeTensor {
  std::string dtype;  // as the file spells it: F16, BF16, F32, I64, …
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // dense, row-major; valid as long as the file object
};

// A private read-only mapping of a whole file. Move-only.
class FileMapping {
 public:
  explicit FileMapping(const std::filesystem::path& path);
  ~FileMapping();
  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

class SafetensorsFile {
 public:
  // Throws Error(kIo) if the file cannot be read and Error(kData) if it is no well-formed
  // safetensors file; every offset is checked here, so that a view never leaves the file.
  explicit SafetensorsFile(const std::filesystem::path& path);

  // Throws Error(kData) naming the tensor if it is not in the file.
  const SafeTensor& tensor(std::string_view name) const;
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

  const std::map<std::string, SafeTensor, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }

 private:
  std::string path_;
  FileMapping mapping_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

}  // namespace flashjit::cli
