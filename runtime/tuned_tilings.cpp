#include "tuned_tilings.h"

#include <fmt/format.h>

#include <algorithm>

#include "bundle.h"
#include "flashjit/error.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "posix_file.h"
#include "sha256.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit {

FamilyDigests family_digests(const KernelSources& sources) {
  FamilyDigests digests;
  for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
    const KernelConfig any{Problem{}, naming_base(family, 64, Problem{}), Arch{9, 0, true}};
    std::string& digest = digests[static_cast<std::size_t>(family)];
    try {
      digest = make_variant_source(any, sources).sources_digest;
    } catch (const Error&) {
      digest = "incomplete sources";  // of no record, and of no variant of this family
    }
  }
  return digests;
}

TunedTilings::TunedTilings(const Settings& settings,
                           const KernelSources& sources,
                           std::shared_ptr<spdlog::logger> logger)
    : settings_(settings), sources_(sources), logger_(std::move(logger)) {}

namespace {

// Of a pinned bundle only what its manifest describes.
std::vector<TuningRecord> bundle_records(const std::filesystem::path& bundle,
                                         const std::string& pinned_digest,
                                         spdlog::logger& logger,
                                         Evidence evidence) {
  if (pinned_digest.empty()) return read_records(bundle / kTuningDirectory, logger, evidence);
  std::vector<TuningRecord> records;
  try {
    for (const BundleFile& file : read_pinned_manifest(bundle, pinned_digest).tuning) {
      const std::vector<std::byte> bytes = read_file(bundle / file.path, kMaxEntryBytes);
      const std::string name = (bundle / file.path).string();
      if (sha256_hex(bytes) != file.sha256) {
        logger.warn("{} is not what the manifest describes; it is ignored", name);
        continue;
      }
      const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      for (TuningRecord& r : parse_records(text, name, logger, evidence))
        records.push_back(std::move(r));
    }
  } catch (const Error& error) {
    logger.warn("tuning records of {} are ignored: {}", bundle.string(), error.what());
  }
  return records;
}

// One that is older than a rule must not stand before one that can be used.
std::vector<TuningRecord> legal_ones(std::vector<TuningRecord> records, spdlog::logger& logger) {
  std::erase_if(records, [&logger](const TuningRecord& record) {
    const char* reason = why_illegal({record.problem, record.winner, record.arch});
    if (reason != nullptr)
      logger.info("tuning record of {}, {}: its winner is not legal ({}); it is ignored",
                  record.device.name,
                  record.date,
                  reason);
    return reason != nullptr;
  });
  return records;
}

// The layers of this machine: the cache directory, then bundles.
TuningRecords local_records(const Settings& settings, spdlog::logger& logger, Evidence evidence) {
  TuningRecords all;
  const auto add = [&](std::vector<TuningRecord> records) {
    all.add_layer(legal_ones(std::move(records), logger));
  };
  if (settings.cache_dir)
    add(read_records(*settings.cache_dir / kTuningDirectory, logger, evidence));
  for (const auto& bundle : settings.bundles)
    add(bundle_records(bundle, settings.bundle_digest, logger, evidence));
  return all;
}

}  // namespace

TuningRecords visible_records(const Settings& settings, spdlog::logger& logger) {
  TuningRecords all = local_records(settings, logger, Evidence::kAll);
  all.add_layer(legal_ones(embedded_records(logger), logger));
  return all;
}

void TunedTilings::load(const Problem& problem) const {
  if (!loaded_) {
    digests_ = family_digests(sources_);
    records_ = local_records(settings_, *logger_, Evidence::kNone);
    loaded_ = true;
  }
  if (std::find(shipped_.begin(), shipped_.end(), problem) != shipped_.end()) return;
  records_.add_layer(legal_ones(embedded_records_of(problem, *logger_), *logger_));
  shipped_.push_back(problem);
}

std::optional<TunedTiling> TunedTilings::find(const Problem& problem,
                                              const ProblemShape& shape,
                                              const DeviceInfo& device) const {
  const std::lock_guard lock(mutex_);
  load(problem);
  const RecordLookup found =
      records_.find(device_model(device), device.arch, problem, shape, digests_);
  if (found.record == nullptr) return std::nullopt;
  TunedTiling tuned{found.record->winner, found.match, ""};
  if (is_hint(found.match))
    tuned.source = fmt::format("measured on {}, {}", found.record->device.name, found.record->date);
  return tuned;
}

void TunedTilings::add(const TuningRecord& record) {
  if (!record.complete) return;
  const std::lock_guard lock(mutex_);
  load(record.problem);
  records_.add(record);
  if (!settings_.cache_dir || settings_.offline) return;
  try {
    write_record(*settings_.cache_dir / kTuningDirectory, record);
  } catch (const Error& error) {
    logger_->warn("the tuning record stays in memory: {}", error.what());
  }
}

}  // namespace flashjit
