// Cache entries for tests, with code that no compiler made.
#pragma once

#include <string>

#include "runtime/cache_entry.h"

namespace flashjit::test {

// Distinct for each `number`; `code_bytes` of code whose content depends on the number.
CacheEntry sample_entry(int number = 0, std::size_t code_bytes = 64);

}  // namespace flashjit::test
