// Plan of the sm90 family.
#pragma once
#include "smem_plan.h"

namespace flashjit {

constexpr SmemPlan sm90_smem_plan(const KernelConfig&) { return {}; }

constexpr const char* sm90_why_illegal(const KernelConfig&) {
  return "the sm90 family is not available yet";
}

}  // namespace flashjit
