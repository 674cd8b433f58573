// Problem, Tiling, Arch and KernelConfig: the very text that the kernels include. The installed
// package puts kernel_src/kernel_config.h itself in this place.
#pragma once

#include "../../../kernel_src/kernel_config.h"
