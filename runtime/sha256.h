// SHA-256 over libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace flashjit {

inline constexpr std::size_t kSha256Bytes = 32;

std::array<std::byte, kSha256Bytes> sha256(std::span<const std::byte> bytes);

// Lower case.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

// Whether the text could have come from sha256_hex: safe as a file name.
bool is_sha256_hex(std::string_view text);

}  // namespace flashjit
