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

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

void write_output_file(const std::filesystem::path& path, const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) throw Error(ErrorCode::kIo, "cannot write " + path.string());
    return;
  }
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
  // A link stays one: what it points to is replaced.
  const fs::path target = fs::exists(path, ignored) ? fs::canonical(path) : path;
  try {
    write_file_atomically(target, std::as_bytes(std::span(text)));
  } catch (const Error& error) {  // names the temporary file or the directory
    throw Error(error.code(), fmt::format("cannot write {}: {}", path.string(), error.what()));
  }
}

void require_output_file(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path written = path;
  if (!fs::exists(path, ignored) || fs::is_regular_file(path, ignored)) {
    const fs::path whole = fs::exists(path, ignored) ? fs::canonical(path) : fs::absolute(path);
    written = whole.parent_path();  // what is replaced is the name in it
    fs::create_directories(written, ignored);
    if (!fs::is_directory(written, ignored)) throw_io("cannot write " + path.string(), ENOTDIR);
  } else if (fs::is_directory(path, ignored)) {
    throw_io("cannot write " + path.string(), EISDIR);
  }
  if (::access(written.c_str(), W_OK) != 0) throw_io("cannot write " + path.string(), errno);
}

void write_result_file(const std::filesystem::path& path, const Json& head, const Json& rows) {
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
