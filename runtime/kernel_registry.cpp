#include "kernel_registry.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <future>
#include <list>
#include <mutex>
#include <utility>

#include "compiled_elsewhere.h"
#include "cubin_compatibility.h"
#include "kernel_table.h"
#include "ptxas_log.h"
#include "variant_source.h"

namespace flashjit {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

KernelSources open_sources(const Settings& settings) {
  return settings.kernel_dir.empty() ? KernelSources::embedded()
                                     : KernelSources::from_directory(settings.kernel_dir);
}

}  // namespace

class KernelRegistry::Impl {
 public:
  Impl(const Executor& executor, const Settings& settings, std::shared_ptr<spdlog::logger> logger)
      : executor_(executor),
        offline_(settings.offline),
        sources_(open_sources(settings)),
        logger_(std::move(logger)),
        cache_(settings, logger_) {}

  const Kernel* find(const KernelConfig& config) const {
    const Kernel* kernel = table_.find(config);
    if (kernel != nullptr) memory_hits_.fetch_add(1, std::memory_order_relaxed);
    return kernel;
  }

  const Kernel& get(const KernelConfig& config);
  std::vector<VariantInfo> loaded() const;
  Stats stats() const;
  const KernelSources& sources() const { return sources_; }

 private:
  // A config that one thread prepares and others may wait for.
  struct InFlight {
    KernelConfig config;
    std::shared_future<const Kernel*> result;
  };

  std::unique_ptr<Kernel> prepare(const KernelConfig& config);
  CacheHit find_or_compile(const VariantSource& source);
  std::optional<CacheHit> find_elsewhere(const VariantSource& source) {
    return find_compiled_elsewhere(cache_, source, sources_, executor_.device());
  }
  std::unique_ptr<LoadedKernel> load(const KernelConfig& config, const CacheEntry& entry) const;
  CacheHit compile(const VariantSource& source, const CacheKey& key);
  void count(VariantOrigin origin, double compile_ms);
  void count_miss();

  const Executor& executor_;
  const bool offline_;
  const KernelSources sources_;
  const std::shared_ptr<spdlog::logger> logger_;
  CubinCache cache_;

  KernelTable table_;
  mutable std::atomic<std::uint64_t> memory_hits_ = 0;
  mutable std::mutex mutex_;       // of what follows, and for writing table_
  std::list<InFlight> in_flight_;  // a handful at most
  Stats stats_;
};

const Kernel& KernelRegistry::Impl::get(const KernelConfig& config) {
  if (const Kernel* kernel = find(config)) return *kernel;

  std::promise<const Kernel*> promise;
  std::list<InFlight>::iterator mine;
  {
    std::unique_lock lock(mutex_);
    if (const Kernel* kernel = find(config)) return *kernel;
    for (const InFlight& other : in_flight_) {
      if (other.config != config) continue;
      const std::shared_future<const Kernel*> result = other.result;
      lock.unlock();
      return *result.get();  // throws what the first one threw
    }
    mine = in_flight_.insert(in_flight_.end(), {config, promise.get_future().share()});
  }
  try {
    std::unique_ptr<Kernel> kernel = prepare(config);
    const std::lock_guard lock(mutex_);
    const Kernel& inserted = table_.insert(std::move(kernel));
    in_flight_.erase(mine);
    promise.set_value(&inserted);
    return inserted;
  } catch (...) {
    const std::lock_guard lock(mutex_);
    in_flight_.erase(mine);  // the next call tries again
    promise.set_exception(std::current_exception());
    throw;
  }
}

std::unique_ptr<Kernel> KernelRegistry::Impl::prepare(const KernelConfig& config) {
  const Clock::time_point start = Clock::now();
  const VariantSource source = make_variant_source(config, sources_);
  CacheHit hit = find_or_compile(source);

  auto kernel = std::make_unique<Kernel>();
  try {
    kernel->loaded = load(config, hit.entry);
  } catch (const Error& error) {
    // Intact and yet refused: made by another driver's compiler, or for another device. A lack of
    // memory is no fault of the entry's.
    const bool is_of_the_entry = error.code() == ErrorCode::kDriver;
    if (!is_of_the_entry || hit.origin == VariantOrigin::kCompiled || offline_) throw;
    logger_->warn(
        "{} from the cache does not load and is compiled again: {}", source.name, error.what());
    hit = compile(source, make_cache_key(source, executor_.compiler_build()));
    kernel->loaded = load(config, hit.entry);
  }

  const Binary& binary = hit.entry.binary;
  VariantInfo& info = kernel->info;
  info.name = source.name;
  info.config = config;
  info.origin = hit.origin;
  info.compile_ms = binary.compile_ms;
  info.load_ms = ms_since(start);
  if (hit.origin == VariantOrigin::kCompiled) info.load_ms -= binary.compile_ms;
  info.resources = binary.resources;
  info.warnings = find_compile_warnings(binary.log);
  info.cache_key = hit.entry.key.hex;
  for (const std::string& warning : info.warnings) {
    logger_->warn("{}: {}", source.name, warning);
  }
  logger_->info("{}: {}, compiled in {:.0f} ms, loaded in {:.1f} ms",
                source.name,
                to_string(hit.origin),
                info.compile_ms,
                info.load_ms);
  count(hit.origin, binary.compile_ms);
  return kernel;
}

