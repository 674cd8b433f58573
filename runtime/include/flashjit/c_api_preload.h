/* The part of the C ABI that makes many variants ready at once; c_api.h includes it. */
#pragma once

#include "flashjit/c_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts are of distinct variants. */
typedef struct flashjit_preload_progress {
  size_t struct_size;
  uint64_t done, total, compiled, failed; /* done counts the failed ones too */
  double seconds_left;                    /* as the pace so far has it */
} flashjit_preload_progress;

typedef struct flashjit_preload_options {
  size_t struct_size;
  int32_t threads; /* 0: as many as the cores and the free memory of this process allow */
  int32_t reserved;
  /* NULL, or called before the first variant and after each, never twice at once; any result but 0
   * cancels: what is under way is finished, the rest is left. */
  int32_t (*on_progress)(const flashjit_preload_progress* progress, void* user);
  void* user;
} flashjit_preload_options;

typedef struct flashjit_preload_result {
  size_t struct_size;
  uint64_t loaded, compiled, failed;
  int32_t cancelled; /* 0 or 1 */
  int32_t reserved;
} flashjit_preload_result;

/* Prepares many calls in parallel and loads their modules; `options` and `result` may be NULL. Not
 * FLASHJIT_OK when a variant failed: the others are ready all the same, and the last error is that
 * of the first one that failed. */
FLASHJIT_API flashjit_status flashjit_preload(flashjit_runtime* runtime,
                                              const flashjit_attention* problems,
                                              size_t count, /* struct_size of the first counts */
                                              const flashjit_preload_options* options,
                                              flashjit_preload_result* result);
/* The same of a workload file, as FLASHJIT_RECORD writes it. */
FLASHJIT_API flashjit_status flashjit_preload_file(flashjit_runtime* runtime,
                                                   const char* workload,
                                                   const flashjit_preload_options* options,
                                                   flashjit_preload_result* result);

#ifdef __cplusplus
}
#endif
