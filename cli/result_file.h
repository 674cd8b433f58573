// A file of bench/results: what was measured on which device, when and how, and one row per line,
// so that a diff shows rows.
#pragma once

#include <filesystem>

#include "cli/table.h"

namespace flashjit::cli {

// Today as YYYY-MM-DD, UTC.
std::string today();

// `head` is an object, `rows` an array that becomes its last member, "rows". Creates the directory.
// Throws Error(kIo).
void write_result_file(const std::filesystem::path& path, const Json& head, const Json& rows);

}  // namespace flashjit::cli
