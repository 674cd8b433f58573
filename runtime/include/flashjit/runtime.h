// The C++ API: a Runtime owns the variants of one device and runs attention with them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flashjit/error.h"
#include "flashjit/export.h"
#include "flashjit/kernel_config.h"
#include "flashjit/tensor_view.h"

struct CUstream_st;  // CUstream and cudaStream_t are pointers to it

namespace spdlog {
class logger;
}

namespace flashjit {

using Stream = ::CUstream_st*;

// Where row 0 of the causal triangle stands when seqlen_q != seqlen_kv.
enum class CausalAlignment : int {
  kBottomRight = 0,  // the last query row sees the last key: key <= row + seqlen_kv - seqlen_q
  kTopLeft = 1,      // key <= row
};

// One attention: O = softmax(Q·Kᵀ · scale) V with the mask applied to the scores.
struct AttentionArgs {
  TensorView q = {};  // [batch, seqlen_q,  heads_q,  head_dim_qk]
  TensorView k = {};  // [batch, seqlen_kv, heads_kv, head_dim_qk]
  TensorView v = {};  // [batch, seqlen_kv, heads_kv, head_dim_v]
  TensorView o = {};  // [batch, seqlen_q,  heads_q,  head_dim_v], written
  bool causal = false;
  CausalAlignment alignment = CausalAlignment::kBottomRight;
  std::optional<float> softmax_scale = {};  // default 1/sqrt(head_dim_qk); any finite value
  float* lse =
      nullptr;  // optional output, dense fp32 [batch, heads_q, seqlen_q], natural logarithm
  void* workspace =
      nullptr;  // optional device memory, 256-byte aligned; see Runtime::workspace_bytes
  std::size_t workspace_size = 0;  // bytes
};

enum class Backend : int {
  kAuto = 0,  // cuda, else cpu with one logged warning
  kCuda = 1,
  kCpu = 2,       // fast host implementation; tensors in host memory
  kEmulated = 3,  // the real kernels on a CPU; needs libflashjit_emulator
};

// Who chooses the tiling of a problem, where Options forces none.
enum class TuneMode : int {
  kOff = 0,         // the heuristic
  kRecord = 1,      // the measured best of a tuning record, where there is one; else the heuristic
  kOnFirstUse = 2,  // the same, but a problem without an exact record is tuned by the first
                    // prepare() or forward() that needs it, which takes Options::tune_seconds at
                    // most; not while its stream captures a graph, and never offline
};

struct Options {
  Backend backend = Backend::kAuto;
  int device = 0;  // CUDA ordinal
  // Forces the kernel family, for comparisons and tests; the fastest legal one otherwise.
  std::optional<Family> family = {};
  // Forces the whole tiling; must be legal for the problems that are run.
  std::optional<Tiling> tiling = {};
  // Defaults come from the environment (see README, "Settings"); a value here wins.
  std::optional<std::filesystem::path> cache_dir = {};
  // Edited kernel sources instead of the embedded ones.
  std::optional<std::filesystem::path> kernel_dir = {};
  std::optional<std::vector<std::filesystem::path>> bundles = {};
  // Hex SHA-256 of the manifest.json of the one bundle: any other content is Error(kData).
  std::optional<std::string> bundle_digest = {};
  std::optional<bool> offline = {};
  std::optional<TuneMode> tune = {};        // default kRecord
  std::optional<double> tune_seconds = {};  // kOnFirstUse: of one problem; default 10
  // Default: a quiet logger named "flashjit" on stderr.
  std::shared_ptr<spdlog::logger> logger = {};
};

struct DeviceInfo {
  std::string name;  // "NVIDIA H100 80GB HBM3", "cpu", "emulator"
  Arch arch;         // what variants are compiled for
  int sm_count = 0;
  std::size_t l2_bytes = 0;
  std::size_t total_memory = 0;  // bytes
  int memory_clock_khz = 0;
  int driver_version = 0;  // as cuDriverGetVersion: 13000 is 13.0; 0 without a driver
};

// Registers, spills and shared memory of a compiled variant.
struct ResourceUse {
  int registers = 0;           // per thread
  int spill_store_bytes = 0;   // per thread
  int spill_load_bytes = 0;    // per thread
  int stack_bytes = 0;         // per thread
  int static_smem_bytes = 0;   // per CTA
  int dynamic_smem_bytes = 0;  // per CTA, from smem_plan()
  int threads = 0;             // per CTA
};

// Where a variant came from the last time it was needed.
enum class VariantOrigin : int { kMemory = 0, kBundle = 1, kDiskCache = 2, kCompiled = 3 };
FLASHJIT_API const char* to_string(VariantOrigin origin);

// What one prepare() or forward() used.
struct VariantInfo {
  std::string name;  // fwd_sm90_bf16_d128_causal_m128n128s2
  KernelConfig config;
  VariantOrigin origin = VariantOrigin::kMemory;
  // "heuristic", "forced family", "forced tiling", or a record and how it matches: "record exact",
  // "record near bucket", "record other device", "record other sources".
  std::string selected_by;
  double compile_ms = 0;  // NVRTC time, from the entry if it was cached
  double load_ms = 0;     // look-up, read, verify and module load of this process
  ResourceUse resources;
  std::vector<std::string> warnings;  // of the compiler: spills, serialised wgmma, …
  std::string cache_key;              // hex SHA-256
};

struct Stats {
  std::uint64_t memory_hits = 0;
  std::uint64_t bundle_hits = 0;
  std::uint64_t disk_hits = 0;
  std::uint64_t compiles = 0;
  std::uint64_t corrupt_entries = 0;
  double compile_ms = 0;
  std::uint64_t misses = 0;  // look-ups that no layer answered: compiled, failed, or offline
};

// How far a preload is: told before the first variant and after each.
struct PreloadProgress {
  std::size_t done = 0, total = 0;       // distinct variants; done counts the failed ones too
  std::size_t compiled = 0, failed = 0;  // of those that are done
  double seconds_left = 0;               // as the pace so far has it; 0 before the first
  std::string variant;                   // the one that was finished last
};

struct PreloadOptions {
  // Variants at once; 0: as many as the cores and the free memory of this process allow.
  int threads = 0;
  // Never called twice at once. False cancels: what is under way is finished, the rest is left.
  std::function<bool(const PreloadProgress&)> on_progress = {};
};

// One distinct variant. Of one that failed, `error` says why and `info` has what was known.
struct PreloadedVariant {
  VariantInfo info;
  std::string error;  // "" when it is loaded
  ErrorCode error_code = ErrorCode::kOk;
  std::size_t problem = 0;  // the first that needs it: its index, or its line in the file
};

struct PreloadResult {
  std::vector<PreloadedVariant> variants;  // those that were tried, in the order of first need
  bool cancelled = false;
};

// Thread-safe. Calls are asynchronous on the caller's stream and never synchronise; the first call
// of a variant compiles it or loads it from the cache. Destroy it only after the work that it
// launched has finished. Loaded variants can be captured into CUDA graphs; two executable graphs
// made of one capture must not run at the same time (they share the counter that hands out tiles).
// There are such counters for 49,152 streams (the per-thread one is another in each thread) and
// 65,536 captured launches; a causal call beyond makes its own on the stream, 2 µs more.
class FLASHJIT_API Runtime {
 public:
  explicit Runtime(const Options& options = {});
  ~Runtime();
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;

