#include "fuzz/fuzz_targets.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/bundle_manifest.h"
#include "runtime/cache_entry.h"
#include "runtime/sha256.h"
#include "runtime/workload.h"

namespace flashjit::test {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void check_entry(std::span<const std::byte> bytes) {
  std::string why;
  const auto entry = decode_entry(bytes, why);
  require(entry.has_value() == why.empty());
  if (!entry) return;
  const auto again = decode_entry(encode_entry(*entry), why);
  require(again && again->key == entry->key && again->binary.code == entry->binary.code);
}

}  // namespace

void fuzz_cache_entry(std::span<const std::byte> bytes) {
  check_entry(bytes);
  // With the right digest behind it, so that the fuzzer gets past the seal.
  std::vector<std::byte> sealed(bytes.begin(), bytes.end());
  const auto digest = sha256(bytes);
  sealed.insert(sealed.end(), digest.begin(), digest.end());
  check_entry(sealed);
}

void fuzz_bundle_manifest(std::span<const std::byte> bytes) {
  BundleManifest manifest;
  try {
    manifest = parse_manifest(as_text(bytes), "fuzz");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kData);
    return;
  }
  require(parse_manifest(to_json(manifest), "fuzz") == manifest);
}

void fuzz_workload(std::span<const std::byte> bytes) {
  std::vector<WorkloadProblem> problems;
  try {
    problems = parse_workload(as_text(bytes), "fuzz");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kData);
    return;
  }
  for (const WorkloadProblem& item : problems) {
    const auto again = parse_workload(workload_line(item.problem, item.shape), "fuzz");
    require(again.size() == 1 && again[0].problem == item.problem && again[0].shape == item.shape);
  }
}

}  // namespace flashjit::test
