/* The C ABI, for C and for every language that can call C (ctypes, Rust, Go, Julia).
 *
 * Every function that can fail returns a flashjit_status; what went wrong is told by the
 * flashjit_last_error_* functions, per thread. Structs start with struct_size, which the caller
 * sets to sizeof(the struct): a newer library takes the missing fields of an older caller as 0, and
 * an older library accepts a newer caller's struct as long as the fields that it does not know are
 * 0. A struct that is 0 but for struct_size asks for the defaults. All functions are thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "flashjit/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum flashjit_status {
  FLASHJIT_OK = 0,
  FLASHJIT_INVALID_ARGUMENT = 1, /* the message names the argument and the fix */
  FLASHJIT_NOT_SUPPORTED = 2,    /* legal, but no kernel for it on this device */
  FLASHJIT_NO_DRIVER = 3,        /* libcuda cannot be opened or has no device */
  FLASHJIT_NO_COMPILER = 4,      /* libnvrtc cannot be opened */
  FLASHJIT_COMPILE_FAILED = 5,   /* see flashjit_last_error_log() */
  FLASHJIT_DRIVER = 6,           /* a Driver API call failed */
  FLASHJIT_OFFLINE = 7,          /* strict offline mode, and the variant is in no cache layer */
  FLASHJIT_CAPTURING = 8,        /* the stream captures a graph and the variant is not loaded */
  FLASHJIT_OUT_OF_MEMORY = 9,
  FLASHJIT_IO = 10,      /* a file that the caller named cannot be read or written */
  FLASHJIT_DATA = 11,    /* a file that the caller named does not hold what it should */
  FLASHJIT_INTERNAL = 12 /* a bug in flashjit */
} flashjit_status;

typedef enum flashjit_dtype {
  FLASHJIT_FP16 = 0,
  FLASHJIT_BF16 = 1,
  FLASHJIT_FP32 = 2
} flashjit_dtype;

typedef enum flashjit_backend {
  FLASHJIT_BACKEND_AUTO = 0,    /* cuda, else cpu with one logged warning */
  FLASHJIT_BACKEND_CUDA = 1,    /* tensors in device memory */
  FLASHJIT_BACKEND_CPU = 2,     /* tensors in host memory */
  FLASHJIT_BACKEND_EMULATED = 3 /* the GPU kernels on the host; slow */
} flashjit_backend;

typedef enum flashjit_family {
  FLASHJIT_FAMILY_FASTEST = 0,  /* the fastest that can run the call */
  FLASHJIT_FAMILY_STANDARD = 1, /* six unfused kernels */
  FLASHJIT_FAMILY_SIMT = 2,     /* any dtype, any GPU from 7.5 up */
  FLASHJIT_FAMILY_SM80 = 3,     /* tensor cores of Ampere and later */
  FLASHJIT_FAMILY_SM90 = 4      /* Hopper */
} flashjit_family;

typedef enum flashjit_tune {
  FLASHJIT_TUNE_FROM_ENVIRONMENT = 0, /* FLASHJIT_TUNE, else as FLASHJIT_TUNE_RECORD */
  FLASHJIT_TUNE_OFF = 1,              /* tilings of the heuristic */
  FLASHJIT_TUNE_RECORD = 2,           /* of a tuning record, where there is one */
  FLASHJIT_TUNE_ON_FIRST_USE = 3      /* measure a problem that has no exact record, once */
} flashjit_tune;

typedef enum flashjit_alignment {
  FLASHJIT_BOTTOM_RIGHT = 0, /* key <= row + seqlen_kv - seqlen_q */
  FLASHJIT_TOP_LEFT = 1      /* key <= row */
} flashjit_alignment;

typedef enum flashjit_switch {
  FLASHJIT_FROM_ENVIRONMENT = 0,
  FLASHJIT_ON = 1,
  FLASHJIT_OFF = 2
} flashjit_switch;

/* A borrowed view. Logical order [batch, seqlen, heads, head_dim] whatever the layout; strides in
 * elements. Last stride 1; pointer and other strides multiples of 16 bytes; inputs may have
 * stride 0. */
typedef struct flashjit_tensor {
  void* data;
  int32_t dtype; /* flashjit_dtype, the same for all tensors of a call */
  int32_t reserved;
  int64_t shape[4];
  int64_t strides[4];
} flashjit_tensor;

/* O = softmax(Q K^T * softmax_scale) V, with the mask applied to the scores. */
typedef struct flashjit_attention {
  size_t struct_size;
  flashjit_tensor q; /* [batch, seqlen_q,  heads_q,  head_dim_qk] */
  flashjit_tensor k; /* [batch, seqlen_kv, heads_kv, head_dim_qk]; heads_kv divides heads_q */
  flashjit_tensor v; /* [batch, seqlen_kv, heads_kv, head_dim_v] */
  flashjit_tensor o; /* [batch, seqlen_q,  heads_q,  head_dim_v], written */
  int32_t causal;    /* 0 or 1 */
  int32_t alignment; /* flashjit_alignment */
  int32_t has_softmax_scale; /* 0: 1/sqrt(head_dim_qk) */
  float softmax_scale;       /* any finite value */
  float* lse;      /* NULL, or dense fp32 [batch, heads_q, seqlen_q], natural logarithm, written */
  void* workspace; /* NULL, or 256-byte aligned device memory; see flashjit_workspace_size */
  size_t workspace_size; /* bytes */
} flashjit_attention;

