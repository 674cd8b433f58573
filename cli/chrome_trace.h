// A profile in the Trace Event Format, which chrome://tracing and https://ui.perfetto.dev open: one
// process per CTA, one thread per warpgroup, tiles as slices with the stages inside them.
#pragma once

#include <string>

#include "cli/profile_buffer.h"
#include "cli/table.h"

namespace flashjit::cli {

// `about` is kept in the file as "otherData".
std::string chrome_trace(const Profile& profile, const Json& about);

}  // namespace flashjit::cli
