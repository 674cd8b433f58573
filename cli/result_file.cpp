#include "cli/result_file.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <fstream>

#include "flashjit/error.h"

namespace flashjit::cli {

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

void write_result_file(const std::filesystem::path& path, const Json& head, const Json& rows) {
  std::string text = "{\n";
  for (const auto& [key, value] : head.items())
    text += fmt::format("  {}: {},\n", Json(key).dump(), value.dump());
  text += "  \"rows\": [\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    text += fmt::format("    {}{}\n", rows[i].dump(), i + 1 < rows.size() ? "," : "");
  text += "  ]\n}\n";
  std::error_code ignored;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file) throw Error(ErrorCode::kIo, "cannot write " + path.string());
}

}  // namespace flashjit::cli
