// One cache entry as bytes: magic, format version, JSON metadata, code, SHA-256 over all of it.
// Pure functions.
//
//   offset  size  field
//        0     8  "FJCENTRY"
//        8     4  format version, little-endian like all numbers here
//       12     4  m, bytes of metadata
//       16     8  c, bytes of code
//       24     m  metadata: one JSON object, members sorted, so equal entries have equal bytes
//     24+m     c  code
//   24+m+c    32  SHA-256 of everything before
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "executor.h"

namespace flashjit {

inline constexpr std::uint32_t kEntryFormat = 1;

// What the SHA-256 key of an entry is made of; the canonical text is stored in the entry and
// compared on a hit.
struct CacheKey {
  std::string text;  // canonical: one `name: value` per line
  std::string hex;   // SHA-256 of text

  bool operator==(const CacheKey&) const = default;
};
// Everything that decides the code: variant text, options, compiler build, digest of the sources.
// No path, no time, no environment.
CacheKey make_cache_key(const VariantSource& source, const std::string& compiler_build);

struct CacheEntry {
  CacheKey key;
  std::string variant;  // variant_name
  std::string arch;     // sm_90a
  std::string compiler_build;
  std::string sources_digest;
  Binary binary;
};

std::vector<std::byte> encode_entry(const CacheEntry& entry);

// Verifies length, magic, version, digest and metadata. On failure nothing is returned and `why`
// says what was wrong.
std::optional<CacheEntry> decode_entry(std::span<const std::byte> bytes, std::string& why);

}  // namespace flashjit
