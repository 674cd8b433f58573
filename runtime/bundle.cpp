#include "bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <set>

#include "cubin_compatibility.h"
#include "flashjit/error.h"
#include "flashjit/runtime.h"
#include "ptxas_log.h"
#include "sha256.h"
#include "variant_name.h"

namespace flashjit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxManifestBytes = 64u << 20;
constexpr mode_t kFileMode = 0644;  // a bundle is read by whoever runs the product

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

BundleFile describe(std::string path, std::span<const std::byte> bytes) {
  return {std::move(path), bytes.size(), sha256_hex(bytes)};
}

void finish(BundleManifest& manifest) {
  std::set<std::string> archs, compilers;
  for (const BundleEntry& entry : manifest.entries) {
    archs.insert(entry.arch);
    compilers.insert(entry.compiler_build);
    if (const auto arch = parse_arch(entry.arch)) {
      manifest.minimum_driver =
          std::max(manifest.minimum_driver, minimum_driver(*arch, entry.compiler_build));
    }
  }
  manifest.archs.assign(archs.begin(), archs.end());
  manifest.compilers.assign(compilers.begin(), compilers.end());
}

// How long a compilation took is the one thing that two of them do not share: without it, two
// builds of the same sources by the same compiler are the same bundle.
CacheEntry without_times(const CacheEntry& entry) {
  CacheEntry result = entry;
  result.binary.compile_ms = 0;
  result.binary.log = without_compile_times(entry.binary.log);
  return result;
}

// Every file of the bundle by its path inside it, manifest last, and the manifest.
using Files = std::vector<std::pair<std::string, std::vector<std::byte>>>;
BundleManifest lay_out(const BundleContents& contents, Files& files) {
  BundleManifest manifest;
  manifest.flashjit_version = version();
  manifest.provenance = contents.provenance;
  std::map<std::string, const CacheEntry*> entries;
  for (const CacheEntry& entry : contents.entries) entries.emplace(entry.key.hex, &entry);
  for (const auto& [hex, entry] : entries) {
    files.emplace_back("entries/" + hex + ".fjc", encode_entry(without_times(*entry)));
    manifest.entries.push_back({describe(files.back().first, files.back().second),
                                entry->variant,
                                entry->arch,
                                entry->compiler_build,
                                entry->sources_digest});
  }
  for (const auto& [name, text] : contents.tuning) {
    const auto bytes = as_bytes(text);
    files.emplace_back("tuning/" + name, std::vector<std::byte>(bytes.begin(), bytes.end()));
    manifest.tuning.push_back(describe(files.back().first, bytes));
  }
  finish(manifest);
  const std::string json = to_json(manifest);
  try {
    // Also finds names that must not stand in a path.
    if (parse_manifest(json, "the manifest") != manifest) {
      throw Error(ErrorCode::kInvalidArgument, "the provenance of the bundle is not UTF-8");
    }
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, error.what());
  }
  files.emplace_back(kManifestName,
                     std::vector<std::byte>(as_bytes(json).begin(), as_bytes(json).end()));
  return manifest;
}

fs::path absolute_directory(const fs::path& directory) {
  return fs::absolute(directory / "").parent_path();
}

void require_place(const fs::path& target) {
  const fs::path parent = nearest_existing(target.parent_path());
  if (!can_make_a_directory_in(parent)) {
    throw_io(
        "cannot export to " + target.string() + ": no directory can be made in " + parent.string(),
        errno);
  }
}

fs::path make_directory_beside(const fs::path& directory) {
  std::error_code error;
  const fs::path parent = directory.has_parent_path() ? directory.parent_path() : fs::path(".");
  fs::create_directories(parent, error);
  if (error) throw_io("cannot create " + parent.string(), error.value());
  std::random_device random;
  fs::path made =
      parent / ("." + directory.filename().string() + "." + std::to_string(random()) + ".tmp");
  for (const fs::path& path : {made, made / "entries", made / "tuning"}) {
    if (!fs::create_directory(path, error))
      throw_io("cannot create " + path.string(), error.value());
    fs::permissions(path, fs::perms(0755), error);
  }
  return made;
}

// One finding about a file, or "".
std::string check_file(const fs::path& directory,
                       const BundleFile& file,
                       std::vector<std::byte>& bytes) {
  try {
    bytes = read_file(directory / file.path, kMaxEntryBytes);
  } catch (const Error& error) {
    return error.what();
  }
  if (bytes.size() != file.bytes) {
    return file.path + ": " + std::to_string(bytes.size()) + " bytes, the manifest says " +
           std::to_string(file.bytes);
  }
  return sha256_hex(bytes) == file.sha256 ? "" : file.path + ": SHA-256 differs from the manifest";
}

std::string check_entry(const BundleEntry& row, std::span<const std::byte> bytes) {
  std::string why;
  const auto entry = decode_entry(bytes, why);
  if (!entry) return row.file.path + ": " + why;
  const bool same = row.file.path == "entries/" + entry->key.hex + ".fjc" &&
                    row.variant == entry->variant && row.arch == entry->arch &&
                    row.compiler_build == entry->compiler_build &&
                    row.sources_digest == entry->sources_digest;
  return same ? "" : row.file.path + ": the manifest describes another entry";
}

