/* A program's use of the C ABI, in C: shows that the header is C and that its structs are laid out
 * as the library reads them. Called by c_api_test.cpp. */
#include "flashjit/c_api.h"

#include <string.h>

static flashjit_tensor dense(float* data, int64_t seqlen, int64_t heads, int64_t head_dim) {
  flashjit_tensor tensor = {data,
                            FLASHJIT_FP32,
                            0,
                            {1, seqlen, heads, head_dim},
                            {seqlen * heads * head_dim, heads * head_dim, head_dim, 1}};
  return tensor;
}

/* Attention of one head with head_dim 8 on the CPU backend. */
flashjit_status c_client_forward(float* q,
                                 float* k,
                                 float* v,
                                 float* o,
                                 float* lse,
                                 int64_t seqlen,
                                 float scale,
                                 char* variant_name,
                                 size_t variant_name_size) {
  flashjit_options options;
  flashjit_attention attention;
  flashjit_variant variant;
  flashjit_runtime* runtime;
  flashjit_status status;

  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.backend = FLASHJIT_BACKEND_CPU;
  status = flashjit_create(&options, &runtime);
  if (status != FLASHJIT_OK) return status;

  memset(&attention, 0, sizeof attention);
  attention.struct_size = sizeof attention;
  attention.q = dense(q, seqlen, 1, 8);
  attention.k = dense(k, seqlen, 1, 8);
  attention.v = dense(v, seqlen, 1, 8);
  attention.o = dense(o, seqlen, 1, 8);
  attention.causal = 1;
  attention.has_softmax_scale = 1;
  attention.softmax_scale = scale;
  attention.lse = lse;
  status = flashjit_forward(runtime, &attention, NULL);
  if (status == FLASHJIT_OK) {
    variant.struct_size = sizeof variant;
    status = flashjit_prepare(runtime, &attention, &variant);
  }
  if (status == FLASHJIT_OK) strncpy(variant_name, variant.name, variant_name_size - 1);
  flashjit_destroy(runtime);
  return status;
}
