#include "kernel_sources.h"

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>

#include "embedded_sources.h"
#include "flashjit/error.h"
#include "sha256.h"

namespace flashjit {
namespace {

// Written per variant by the runtime itself and hashed as part of the variant, not of the sources.
constexpr std::string_view kGeneratedHeader = "ptx/wgmma_ops.h";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw Error(ErrorCode::kIo, fmt::format("cannot read {}", path.string()));
  return std::move(text).str();
}

// The names in the #include "…" lines of `text`. Device code includes nothing in angle brackets,
// and the style has no include behind a condition, so a scan of lines sees what the preprocessor
// sees.
std::vector<std::string> direct_includes(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    if (!line.starts_with("#include")) continue;
    const std::size_t begin = line.find('"');
    const std::size_t end = line.rfind('"');
    if (begin != end) names.emplace_back(line.substr(begin + 1, end - begin - 1));
  }
  return names;
}

}  // namespace

KernelSources KernelSources::embedded() {
  KernelSources sources;
  for (const EmbeddedFile& file : embedded_kernel_sources()) {
    sources.files_.emplace(file.path, file.text);
  }
  return sources;
}

KernelSources KernelSources::from_directory(const std::filesystem::path& dir) {
  KernelSources sources;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(dir, error);
  for (; !error && entries != std::filesystem::recursive_directory_iterator();
       entries.increment(error)) {
    const std::filesystem::path& path = entries->path();
    if (path.extension() != ".h" && path.extension() != ".cuh") continue;
    sources.files_.emplace(path.lexically_relative(dir).generic_string(), read_text(path));
  }
  if (error) {
    throw Error(
        ErrorCode::kIo,
        fmt::format("cannot read kernel sources from {}: {}", dir.string(), error.message()));
  }
  return sources;
}

std::vector<std::string> KernelSources::include_closure(const std::string& text) const {
  std::set<std::string> seen;  // sorted: the order does not depend on who includes whom
  std::vector<std::string_view> pending = {text};
  while (!pending.empty()) {
    const std::string_view current = pending.back();
    pending.pop_back();
    for (std::string& name : direct_includes(current)) {
      if (name == kGeneratedHeader) continue;
      const auto file = files_.find(name);
      if (file == files_.end()) {
        throw Error(ErrorCode::kData,
                    fmt::format("the kernel sources have no file \"{}\"; includes are relative to "
                                "kernel_src/",
                                name));
      }
      if (seen.insert(std::move(name)).second) pending.push_back(file->second);
    }
  }
  return {seen.begin(), seen.end()};
}

std::string KernelSources::digest(const std::string& text) const {
  std::string all;
  for (const std::string& name : include_closure(text)) {
    const std::string& content = files_.at(name);
    all += fmt::format("{} {}\n{}", name, content.size(), content);
  }
  return sha256_hex(all);
}

}  // namespace flashjit
