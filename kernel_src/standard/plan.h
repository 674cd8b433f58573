// Plan of the standard family: stub until its kernels land.
#pragma once
#include "smem_plan.h"

namespace flashjit {

constexpr SmemPlan standard_smem_plan(const KernelConfig&) { return {}; }

constexpr const char* standard_why_illegal(const KernelConfig&) {
  return "the standard family is not available yet";
}

}  // namespace flashjit
