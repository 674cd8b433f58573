#include "cli/disassembler.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/child_process.h"
#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// A file that exists as long as the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::span<const std::byte> content) {
    const int fd = mkstemp(path_.data());
    if (fd < 0) throw Error(ErrorCode::kIo, "no temporary file can be made in /tmp");
    const auto written = write(fd, content.data(), content.size());
    close(fd);
    if (written != static_cast<ssize_t>(content.size())) {
      unlink(path_.c_str());
      throw Error(ErrorCode::kIo, "cannot write " + path_);
    }
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string& path() { return path_; }

 private:
  std::string path_ = (fs::temp_directory_path() / "flashjit-XXXXXX").string();
};

}  // namespace

fs::path find_nvdisasm(const Settings& settings) {
  if (!settings.nvdisasm.empty()) return settings.nvdisasm;
  return find_program("nvdisasm");
}

std::string disassemble(std::span<const std::byte> cubin, const Settings& settings) {
  const fs::path program = find_nvdisasm(settings);
  if (program.empty()) {
    throw Error(ErrorCode::kNotSupported,
                "SASS needs nvdisasm, which was not found: install the package "
                "nvidia-cuda-nvdisasm (PyPI) or a CUDA toolkit, or set FLASHJIT_NVDISASM to the "
                "program");
  }
  // Only what was set: the search finds programs.
  if (fs::is_directory(program) || access(program.c_str(), X_OK) != 0) {
    throw Error(ErrorCode::kNotSupported,
                "FLASHJIT_NVDISASM=" + program.string() +
                    " cannot be run: set it to the path of nvdisasm, or unset it, and PATH, "
                    "CUDA_HOME and /usr/local/cuda are searched");
  }
  TemporaryFile file(cubin);
  auto [output, status] =
      run_program({program.string(), "-c", file.path()}, ChildErrors::kCaptured);
  if (status != 0) {
    throw Error(ErrorCode::kNotSupported,
                program.string() + " failed (is it older than the cubin?): " + output);
  }
  return output;
}

}  // namespace flashjit::cli
