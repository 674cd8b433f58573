#include "cli/result_file.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fstream>

#include "flashjit/error.h"
#include "posix_file.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// A device, a pipe, a directory: not to be replaced.
bool is_other_than_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_regular_file(path, ignored);
}

// A link stays one: what it points to is replaced.
fs::path replaced_path(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? fs::canonical(path) : path;
}

}  // namespace

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

void write_output_file(const fs::path& path, const std::string& text) {
  if (is_other_than_file(path)) {
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) throw Error(ErrorCode::kIo, "cannot write " + path.string());
    return;
  }
  std::error_code ignored;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
  try {
    write_file_atomically(replaced_path(path), std::as_bytes(std::span(text)));
  } catch (const Error& error) {  // names the temporary file or the directory
    throw Error(error.code(), fmt::format("cannot write {}: {}", path.string(), error.what()));
  }
}

void require_output_file(const fs::path& path) {
  std::error_code ignored;
  fs::path written = path;
  if (!is_other_than_file(path)) {
    // What is replaced is the name in it.
    written = fs::absolute(replaced_path(path)).parent_path();
    fs::create_directories(written, ignored);
    if (!fs::is_directory(written, ignored)) throw_io("cannot write " + path.string(), ENOTDIR);
  } else if (fs::is_directory(path, ignored)) {
    throw_io("cannot write " + path.string(), EISDIR);
  }
  if (::access(written.c_str(), W_OK) != 0) throw_io("cannot write " + path.string(), errno);
}

void write_result_file(const fs::path& path, const Json& head, const Json& rows) {
  std::string text = "{\n";
  for (const auto& [key, value] : head.items())
    text += fmt::format("  {}: {},\n", Json(key).dump(), value.dump());
  text += "  \"rows\": [\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    text += fmt::format("    {}{}\n", rows[i].dump(), i + 1 < rows.size() ? "," : "");
  text += "  ]\n}\n";
  write_output_file(path, text);
}

}  // namespace flashjit::cli