  // Throws Error; nothing was written to O or LSE then. `stream` null is the legacy default stream.
  void forward(const AttentionArgs& args, Stream stream = nullptr);

  // Compiles or loads what forward(args) would use, without running it; data pointers may be null.
  VariantInfo prepare(const AttentionArgs& args);

  // prepare() for many, in parallel: compiles what no layer has and loads every module now, so that
  // nothing is loaded later inside a graph capture. A variant that fails is a row with its error
  // and stops no other. Each variant is in the cache as soon as it is compiled: whatever ends a
  // preload, the next one goes on from there. Throws Error(kInvalidArgument) with the index of a
  // problem that is no legal call; what on_progress throws comes out after the variants under way.
  PreloadResult preload(std::span<const AttentionArgs> problems,
                        const PreloadOptions& options = {});
  // The same of a workload file, as FLASHJIT_RECORD writes it. Throws Error(kIo), and Error(kData)
  // with the line that is malformed or illegal.
  PreloadResult preload(const std::filesystem::path& workload, const PreloadOptions& options = {});

  // Bytes of AttentionArgs::workspace that forward(args) wants; 0 for most variants. With a null
  // workspace the runtime allocates on the stream (cuMemAllocAsync).
  std::size_t workspace_bytes(const AttentionArgs& args);

  Backend backend() const;  // never kAuto
  const DeviceInfo& device() const;
  std::vector<VariantInfo> loaded_variants() const;
  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// "0.1.0"
FLASHJIT_API const char* version();

}  // namespace flashjit
