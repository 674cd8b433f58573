#include "sha256.h"

#include <openssl/sha.h>

#include <array>

#include "flashjit/error.h"

namespace flashjit {

// The plain functions, which OpenSSL 3 calls deprecated: the first use of its EVP interface reads
// configuration files and builds tables for 1 to 2 ms, a good part of a disk hit.
std::array<std::byte, kSha256Bytes> sha256(std::span<const std::byte> bytes) {
  std::array<std::byte, kSha256Bytes> digest;
  SHA256_CTX context;
  if (SHA256_Init(&context) != 1 || SHA256_Update(&context, bytes.data(), bytes.size()) != 1 ||
      SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context) != 1) {
    throw Error(ErrorCode::kInternal, "libcrypto refused to compute SHA-256");
  }
  return digest;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::byte byte : sha256(bytes)) {
    hex += kDigits[std::to_integer<int>(byte) >> 4];
    hex += kDigits[std::to_integer<int>(byte) & 15];
  }
  return hex;
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

bool is_sha256_hex(std::string_view text) {
  return text.size() == 2 * kSha256Bytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace flashjit
