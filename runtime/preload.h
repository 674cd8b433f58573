// Many variants made ready at once: the worker threads, the progress and the cancelling of
// Runtime::preload. Knows nothing of devices.
#pragma once

#include <functional>
#include <vector>

#include "flashjit/runtime.h"

namespace flashjit {

// Fills the rows without an error by prepare(row), on several threads; the rows that were not
// reached before a cancel are left out of the result. `on_progress` of the options is called under
// a lock; what it throws is thrown here when the threads have ended.
PreloadResult preload_variants(std::vector<PreloadedVariant> variants,
                               const PreloadOptions& options,
                               const std::function<VariantInfo(const PreloadedVariant&)>& prepare);

}  // namespace flashjit
