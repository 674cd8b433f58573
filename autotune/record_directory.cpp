#include "record_directory.h"

#include <fmt/format.h>

#include "flashjit/error.h"
#include "posix_file.h"

namespace flashjit {
namespace {

namespace fs = std::filesystem;

// What is missing below it is made later.
fs::path nearest_that_exists(const fs::path& directory) {
  std::error_code ignored;
  fs::path path = fs::absolute(directory);
  while (!fs::exists(path, ignored) && path.has_relative_path()) path = path.parent_path();
  return path;
}

}  // namespace

void require_record_directory(const fs::path& directory) {
  const fs::path probe = nearest_that_exists(directory) / ".flashjit-tune";
  try {
    write_file_atomically(probe, {});
  } catch (const Error& error) {
    throw Error(
        ErrorCode::kIo,
        fmt::format("tuning records cannot go to {}: {}", directory.string(), error.what()));
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
}

}  // namespace flashjit
