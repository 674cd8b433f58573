// The C ABI over the C++ API: structs in and out by their size, exceptions to status codes.
#include "flashjit/c_api.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "c_api_support.h"

namespace flashjit {
namespace {

template <std::size_t kSize>
void copy_text(const std::string& from, char (&to)[kSize]) {
  std::memset(to, 0, kSize);
  from.copy(to, kSize - 1);
}

TensorView to_view(const flashjit_tensor& tensor) {
  TensorView view{.data = tensor.data, .dtype = static_cast<Dtype>(tensor.dtype)};
  std::copy_n(tensor.shape, 4, view.shape.begin());
  std::copy_n(tensor.strides, 4, view.strides.begin());
  return view;
}

std::vector<std::filesystem::path> split_paths(std::string_view text) {
  std::vector<std::filesystem::path> paths;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    if (end > 0) paths.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
}

int in_range(const char* name, int value, int last) {
  if (value < 0 || value > last)
    invalid("options->{} is {}; it must be 0 to {}", name, value, last);
  return value;
}

Options to_options(const flashjit_options* options) {
  Options result;
  if (options == nullptr) return result;
  const flashjit_options o = read_struct(options, "options");
  result.backend = static_cast<Backend>(in_range("backend", o.backend, FLASHJIT_BACKEND_EMULATED));
  result.device = o.device;
  if (in_range("family", o.family, FLASHJIT_FAMILY_SM90) != FLASHJIT_FAMILY_FASTEST)
    result.family = static_cast<Family>(o.family - FLASHJIT_FAMILY_STANDARD);
  if (in_range("offline", o.offline, FLASHJIT_OFF) != FLASHJIT_FROM_ENVIRONMENT)
    result.offline = o.offline == FLASHJIT_ON;
  if (in_range("tune", o.tune, FLASHJIT_TUNE_ON_FIRST_USE) != FLASHJIT_TUNE_FROM_ENVIRONMENT)
    result.tune = static_cast<TuneMode>(o.tune - FLASHJIT_TUNE_OFF);
  if (o.tune_seconds != 0) result.tune_seconds = o.tune_seconds;
  if (o.cache_dir != nullptr) result.cache_dir = o.cache_dir;
  if (o.kernel_dir != nullptr) result.kernel_dir = o.kernel_dir;
  if (o.bundles != nullptr) result.bundles = split_paths(o.bundles);
  if (o.bundle_digest != nullptr) result.bundle_digest = o.bundle_digest;
  return result;
}

flashjit_variant to_c(const VariantInfo& info) {
  flashjit_variant variant{};
  copy_text(info.name, variant.name);
  copy_text(info.selected_by, variant.selected_by);
  copy_text(info.cache_key, variant.cache_key);
  variant.origin = static_cast<int>(info.origin);
  variant.registers = info.resources.registers;
  variant.spill_bytes = info.resources.spill_store_bytes + info.resources.spill_load_bytes;
  variant.stack_bytes = info.resources.stack_bytes;
  variant.static_smem_bytes = info.resources.static_smem_bytes;
  variant.dynamic_smem_bytes = info.resources.dynamic_smem_bytes;
  variant.threads = info.resources.threads;
  variant.compile_ms = info.compile_ms;
  variant.load_ms = info.load_ms;
  return variant;
}

flashjit_device to_c(const DeviceInfo& info, Backend backend) {
  flashjit_device device{};
  copy_text(info.name, device.name);
  device.backend = static_cast<int>(backend);
  device.arch_major = info.arch.major;
  device.arch_minor = info.arch.minor;
  device.arch_specific = info.arch.specific;
  device.sm_count = info.sm_count;
  device.memory_clock_khz = info.memory_clock_khz;
  device.driver_version = info.driver_version;
  device.l2_bytes = info.l2_bytes;
  device.total_memory = info.total_memory;
  return device;
}

}  // namespace

LastError& last_error() {
  thread_local LastError error;
  return error;
}

flashjit_status fail(ErrorCode code, std::string_view message) noexcept {
  try {
    last_error() = {std::string(message), {}, {}, {}};
  } catch (...) {
  }
  return static_cast<flashjit_status>(code);
}

AttentionArgs to_args(const flashjit_attention* attention) {
  const flashjit_attention a = read_struct(attention, "attention");
  return {.q = to_view(a.q),
          .k = to_view(a.k),
          .v = to_view(a.v),
          .o = to_view(a.o),
          .causal = a.causal != 0,
          .alignment = static_cast<CausalAlignment>(a.alignment),
          .softmax_scale =
              a.has_softmax_scale != 0 ? std::optional<float>(a.softmax_scale) : std::nullopt,
          .lse = a.lse,
          .workspace = a.workspace,
          .workspace_size = a.workspace_size};
}

}  // namespace flashjit