std::vector<std::string> check_files(const fs::path& directory, const BundleManifest& manifest) {
  std::vector<std::string> findings;
  std::set<std::string> listed{kManifestName};
  std::vector<std::byte> bytes;
  const auto add = [&](std::string finding) {
    if (!finding.empty()) findings.push_back(std::move(finding));
  };
  for (const BundleEntry& row : manifest.entries) {
    listed.insert(row.file.path);
    std::string finding = check_file(directory, row.file, bytes);
    add(finding.empty() ? check_entry(row, bytes) : std::move(finding));
  }
  for (const BundleFile& file : manifest.tuning) {
    listed.insert(file.path);
    add(check_file(directory, file, bytes));
  }
  std::error_code error;
  for (const auto& item : fs::recursive_directory_iterator(directory, error)) {
    const std::string path = item.path().lexically_relative(directory).generic_string();
    if (!item.is_directory(error) && !listed.contains(path)) {
      findings.push_back(path + ": not in the manifest");
    }
  }
  return findings;
}

std::map<std::string, std::string> digests(const BundleManifest& manifest) {
  std::map<std::string, std::string> result;
  for (const BundleEntry& entry : manifest.entries) result[entry.file.path] = entry.file.sha256;
  for (const BundleFile& file : manifest.tuning) result[file.path] = file.sha256;
  return result;
}

}  // namespace

void check_export_target(const fs::path& directory) {
  const fs::path target = absolute_directory(directory);
  std::error_code error;
  if (fs::exists(fs::symlink_status(target, error)) &&
      (!fs::is_directory(target, error) || !fs::is_empty(target, error))) {
    throw Error(ErrorCode::kInvalidArgument,
                target.string() + " exists already; export to a new directory");
  }
  require_place(target);
}

BundleManifest export_bundle(const fs::path& directory, const BundleContents& contents) {
  check_export_target(directory);
  const fs::path target = absolute_directory(directory);
  std::error_code error;
  Files files;
  BundleManifest manifest = lay_out(contents, files);
  const fs::path made = make_directory_beside(target);
  try {
    for (const auto& [path, bytes] : files) write_file_atomically(made / path, bytes, kFileMode);
    // Replaces an empty directory, nothing else.
    if (std::rename(made.c_str(), target.c_str()) != 0) {
      throw_io("cannot rename " + made.string() + " to " + target.string(), errno);
    }
  } catch (...) {
    fs::remove_all(made, error);
    throw;
  }
  return manifest;
}

BundleManifest read_manifest(const fs::path& directory) {
  const fs::path path = directory / kManifestName;
  return parse_manifest(as_text(read_file(path, kMaxManifestBytes)), path.string());
}

BundleManifest read_pinned_manifest(const fs::path& directory, const std::string& digest) {
  const fs::path path = directory / kManifestName;
  const std::vector<std::byte> bytes = read_file(path, kMaxManifestBytes);
  const std::string found = sha256_hex(bytes);
  if (found != digest) {
    throw Error(ErrorCode::kData,
                path.string() + " has SHA-256 " + found + ", the program pins " + digest);
  }
  return parse_manifest(as_text(bytes), path.string());
}

std::string bundle_digest(const fs::path& directory) {
  return sha256_hex(read_file(directory / kManifestName, kMaxManifestBytes));
}

std::vector<std::string> verify_bundle(const fs::path& directory) {
  return check_files(directory, read_manifest(directory));
}

BundleImport import_bundle(const fs::path& bundle,
                           const CacheDirectory& cache,
                           const fs::path& tuning_directory) {
  const BundleManifest manifest = read_manifest(bundle);
  const std::vector<std::string> findings = check_files(bundle, manifest);
  if (!findings.empty()) {
    throw Error(ErrorCode::kData,
                (bundle / "").string() + findings.front() + "; nothing was imported");
  }
  BundleImport result;
  for (const BundleEntry& row : manifest.entries) {
    const std::vector<std::byte> bytes = read_file(bundle / row.file.path, kMaxEntryBytes);
    const std::string hex = fs::path(row.file.path).stem().string();
    std::string why;
    const auto present = cache.read(hex, false);
    if (present && present->why_unreadable.empty() && decode_entry(present->bytes, why)) {
      ++result.already_there;
      continue;
    }
    cache.publish(hex, bytes);
    ++result.added;
  }
  if (!manifest.tuning.empty()) fs::create_directories(tuning_directory);
  for (const BundleFile& file : manifest.tuning) {
    write_file_atomically(tuning_directory / fs::path(file.path).filename(),
                          read_file(bundle / file.path, kMaxEntryBytes),
                          kFileMode);
    ++result.added;
  }
  return result;
}

BundleDiff diff_bundles(const BundleManifest& before, const BundleManifest& after) {
  const auto old_files = digests(before), new_files = digests(after);
  BundleDiff diff;
  for (const auto& [path, digest] : new_files) {
    const auto it = old_files.find(path);
    if (it == old_files.end()) {
      diff.added.push_back(path);
    } else if (it->second != digest) {
      diff.changed.push_back(path);
    }
  }
  for (const auto& [path, digest] : old_files) {
    if (!new_files.contains(path)) diff.removed.push_back(path);
  }
  return diff;
}

}  // namespace flashjit
