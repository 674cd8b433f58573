/* Attention from C, on the CPU backend: fp32, one call, then a call that is wrong on purpose. */
#include <flashjit/c_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kBatch = 1, kSeqlen = 256, kHeads = 4, kHeadDim = 64 };
enum { kSize = kBatch * kSeqlen * kHeads * kHeadDim };

/* Dense [batch, seqlen, heads, head_dim], the layout of most programs. */
static flashjit_tensor dense(float* data) {
  const flashjit_tensor tensor = {.data = data,
                                  .dtype = FLASHJIT_FP32,
                                  .shape = {kBatch, kSeqlen, kHeads, kHeadDim},
                                  .strides = {kSize / kBatch, kHeads * kHeadDim, kHeadDim, 1}};
  return tensor;
}

static float* random_tensor(void) {
  float* values = aligned_alloc(64, kSize * sizeof(float));
  for (int i = 0; values && i < kSize; ++i) {
    values[i] = 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
  }
  return values;
}

int main(void) {
  const flashjit_options options = {.struct_size = sizeof options, .backend = FLASHJIT_BACKEND_CPU};
  flashjit_runtime* runtime = NULL;
  if (flashjit_create(&options, &runtime) != FLASHJIT_OK) {
    fprintf(stderr, "%s\n", flashjit_last_error_message());
    return 1;
  }
  float *q = random_tensor(), *k = random_tensor(), *v = random_tensor(), *o = random_tensor();
  flashjit_attention attention = {.struct_size = sizeof attention,
                                  .q = dense(q),
                                  .k = dense(k),
                                  .v = dense(v),
                                  .o = dense(o),
                                  .causal = 1};
  flashjit_status status = flashjit_forward(runtime, &attention, NULL);
  /* The first row sees the first key alone, so its result is the first value. */
  const int right = status == FLASHJIT_OK && fabsf(o[0] - v[0]) < 1e-6f;
  printf("flashjit %s: %s, o[0] = %g, v[0] = %g\n",
         flashjit_version(),
         flashjit_status_name(status),
         o[0],
         v[0]);

  attention.k.shape[3] = 12;
  status = flashjit_forward(runtime, &attention, NULL);
  printf("%s: %s\n", flashjit_status_name(status), flashjit_last_error_message());

  flashjit_destroy(runtime);
  free(q), free(k), free(v), free(o);
  return right && status == FLASHJIT_INVALID_ARGUMENT ? 0 : 1;
}