// A refused cubin with what is known of the reason: the driver's own is "no kernel image" at best.
std::unique_ptr<LoadedKernel> KernelRegistry::Impl::load(const KernelConfig& config,
                                                         const CacheEntry& entry) const {
  try {
    return executor_.load(config, entry.binary.code);
  } catch (const Error& error) {
    const DeviceInfo& device = executor_.device();
    const std::string why =
        why_not_loadable(config.arch, entry.compiler_build, device.arch, device.driver_version);
    if (why.empty()) throw;
    throw Error(error.code(), fmt::format("{}: {}", error.what(), why)).with_variant(entry.variant);
  }
}

CacheHit KernelRegistry::Impl::find_or_compile(const VariantSource& source) {
  if (offline_) {
    if (std::optional<CacheHit> hit = find_elsewhere(source)) return *std::move(hit);
    count_miss();
    const std::string arch = arch_name(source.config.arch);
    throw Error(ErrorCode::kOffline,
                fmt::format("{} for {} is in no bundle and no cache directory, and "
                            "FLASHJIT_OFFLINE forbids compiling. Add it where NVRTC is: "
                            "flashjit build {} --arch {}",
                            source.name,
                            arch,
                            source.name,
                            arch))
        .with_variant(source.name);
  }
  CacheKey key;
  try {
    key = make_cache_key(source, executor_.compiler_build());
  } catch (const Error& no_compiler) {
    // A program is often built where NVRTC is and run where it is not.
    if (std::optional<CacheHit> hit = find_elsewhere(source)) return *std::move(hit);
    count_miss();
    throw Error(no_compiler).with_variant(source.name);
  }
  if (std::optional<CacheHit> hit = cache_.find(key)) return *std::move(hit);
  count_miss();
  // Of several processes that miss at once one compiles; the others find its entry.
  const std::unique_ptr<CubinCache::CompileLock> lock = cache_.lock(key);
  if (std::optional<CacheHit> hit = cache_.find(key)) return *std::move(hit);
  return compile(source, key);
}

CacheHit KernelRegistry::Impl::compile(const VariantSource& source, const CacheKey& key) {
  logger_->debug("compiling {}", source.name);
  CacheHit hit;
  hit.origin = VariantOrigin::kCompiled;
  hit.entry.key = key;
  hit.entry.variant = source.name;
  hit.entry.arch = arch_name(source.config.arch);
  hit.entry.compiler_build = executor_.compiler_build();
  hit.entry.sources_digest = source.sources_digest;
  hit.entry.binary = executor_.compile(source, sources_);
  cache_.publish(hit.entry);
  return hit;
}

void KernelRegistry::Impl::count(VariantOrigin origin, double compile_ms) {
  const std::lock_guard lock(mutex_);
  switch (origin) {
    case VariantOrigin::kMemory:
      break;
    case VariantOrigin::kBundle:
      ++stats_.bundle_hits;
      break;
    case VariantOrigin::kDiskCache:
      ++stats_.disk_hits;
      break;
    case VariantOrigin::kCompiled:
      ++stats_.compiles;
      stats_.compile_ms += compile_ms;
      break;
  }
}

void KernelRegistry::Impl::count_miss() {
  const std::lock_guard lock(mutex_);
  ++stats_.misses;
}

std::vector<VariantInfo> KernelRegistry::Impl::loaded() const {
  const std::lock_guard lock(mutex_);
  std::vector<VariantInfo> infos;
  for (const auto& kernel : table_.kernels()) infos.push_back(kernel->info);
  return infos;
}

Stats KernelRegistry::Impl::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.memory_hits = memory_hits_.load(std::memory_order_relaxed);
  stats.corrupt_entries = cache_.corrupt_entries();
  return stats;
}

KernelRegistry::KernelRegistry(const Executor& executor,
                               const Settings& settings,
                               std::shared_ptr<spdlog::logger> logger)
    : impl_(std::make_unique<Impl>(executor, settings, std::move(logger))) {}

KernelRegistry::~KernelRegistry() = default;

const Kernel* KernelRegistry::find(const KernelConfig& config) const { return impl_->find(config); }

const Kernel& KernelRegistry::get(const KernelConfig& config) { return impl_->get(config); }

std::vector<VariantInfo> KernelRegistry::loaded() const { return impl_->loaded(); }

Stats KernelRegistry::stats() const { return impl_->stats(); }

const KernelSources& KernelRegistry::sources() const { return impl_->sources(); }

const char* to_string(VariantOrigin origin) {
  constexpr std::array kNames = {"memory", "bundle", "disk cache", "compiled"};
  return kNames.at(static_cast<std::size_t>(origin));
}

VariantSource make_variant_source(const KernelConfig& config, const KernelSources& sources) {
  VariantSource source = {.config = config,
                          .name = variant_name(config),
                          .text = variant_source(config),
                          .wgmma_ops = wgmma_ops_header(config),
                          .options = compile_options(config),
                          .sources_digest = ""};
  source.sources_digest = sources.digest(source.text);
  return source;
}

}  // namespace flashjit