typedef struct flashjit_options {
  size_t struct_size;
  int32_t backend;        /* flashjit_backend */
  int32_t device;         /* CUDA ordinal */
  int32_t family;         /* flashjit_family */
  int32_t offline;        /* flashjit_switch: a variant in no cache layer is an error */
  const char* cache_dir;  /* NULL: from the environment */
  const char* kernel_dir; /* NULL: from the environment, else the embedded kernel sources */
  const char* bundles;    /* NULL: from the environment; else directories, separated by colons */
  double tune_seconds;    /* of one problem on its first use; 0: from the environment, else 10 */
  int32_t tune;           /* flashjit_tune */
  int32_t reserved;
  const char* bundle_digest; /* NULL, or hex SHA-256 of the manifest.json of the one bundle */
} flashjit_options;

/* What one call uses. Text is NUL-terminated, shortened if need be. */
typedef struct flashjit_variant {
  size_t struct_size;
  char name[128];             /* fwd_sm90_bf16_d128_causal_m128n128s2 */
  char selected_by[64];       /* "heuristic", "forced family", ... */
  char cache_key[72];         /* SHA-256 in hex; "" on the CPU backend */
  int32_t origin;             /* 0 memory, 1 bundle, 2 disk cache, 3 compiled now */
  int32_t registers;          /* per thread */
  int32_t spill_bytes;        /* per thread, stores and loads */
  int32_t stack_bytes;        /* per thread */
  int32_t static_smem_bytes;  /* per CTA */
  int32_t dynamic_smem_bytes; /* per CTA */
  int32_t threads;            /* per CTA */
  int32_t reserved;
  double compile_ms; /* of the compiler, from the cache entry if it was cached */
  double load_ms;    /* look-up, read, verify and load in this process */
} flashjit_variant;

typedef struct flashjit_device {
  size_t struct_size;
  char name[256];
  int32_t backend;                               /* flashjit_backend, never AUTO */
  int32_t arch_major, arch_minor, arch_specific; /* 9, 0, 1: sm_90a */
  int32_t sm_count;
  int32_t memory_clock_khz;
  int32_t driver_version; /* 13000 is 13.0; 0 without a driver */
  int32_t reserved;
  uint64_t l2_bytes;
  uint64_t total_memory; /* bytes */
} flashjit_device;

typedef struct flashjit_stats {
  size_t struct_size;
  uint64_t memory_hits, bundle_hits, disk_hits, compiles, corrupt_entries;
  double compile_ms;
  uint64_t misses; /* look-ups that no layer answered */
} flashjit_stats;

typedef struct flashjit_runtime flashjit_runtime;

/* options NULL: the defaults. On failure *runtime is NULL. */
FLASHJIT_API flashjit_status flashjit_create(const flashjit_options* options,
                                             flashjit_runtime** runtime);
/* After the work that was launched has finished. NULL is fine. */
FLASHJIT_API void flashjit_destroy(flashjit_runtime* runtime);

/* Asynchronous on `stream`, a CUstream or cudaStream_t (NULL: the legacy default stream); the CPU
 * backend returns when O is written. On failure nothing was written to O and LSE. */
FLASHJIT_API flashjit_status flashjit_forward(flashjit_runtime* runtime,
                                              const flashjit_attention* attention,
                                              void* stream);
/* Compiles or loads what forward would use, without running it; data pointers may be NULL, lse must
 * be what it will be. `variant` may be NULL. */
FLASHJIT_API flashjit_status flashjit_prepare(flashjit_runtime* runtime,
                                              const flashjit_attention* attention,
                                              flashjit_variant* variant);
/* Bytes of workspace that forward wants; 0 for most variants. Without one the runtime allocates on
 * the stream. */
FLASHJIT_API flashjit_status flashjit_workspace_size(flashjit_runtime* runtime,
                                                     const flashjit_attention* attention,
                                                     size_t* bytes);

/* The variants loaded so far. In: *count is the capacity of `variants`, whose first element's
 * struct_size counts for all. Out: *count is their number, also when there was no room for all. */
FLASHJIT_API flashjit_status flashjit_loaded_variants(flashjit_runtime* runtime,
                                                      flashjit_variant* variants,
                                                      size_t* count);
FLASHJIT_API flashjit_status flashjit_device_info(flashjit_runtime* runtime,
                                                  flashjit_device* device);
FLASHJIT_API flashjit_status flashjit_get_stats(flashjit_runtime* runtime, flashjit_stats* stats);

/* Of the last call of this thread that failed; "" before any. Valid until the thread's next call
 * that fails. */
FLASHJIT_API const char* flashjit_last_error_message(void);
FLASHJIT_API const char* flashjit_last_error_variant(void); /* "" if none is concerned */
FLASHJIT_API const char* flashjit_last_error_log(void);     /* the compiler's, or "" */
FLASHJIT_API const char* flashjit_last_error_source(void);  /* path of the saved source, or "" */

FLASHJIT_API const char* flashjit_status_name(flashjit_status status); /* "invalid_argument" */
FLASHJIT_API const char* flashjit_version(void);                       /* "0.1.0" */

#ifdef __cplusplus
}
#endif

#include "flashjit/c_api_preload.h"
