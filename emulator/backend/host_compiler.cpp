#include "host_compiler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "flashjit/error.h"
#include "runtime/posix_file.h"
#include "runtime/settings.h"

namespace flashjit::emu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxObjectBytes = std::size_t(256) << 20;

// A directory that only this user can read, gone with the object.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    std::string name = (fs::temp_directory_path() / "flashjit-emu-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw_io("cannot make a directory " + name, errno);
    path_ = name;
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::kIo, "cannot write " + path.string());
}

// Runs a program without a shell; its output goes to the file `log`. Returns its exit status, or
// 128 + the number of the signal that ended it.
int run(const std::vector<std::string>& command, const fs::path& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(
      &actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 127;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr const char* kAdvice =
    "the emulated backend compiles kernels with the host's C++20 compiler; install g++ 12 or "
    "clang++ 16, or newer (Debian, Ubuntu: apt-get install g++), or name one in "
    "FLASHJIT_HOST_CXX";

constexpr int kOldestClang = 16;  // whose std::source_location is that of libstdc++

// 14 in "Debian clang version 14.0.6"; 0 where it is not clang.
int clang_version(const std::string& build) {
  constexpr std::string_view kBefore = "clang version ";
  const std::size_t at = build.find(kBefore);
  return at == std::string::npos ? 0 : std::atoi(build.c_str() + at + kBefore.size());
}

}  // namespace

HostCompiler::HostCompiler(const std::string& program) {
  if (!program.empty()) {
    program_ = program.find('/') == std::string::npos ? find_program(program) : fs::path(program);
    if (program_.empty()) {
      throw Error(ErrorCode::kNoCompiler, fmt::format("there is no {}: {}", program, kAdvice));
    }
  }
  for (const char* name : {"g++", "clang++", "c++"}) {
    if (program_.empty()) program_ = find_program(name);
  }
  if (program_.empty()) {
    throw Error(ErrorCode::kNoCompiler, fmt::format("no C++ compiler in PATH: {}", kAdvice));
  }
  const PrivateDirectory directory;
  const fs::path log = directory.path() / "log";
  if (run({program_.string(), "--version"}, log) != 0) {
    throw Error(ErrorCode::kNoCompiler,
                fmt::format("{} --version failed: {}", program_.string(), kAdvice));
  }
  build_ = read_text(log);
  build_ = build_.substr(0, build_.find('\n'));
  const int clang = clang_version(build_);
  is_clang_ = clang > 0;
  if (is_clang_ && clang < kOldestClang) {
    throw Error(ErrorCode::kNoCompiler, fmt::format("{} is too old: {}", build_, kAdvice));
  }
}

HostCompiler::Output HostCompiler::compile(const std::map<std::string, std::string>& files,
                                           const std::vector<std::string>& options) const {
  const PrivateDirectory directory;
  for (const auto& [name, text] : files) write_text(directory.path() / name, text);
  const fs::path object = directory.path() / "kernel.so", log = directory.path() / "log";
  std::vector<std::string> command = {program_.string()};
  for (const std::string& option : options) {
    constexpr std::string_view kInclude = "-I";
    command.push_back(option.starts_with(kInclude)
                          ? "-I" + (directory.path() / option.substr(kInclude.size())).string()
                          : option);
  }
  command.insert(command.end(),
                 {"-o", object.string(), (directory.path() / "kernel.cpp").string()});
  const int status = run(command, log);
  std::string text = read_text(log);
  // Paths of this directory say nothing to anybody and differ from run to run.
  const std::string prefix = directory.path().string() + "/";
  for (std::size_t at; (at = text.find(prefix)) != std::string::npos;) {
    text.erase(at, prefix.size());
  }
  if (status != 0) {
    throw Error(ErrorCode::kCompileFailed,
                fmt::format("{} ended with status {}", program_.string(), status))
        .with_compile_log(std::move(text), "");
  }
  return {read_file(object, kMaxObjectBytes), std::move(text)};
}

}  // namespace flashjit::emu
