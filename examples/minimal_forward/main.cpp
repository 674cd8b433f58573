// Causal attention with grouped queries, fp16: on the GPU if there is one, else on the CPU.
#include <flashjit/flashjit.h>

#include <cstdio>

#include "tensor.h"

int main() try {
  flashjit::Runtime runtime({.backend = kBackend});
  const bool on_device = runtime.backend() == flashjit::Backend::kCuda;

  const int batch = 2, seqlen = 1000, heads = 8, heads_kv = 2, head_dim = 64;
  Tensor q(batch, seqlen, heads, head_dim, on_device);
  Tensor k(batch, seqlen, heads_kv, head_dim, on_device);
  Tensor v(batch, seqlen, heads_kv, head_dim, on_device);
  Tensor o(batch, seqlen, heads, head_dim, on_device);

  runtime.forward({.q = q.view(), .k = k.view(), .v = v.view(), .o = o.view(), .causal = true});

  const float first_o = o.read()[0], first_v = v.read()[0];
  std::printf("%s: o[0] = %g and v[0] = %g are equal, for the first row sees one key\n",
              runtime.device().name.c_str(),
              first_o,
              first_v);
  return first_o == first_v ? 0 : 1;
} catch (const flashjit::Error& error) {
  std::fprintf(stderr, "%s: %s\n", flashjit::to_string(error.code()), error.what());
  return 1;
}
