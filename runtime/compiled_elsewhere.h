// The look-up of a process that has no compiler, or must not use it: programs are often built where
// NVRTC is and run where it is not.
#pragma once

#include <optional>

#include "cubin_cache.h"
#include "kernel_sources.h"

namespace flashjit {

// An entry of any compiler's build that the device and its driver load: first of the device's own
// architecture, then of an older one of the same major. Throws Error(kNotSupported) when there are
// entries and all are too new for the driver.
std::optional<CacheHit> find_compiled_elsewhere(CubinCache& cache,
                                                const VariantSource& source,
                                                const KernelSources& sources,
                                                const DeviceInfo& device);

}  // namespace flashjit
