// manifest.json of a bundle: what the bundle holds, with length and digest of every file. Its own
// digest is what a program pins. Holds no date, host or path, so one content has one manifest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flashjit {

inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kBundleSchema = "flashjit-bundle/1";

// Path inside the bundle: "entries/<key>.fjc" or "tuning/<name>.json".
struct BundleFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;

  bool operator==(const BundleFile&) const = default;
};

struct BundleEntry {
  BundleFile file;
  std::string variant, arch, compiler_build, sources_digest;

  bool operator==(const BundleEntry&) const = default;
};

struct BundleManifest {
  std::string flashjit_version;        // of the program that wrote it
  std::vector<std::string> compilers;  // sorted, of the entries
  std::vector<std::string> archs;      // sorted, of the entries
  int minimum_driver = 0;              // that loads every entry; 13000 is CUDA 13.0
  std::string provenance;              // what the builder wants to say: a commit, a build number
  std::vector<BundleEntry> entries;    // sorted by path
  std::vector<BundleFile> tuning;      // sorted by path

  bool operator==(const BundleManifest&) const = default;
};

// Equal manifests have equal bytes.
std::string to_json(const BundleManifest& manifest);

// Throws Error(kData) that names `where` and the entry: not JSON, another schema, a missing,
// unknown or malformed member, a path outside the bundle, a path twice or out of order.
BundleManifest parse_manifest(std::string_view text, const std::string& where);

}  // namespace flashjit
