// What of a record is worth carrying with the library and in a source tree.
#pragma once

#include "tuning_record.h"

namespace flashjit {

// The record with the candidates that tell the most: winner and default, the fastest of each of the
// best 20 (block_m, block_n), which a heat map shows, and one of each kind of failure. A tenth of
// the bytes; `measured` and `failed` still say of how many.
TuningRecord abridged(TuningRecord record);

}  // namespace flashjit
