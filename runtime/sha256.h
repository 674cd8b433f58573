// SHA-256 over libcrypto.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace flashjit {

std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

}  // namespace flashjit
