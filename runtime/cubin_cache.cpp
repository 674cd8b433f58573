#include "cubin_cache.h"

#include <set>
#include <system_error>

#include "bundle.h"
#include "sha256.h"

namespace flashjit {

namespace fs = std::filesystem;

CubinCache::CubinCache(const Settings& settings, std::shared_ptr<spdlog::logger> logger)
    : bundles_(settings.bundles),
      directory_missing_(settings.cache_dir_missing),
      max_bytes_(settings.cache_max_bytes),
      lock_timeout_(settings.cache_lock_timeout),
      read_only_(settings.offline),
      logger_(std::move(logger)) {
  if (settings.cache_dir) directory_.emplace(*settings.cache_dir, settings.cache_group_shared);
  if (settings.bundle_digest.empty()) return;
  pinned_.emplace();
  for (const fs::path& bundle : bundles_) {
    const BundleManifest manifest = read_pinned_manifest(bundle, settings.bundle_digest);
    for (const BundleEntry& entry : manifest.entries) {
      pinned_->emplace(fs::path(entry.file.path).stem().string(), entry.file.sha256);
    }
  }
}

std::optional<fs::path> CubinCache::directory() const {
  if (!directory_ || directory_unusable_) return std::nullopt;
  return directory_->root();
}

std::optional<CacheHit> CubinCache::find(const CacheKey& key) {
  for (const fs::path& bundle : bundles_) {
    if (auto hit = find_in_bundle(bundle, key)) return hit;
  }
  return find_in_directory(key);
}

std::optional<CacheHit> CubinCache::find_in_bundle(const fs::path& bundle, const CacheKey& key) {
  const fs::path file = bundle / "entries" / (key.hex + ".fjc");
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  try {
    const std::vector<std::byte> bytes = read_file(file, kMaxEntryBytes);
    if (pinned_) {
      const auto it = pinned_->find(key.hex);
      if (it == pinned_->end() || it->second != sha256_hex(bytes)) {
        report_bad_entry(file, "it is not the file of the pinned manifest", bytes);
        return std::nullopt;
      }
    }
    return accept(bytes, key, file, VariantOrigin::kBundle);
  } catch (const Error& failure) {
    report_bad_entry(file, failure.what());
    return std::nullopt;
  }
}

std::optional<CacheHit> CubinCache::find_in_directory(const CacheKey& key) {
  if (!directory()) return std::nullopt;
  try {
    const auto contents = directory_->read(key.hex, !read_only_);
    if (!contents) return std::nullopt;
    const fs::path file = directory_->root() / "v1" / (key.hex + ".fjc");
    if (contents->why_unreadable.empty()) {
      return accept(contents->bytes, key, file, VariantOrigin::kDiskCache);
    }
    report_bad_entry(file, contents->why_unreadable);
  } catch (const Error& error) {
    give_up_directory(error.what());
  }
  return std::nullopt;
}

std::optional<CacheHit> CubinCache::accept(std::span<const std::byte> bytes,
                                           const CacheKey& key,
                                           const fs::path& file,
                                           VariantOrigin origin) {
  std::string why;
  std::optional<CacheEntry> entry = decode_entry(bytes, why);
  if (entry && entry->key != key) {
    why = "it holds " + entry->variant + " under another key";
    entry.reset();
  }
  if (!entry) {
    report_bad_entry(file, why, bytes);
    return std::nullopt;
  }
  return CacheHit{std::move(*entry), origin};
}

void CubinCache::read_manifests() const {
  std::call_once(bundle_builds_once_, [this] {
    for (const fs::path& bundle : bundles_) {
      try {
        const BundleManifest manifest = read_manifest(bundle);
        bundle_builds_.insert(manifest.compilers.begin(), manifest.compilers.end());
      } catch (const Error& error) {
        logger_->warn("bundle without a readable manifest: {}", error.what());
      }
    }
  });
}

std::vector<std::string> CubinCache::compiler_builds() const {
  // Bundles do not change: their manifests are read once, so that the start of a program with a
  // bundle of hundreds of entries reads one file and not all.
  read_manifests();
  std::set<std::string> builds = bundle_builds_;
  std::string ignored;  // find() reports what is wrong with an entry, should it be wanted
  if (!directory()) return {builds.begin(), builds.end()};
  const std::lock_guard lock(directory_builds_mutex_);
  try {
    for (const CacheFile& file : directory_->list()) {
      const auto [known, is_new] = directory_builds_.try_emplace(file.hex);
      if (is_new) {
        const auto contents = directory_->read(file.hex, false);
        const auto entry =
            decode_entry(contents ? contents->bytes : std::vector<std::byte>(), ignored);
        if (entry) known->second = entry->compiler_build;
      }
      if (!known->second.empty()) builds.insert(known->second);
    }
  } catch (const Error& unusable) {
    logger_->debug("cache directory not searched: {}", unusable.what());
  }
  return {builds.begin(), builds.end()};
}

void CubinCache::publish(const CacheEntry& entry) {
  if (directory_missing_ && !read_only_ && !warned_.exchange(true)) {
    logger_->warn(
        "no cache directory: none of HOME, XDG_CACHE_HOME and FLASHJIT_CACHE_DIR is set. Variants "
        "stay in memory and every process compiles its own; set FLASHJIT_CACHE_DIR to a directory "
        "of yours, or to 'off'");
  }
  if (read_only_ || !directory()) return;
  const std::vector<std::byte> bytes = encode_entry(entry);
  if (bytes.size() > max_bytes_) {
    logger_->debug("{} is larger than the whole cache may be; not stored", entry.variant);
    return;
  }
  try {
    directory_->publish(entry.key.hex, bytes);
    const CacheTrim trim = directory_->trim(max_bytes_);
    if (trim.evicted_entries > 0) {
      logger_->debug("cache over {} bytes: evicted {} entries", max_bytes_, trim.evicted_entries);
    }
  } catch (const Error& error) {
    // The disk may have room again later, and what is there can still be read: keep trying.
    warn_once("cannot store " + entry.variant, error.what());
  }
}

std::unique_ptr<CubinCache::CompileLock> CubinCache::lock(const CacheKey& key) {
  if (read_only_ || lock_timeout_.count() == 0 || !directory()) return nullptr;
  try {
    return directory_->lock(key.hex, lock_timeout_);
  } catch (const Error& error) {
    // A read-only file system has no room for locks, and its entries are still good.
    logger_->debug("no lock for {}: {}", key.hex, error.what());
    return nullptr;
  }
}

void CubinCache::report_bad_entry(const fs::path& file,
                                  const std::string& why,
                                  std::span<const std::byte> bytes) {
  {
    std::string what = why + sha256_hex(bytes);
    const std::lock_guard lock(bad_files_mutex_);
    std::string& reported = bad_files_[file];
    if (reported == what) return;
    reported = std::move(what);
  }
  ++corrupt_entries_;
  logger_->warn("ignoring cache entry {}: {}", file.string(), why);
}

void CubinCache::give_up_directory(const std::string& why) {
  directory_unusable_ = true;
  warn_once("cannot use it", why);
}

void CubinCache::warn_once(const std::string& what, const std::string& why) {
  logger_->log(warned_.exchange(true) ? spdlog::level::debug : spdlog::level::warn,
               "cache directory {}: {}: {}. Variants stay in memory; set FLASHJIT_CACHE_DIR to a "
               "directory of your own, or to 'off'",
               directory_->root().string(),
               what,
               why);
}

}  // namespace flashjit
