// Bundles as directories: built, verified, imported and compared. The file format is in
// bundle_manifest; a running program reads bundles through cubin_cache.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bundle_manifest.h"
#include "cache_directory.h"
#include "cache_entry.h"

namespace flashjit {

struct BundleContents {
  std::vector<CacheEntry> entries;            // any order; equal keys count once
  std::map<std::string, std::string> tuning;  // file name "x.json" → text of the record
  std::string provenance;
};

// Writes a bundle at `directory`, which must not exist or be empty: built beside it and renamed, so
// there is never half of one. Equal contents make equal bytes, however long the compiler took:
// entries are written without their compile times. Throws Error(kIo), or
// Error(kInvalidArgument) when there is something already or a name is no plain file name.
BundleManifest export_bundle(const std::filesystem::path& directory,
                             const BundleContents& contents);

// Throws what export_bundle() would throw for the place alone.
void check_export_target(const std::filesystem::path& directory);

// Reads the manifest, and no other file. Throws Error(kIo), Error(kData).
BundleManifest read_manifest(const std::filesystem::path& directory);

// The same if the manifest has this digest, else Error(kData): the content is what it was when the
// program that pins it was built.
BundleManifest read_pinned_manifest(const std::filesystem::path& directory,
                                    const std::string& digest);

// SHA-256 of manifest.json: what Options::bundle_digest pins. Throws Error(kIo).
std::string bundle_digest(const std::filesystem::path& directory);

// What is wrong with the files of a bundle, one text per finding; empty: nothing. Missing, extra,
// changed, undecodable, or not what the manifest says. Needs no GPU. Throws like read_manifest().
std::vector<std::string> verify_bundle(const std::filesystem::path& directory);

struct BundleImport {
  std::size_t added = 0, already_there = 0;
};
// Verifies the whole bundle, then copies its entries into the cache directory and its tuning
// records into `tuning_directory`. Throws Error(kData) with the first finding, before anything is
// written.
BundleImport import_bundle(const std::filesystem::path& bundle,
                           const CacheDirectory& cache,
                           const std::filesystem::path& tuning_directory);

// By path; `changed` are files of one path with different bytes.
struct BundleDiff {
  std::vector<std::string> added, removed, changed;
};
BundleDiff diff_bundles(const BundleManifest& before, const BundleManifest& after);

}  // namespace flashjit
