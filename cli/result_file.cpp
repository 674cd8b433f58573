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

// Where the file or what replaces it will stand.
fs::path require_directory_of(const fs::path& path) {
  std::error_code ignored;
  const fs::path directory = fs::absolute(replaced_path(path)).parent_path();
  if (fs::is_directory(directory, ignored)) return directory;
  throw Error(ErrorCode::kIo,
              fmt::format("cannot write {}: the directory {} {}",
                          path.string(),
                          directory.string(),
                          fs::exists(directory, ignored) ? "is none" : "does not exist"));
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
  require_directory_of(path);
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
    written = require_directory_of(path);  // what is replaced is the name in it
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