using namespace flashjit;

flashjit_status flashjit_create(const flashjit_options* options, flashjit_runtime** runtime) {
  return guarded([&] {
    not_null(runtime, "runtime") = nullptr;
    *runtime = new flashjit_runtime{Runtime(to_options(options))};
  });
}

void flashjit_destroy(flashjit_runtime* runtime) { delete runtime; }

flashjit_status flashjit_forward(flashjit_runtime* runtime,
                                 const flashjit_attention* attention,
                                 void* stream) {
  return guarded([&] {
    not_null(runtime, "runtime").runtime.forward(to_args(attention), static_cast<Stream>(stream));
  });
}

flashjit_status flashjit_prepare(flashjit_runtime* runtime,
                                 const flashjit_attention* attention,
                                 flashjit_variant* variant) {
  return guarded([&] {
    const VariantInfo info = not_null(runtime, "runtime").runtime.prepare(to_args(attention));
    if (variant != nullptr) write_struct(to_c(info), variant, "variant");
  });
}

flashjit_status flashjit_workspace_size(flashjit_runtime* runtime,
                                        const flashjit_attention* attention,
                                        size_t* bytes) {
  return guarded([&] {
    not_null(bytes, "bytes") =
        not_null(runtime, "runtime").runtime.workspace_bytes(to_args(attention));
  });
}

flashjit_status flashjit_loaded_variants(flashjit_runtime* runtime,
                                         flashjit_variant* variants,
                                         size_t* count) {
  return guarded([&] {
    const auto loaded = not_null(runtime, "runtime").runtime.loaded_variants();
    const std::size_t capacity = not_null(count, "count");
    if (capacity > 0) {
      const std::size_t step = not_null(variants, "variants").struct_size;
      char* to = reinterpret_cast<char*>(variants);
      for (std::size_t i = 0; i < std::min(capacity, loaded.size()); ++i, to += step) {
        std::memcpy(to, &step, sizeof step);
        write_struct(to_c(loaded[i]), reinterpret_cast<flashjit_variant*>(to), "variants");
      }
    }
    *count = loaded.size();
  });
}

flashjit_status flashjit_device_info(flashjit_runtime* runtime, flashjit_device* device) {
  return guarded([&] {
    const Runtime& of = not_null(runtime, "runtime").runtime;
    write_struct(to_c(of.device(), of.backend()), device, "device");
  });
}

flashjit_status flashjit_get_stats(flashjit_runtime* runtime, flashjit_stats* stats) {
  return guarded([&] {
    const Stats from = not_null(runtime, "runtime").runtime.stats();
    write_struct<flashjit_stats>({.struct_size = 0,
                                  .memory_hits = from.memory_hits,
                                  .bundle_hits = from.bundle_hits,
                                  .disk_hits = from.disk_hits,
                                  .compiles = from.compiles,
                                  .corrupt_entries = from.corrupt_entries,
                                  .compile_ms = from.compile_ms,
                                  .misses = from.misses},
                                 stats,
                                 "stats");
  });
}

const char* flashjit_last_error_message(void) { return last_error().message.c_str(); }
const char* flashjit_last_error_variant(void) { return last_error().variant.c_str(); }
const char* flashjit_last_error_log(void) { return last_error().log.c_str(); }
const char* flashjit_last_error_source(void) { return last_error().source.c_str(); }

const char* flashjit_status_name(flashjit_status status) {
  return to_string(static_cast<ErrorCode>(status));
}
const char* flashjit_version(void) { return version(); }
