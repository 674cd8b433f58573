// Which kernel would run a problem, where did it come from and what does it use? Nothing is
// launched: the tensors need no memory. The program `flashjit inspect` shows the source, PTX and
// SASS of the same variant.
#include <flashjit/flashjit.h>

#include <cstdio>

int main() try {
  flashjit::Runtime runtime;
  const flashjit::DeviceInfo& device = runtime.device();
  std::printf("%s, %d multiprocessors\n", device.name.c_str(), device.sm_count);

  for (const int head_dim : {64, 96, 128, 256}) {
    const auto view = flashjit::bshd(nullptr, flashjit::Dtype::kBf16, 1, 4096, 16, head_dim);
    const flashjit::VariantInfo info =
        runtime.prepare({.q = view, .k = view, .v = view, .o = view, .causal = true});
    const flashjit::ResourceUse& use = info.resources;
    std::printf("%-48s by %s, %s: compiled in %.0f ms, loaded in %.1f ms\n",
                info.name.c_str(),
                info.selected_by.c_str(),
                flashjit::to_string(info.origin),
                info.compile_ms,
                info.load_ms);
    if (use.threads == 0) {
      continue;  // the CPU backend compiles nothing
    }
    std::printf("  %d threads, %d registers, %d bytes spilled, %d bytes of shared memory\n",
                use.threads,
                use.registers,
                use.spill_store_bytes,
                use.static_smem_bytes + use.dynamic_smem_bytes);
  }
} catch (const flashjit::Error& error) {
  std::fprintf(stderr,
               "%s: %s\n%s\n",
               flashjit::to_string(error.code()),
               error.what(),
               error.compile_log().c_str());
  return 1;
}
