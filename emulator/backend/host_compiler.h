// The host's C++ compiler, as what NVRTC is to the GPU: kernel text in, the bytes of a shared
// object out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace flashjit::emu {

class HostCompiler {
 public:
  // `program`: a name or path, or "" for the first of g++, clang++ and c++ in PATH. Throws
  // Error(kNoCompiler), which says what to install.
  explicit HostCompiler(const std::string& program);

  // "g++ (Debian 12.2.0-14) 12.2.0": the first line of --version.
  const std::string& build() const { return build_; }
  bool is_clang() const { return is_clang_; }

  struct Output {
    std::vector<std::byte> shared_object;
    std::string log;  // warnings
  };
  // Compiles `files["kernel.cpp"]`; names are paths inside a private directory, which `options` may
  // name relative to it. Throws Error(kCompileFailed) with the log.
  Output compile(const std::map<std::string, std::string>& files,
                 const std::vector<std::string>& options) const;

 private:
  std::filesystem::path program_;
  std::string build_;
  bool is_clang_ = false;
};

}  // namespace flashjit::emu
