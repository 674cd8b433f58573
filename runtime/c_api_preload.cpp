// flashjit_preload and flashjit_preload_file.
#include "c_api_support.h"

namespace flashjit {
namespace {

PreloadOptions to_options(const flashjit_preload_options* options) {
  PreloadOptions result;
  if (options == nullptr) return result;
  const flashjit_preload_options o = read_struct(options, "options");
  if (o.threads < 0) invalid("options->threads is {}; it must be 0 or more", o.threads);
  result.threads = o.threads;
  if (o.on_progress == nullptr) return result;
  result.on_progress = [o](const PreloadProgress& from) {
    const flashjit_preload_progress progress{.struct_size = sizeof progress,
                                             .done = from.done,
                                             .total = from.total,
                                             .compiled = from.compiled,
                                             .failed = from.failed,
                                             .seconds_left = from.seconds_left};
    return o.on_progress(&progress, o.user) == 0;
  };
  return result;
}

// Fills the caller's struct, then throws what the first failed variant threw.
void hand_out(const PreloadResult& from, flashjit_preload_result* to) {
  const PreloadedVariant* failed = nullptr;
  flashjit_preload_result result{};
  for (const PreloadedVariant& variant : from.variants) {
    const bool good = variant.error.empty();
    result.loaded += good ? 1 : 0;
    result.failed += good ? 0 : 1;
    result.compiled += good && variant.info.origin == VariantOrigin::kCompiled ? 1 : 0;
    if (!good && failed == nullptr) failed = &variant;
  }
  result.cancelled = from.cancelled;
  if (to != nullptr) write_struct(result, to, "result");
  if (failed != nullptr) {
    throw Error(failed->error_code, failed->error).with_variant(failed->info.name);
  }
}

std::vector<AttentionArgs> to_problems(const flashjit_attention* problems, std::size_t count) {
  std::vector<AttentionArgs> result;
  if (count == 0) return result;
  const std::size_t step = not_null(problems, "problems").struct_size;
  const char* from = reinterpret_cast<const char*>(problems);
  for (std::size_t i = 0; i < count; ++i, from += step) {
    result.push_back(to_args(reinterpret_cast<const flashjit_attention*>(from)));
  }
  return result;
}

}  // namespace
}  // namespace flashjit

using namespace flashjit;

flashjit_status flashjit_preload(flashjit_runtime* runtime,
                                 const flashjit_attention* problems,
                                 size_t count,
                                 const flashjit_preload_options* options,
                                 flashjit_preload_result* result) {
  return guarded([&] {
    hand_out(not_null(runtime, "runtime")
                 .runtime.preload(to_problems(problems, count), to_options(options)),
             result);
  });
}

flashjit_status flashjit_preload_file(flashjit_runtime* runtime,
                                      const char* workload,
                                      const flashjit_preload_options* options,
                                      flashjit_preload_result* result) {
  return guarded([&] {
    const std::filesystem::path path = &not_null(workload, "workload");
    hand_out(not_null(runtime, "runtime").runtime.preload(path, to_options(options)), result);
  });
}
