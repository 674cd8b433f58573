// What runs in production: loads every variant of its workload from the bundle that it was built
// with, or refuses to start; then computes. It needs a driver, and no NVRTC, compiler or place to
// write.
//
//   service BUNDLE MANIFEST_DIGEST WORKLOAD [--ready-only]
#include <flashjit/flashjit.h>

#include <cstdio>
#include <cstring>
#include <vector>

#ifdef HAVE_CUDART
#include <cuda_runtime_api.h>
#endif

namespace {

using flashjit::PreloadedVariant;

// Every variant loaded, and none compiled: what a readiness probe wants to know.
bool make_ready(flashjit::Runtime& runtime, const char* workload) {
  const flashjit::PreloadResult result = runtime.preload(workload);
  for (const PreloadedVariant& variant : result.variants) {
    if (variant.error.empty()) {
      std::printf("ready: %s from the %s in %.2f ms\n",
                  variant.info.name.c_str(),
                  to_string(variant.info.origin),
                  variant.info.load_ms);
    } else {
      std::fprintf(stderr, "line %zu: %s\n", variant.problem, variant.error.c_str());
    }
  }
  const flashjit::Stats stats = runtime.stats();
  std::printf("%llu from bundles, %llu compiled, %llu missing, %llu corrupt\n",
              static_cast<unsigned long long>(stats.bundle_hits),
              static_cast<unsigned long long>(stats.compiles),
              static_cast<unsigned long long>(stats.misses),
              static_cast<unsigned long long>(stats.corrupt_entries));
  return stats.bundle_hits == result.variants.size();
}

#ifdef HAVE_CUDART
void check(cudaError_t status) {
  if (status != cudaSuccess)
    throw flashjit::Error(flashjit::ErrorCode::kDriver, cudaGetErrorString(status));
}

// The first problem of the workload. Under the causal mask the first row sees one key, so its
// output is that key's value; V is 0, 1, 2, … along head_dim.
bool compute(flashjit::Runtime& runtime) {
  constexpr int kBatch = 2, kSeqlen = 1000, kHeads = 8, kHeadsKv = 2, kHeadDim = 64;
  const auto tensor = [](int heads, bool counting) {
    std::vector<_Float16> host(std::size_t{kBatch} * kSeqlen * static_cast<unsigned>(heads) *
                               kHeadDim);
    for (std::size_t i = 0; counting && i < host.size(); ++i)
      host[i] = static_cast<_Float16>(static_cast<float>(i % kHeadDim));
    void* device = nullptr;
    check(cudaMalloc(&device, 2 * host.size()));
    check(cudaMemcpy(device, host.data(), 2 * host.size(), cudaMemcpyHostToDevice));
    return flashjit::bshd(device, flashjit::Dtype::kFp16, kBatch, kSeqlen, heads, kHeadDim);
  };
  flashjit::AttentionArgs args;
  args.q = tensor(kHeads, false);
  args.k = tensor(kHeadsKv, false);
  args.v = tensor(kHeadsKv, true);
  args.o = tensor(kHeads, false);
  args.causal = true;
  runtime.forward(args);
  _Float16 row[kHeadDim] = {};
  check(cudaMemcpy(row, args.o.data, sizeof row, cudaMemcpyDeviceToHost));
  for (void* data : {args.q.data, args.k.data, args.v.data, args.o.data}) check(cudaFree(data));
  std::printf(
      "computed on %s: o[5] = %g\n", runtime.device().name.c_str(), static_cast<double>(row[5]));
  return row[5] == static_cast<_Float16>(5.0f) && row[63] == static_cast<_Float16>(63.0f);
}
#else
bool compute(flashjit::Runtime&) {
  std::printf("built without the CUDA runtime: nothing computed\n");
  return true;
}
#endif

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "service BUNDLE MANIFEST_DIGEST WORKLOAD [--ready-only]\n");
    return 2;
  }
  flashjit::Options options;
  options.backend = flashjit::Backend::kCuda;  // not the CPU in its place
  options.bundles = {argv[1]};
  options.bundle_digest = argv[2];  // any other bundle is refused
  options.cache_dir = "";
  options.offline = true;
  flashjit::Runtime runtime(options);
  if (!make_ready(runtime, argv[3])) return 1;
  const bool ready_only = argc > 4 && std::strcmp(argv[4], "--ready-only") == 0;
  return ready_only || compute(runtime) ? 0 : 1;
} catch (const flashjit::Error& error) {
  std::fprintf(stderr, "%s: %s\n", flashjit::to_string(error.code()), error.what());
  return 1;
}
