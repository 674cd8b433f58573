// Whether a directory can take tuning records, asked before long work.
#pragma once

#include <filesystem>

namespace flashjit {

// The directory need not exist: it is made with its first record. Throws Error(kIo).
void require_record_directory(const std::filesystem::path& directory);

}  // namespace flashjit
