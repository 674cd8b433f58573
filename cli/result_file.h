// A file of bench/results: what was measured on which device, when and how, and one row per line,
// so that a diff shows rows.
#pragma once

#include <filesystem>
#include <string>

#include "cli/table.h"

namespace flashjit::cli {

// Today as YYYY-MM-DD, UTC.
std::string today();

// A result that a user named a file for: whole, or the file is what it was; where `path` is a
// device or a pipe it is written to. Throws Error(kIo), also where its directory does not exist:
// one that is made unasked hides a mistyped path.
void write_output_file(const std::filesystem::path& path, const std::string& text);

// Before long work: whether write_output_file() will be able to. Throws Error(kIo) that names the
// directory where that is missing.
void require_output_file(const std::filesystem::path& path);

// `head` is an object, `rows` an array that becomes its last member, "rows". As
// write_output_file.
void write_result_file(const std::filesystem::path& path, const Json& head, const Json& rows);

}  // namespace flashjit::cli
