#include "cli/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own bound

[[noreturn]] void fail_io(const std::filesystem::path& path, const char* what) {
  throw Error(
      ErrorCode::kIo,
      fmt::format("{}: {}: {}", path.string(), what, std::generic_category().message(errno)));
}

// Bytes per element, or 0 for a dtype that the format does not have (or has in sub-byte sizes).
int dtype_bytes(std::string_view dtype) {
  static const std::map<std::string_view, int> kBytes = {{"F64", 8},
                                                         {"I64", 8},
                                                         {"U64", 8},
                                                         {"F32", 4},
                                                         {"I32", 4},
                                                         {"U32", 4},
                                                         {"F16", 2},
                                                         {"BF16", 2},
                                                         {"I16", 2},
                                                         {"U16", 2},
                                                         {"I8", 1},
                                                         {"F8_E4M3", 1},
                                                         {"F8_E5M2", 1},
                                                         {"U8", 1},
                                                         {"BOOL", 1}};
  const auto found = kBytes.find(dtype);
  return found == kBytes.end() ? 0 : found->second;
}

// Bytes of the header, checked against the size of the file.
std::span<const std::byte> header_of(std::span<const std::byte> file) {
  std::uint64_t length = 0;
  if (file.size() < kLengthBytes) {
    throw Error(ErrorCode::kData, "shorter than the 8 bytes of the header's length");
  }
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes) {
    throw Error(ErrorCode::kData,
                fmt::format("a header of {} bytes does not fit the file", length));
  }
  return file.subspan(kLengthBytes, length);
}

SafeTensor parse_tensor(const nlohmann::json& entry, std::span<const std::byte> data) {
  SafeTensor tensor{
      entry.at("dtype").get<std::string>(), entry.at("shape").get<std::vector<std::int64_t>>(), {}};
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  std::uint64_t bytes = static_cast<std::uint64_t>(dtype_bytes(tensor.dtype));
  if (bytes == 0) {
    throw Error(ErrorCode::kData, fmt::format("unknown dtype {}", tensor.dtype));
  }
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      throw Error(ErrorCode::kData, "an extent is negative or the size overflows");
    }
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
    throw Error(ErrorCode::kData, "data_offsets leave the file");
  }
  if (offsets[1] - offsets[0] != bytes) {
    throw Error(ErrorCode::kData,
                fmt::format("{} bytes for a shape of {} bytes", offsets[1] - offsets[0], bytes));
  }
  tensor.bytes = data.subspan(offsets[0], bytes);
  return tensor;
}

}  // namespace

FileMapping::FileMapping(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    fail_io(path, "cannot open");
  }
  struct stat status {};
  void* address = MAP_FAILED;
  std::size_t size = 0;
  if (::fstat(descriptor, &status) == 0) {
    size = static_cast<std::size_t>(status.st_size);
    address = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  }
  const int saved_errno = errno;
  ::close(descriptor);
  if (address == MAP_FAILED) {
    errno = saved_errno;
    fail_io(path, "cannot map");
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

FileMapping::~FileMapping() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

FileMapping::FileMapping(FileMapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path.string()), mapping_(path) {
  std::string where;
  try {
    const auto header = header_of(mapping_.bytes());
    const auto data = mapping_.bytes().subspan(kLengthBytes + header.size());
    const char* text = reinterpret_cast<const char*>(header.data());
    const auto entries = nlohmann::json::parse(text, text + header.size());
    if (!entries.is_object()) {
      throw Error(ErrorCode::kData, "the header is not a JSON object");
    }
    for (const auto& [name, entry] : entries.items()) {
      where = ": " + name;
      if (name == "__metadata__") {
        for (const auto& [key, value] : entry.items()) {
          metadata_[key] = value.get<std::string>();
        }
      } else {
        tensors_[name] = parse_tensor(entry, data);
      }
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kData, fmt::format("{}{}: {}", path_, where, error.what()));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}{}: {}", path_, where, error.what()));
  }
}

const SafeTensor& SafetensorsFile::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ErrorCode::kData, fmt::format("{}: there is no tensor {}", path_, name));
  }
  return found->second;
}

}  // namespace flashjit::cli
