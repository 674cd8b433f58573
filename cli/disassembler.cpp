#include "cli/disassembler.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "flashjit/error.h"

extern char** environ;

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

// Runs a program without a shell; returns what it writes to stdout and stderr, and its exit status.
std::pair<std::string, int> run_program(std::vector<std::string> arguments) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Error(ErrorCode::kIo, "pipe failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  std::array<char, 1 << 16> buffer{};
  for (ssize_t n = 0; error == 0 && (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    output.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  if (error != 0) throw Error(ErrorCode::kIo, "cannot start " + arguments[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {std::move(output), status};
}

}  // namespace

fs::path find_nvdisasm(const Settings& settings) {
  if (!settings.nvdisasm.empty()) return settings.nvdisasm;
  if (fs::path found = find_program("nvdisasm"); !found.empty()) return found;
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(".deps", ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it->path().filename() == "nvdisasm" && it->is_regular_file(ignored)) return it->path();
  }
  return {};
}

std::string disassemble(std::span<const std::byte> cubin, const Settings& settings) {
  const fs::path program = find_nvdisasm(settings);
  if (program.empty()) {
    throw Error(ErrorCode::kNotSupported,
                "SASS needs nvdisasm, which was not found: install the package "
                "nvidia-cuda-nvdisasm (PyPI) or a CUDA "
                "toolkit, or set FLASHJIT_NVDISASM to the program");
  }
  TemporaryFile file(cubin);
  auto [output, status] = run_program({program.string(), "-c", file.path()});
  if (status != 0) {
    throw Error(ErrorCode::kNotSupported,
                program.string() + " failed (is it older than the cubin?): " + output);
  }
  return output;
}

}  // namespace flashjit::cli
